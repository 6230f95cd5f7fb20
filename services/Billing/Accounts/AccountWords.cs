using System.Text.Json.Serialization;

namespace Billing.Accounts;

/// <summary>What a discount takes from.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DiscountScope>))]
public enum DiscountScope
{
    [JsonStringEnumMemberName("all")] All,
    [JsonStringEnumMemberName("subscription")] Subscription,
    [JsonStringEnumMemberName("usage")] Usage,
}

/// <summary>Whether tax is charged, and if not, why.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TaxTreatment>))]
public enum TaxTreatment
{
    [JsonStringEnumMemberName("standard")] Standard,
    [JsonStringEnumMemberName("exempt")] Exempt,
    [JsonStringEnumMemberName("reverse_charge")] ReverseCharge,
}

/// <summary>The words of agreements in JSON, on the wire and on the command line.</summary>
public static class AccountWords
{
    public static string Name(this DiscountScope scope) => scope switch
    {
        DiscountScope.All => "all",
        DiscountScope.Subscription => "subscription",
        DiscountScope.Usage => "usage",
    };

    public static string Name(this TaxTreatment treatment) => treatment switch
    {
        TaxTreatment.Standard => "standard",
        TaxTreatment.Exempt => "exempt",
        TaxTreatment.ReverseCharge => "reverse_charge",
    };

    public static DiscountScope ParseScope(string name) => Parse<DiscountScope>(name, Name);
    public static TaxTreatment ParseTreatment(string name) => Parse<TaxTreatment>(name, Name);

    private static T Parse<T>(string name, Func<T, string> nameOf) where T : struct, Enum
    {
        foreach (var value in Enum.GetValues<T>())
            if (nameOf(value) == name) return value;
        throw new FormatException($"'{name}' is not one of {string.Join(", ", Enum.GetValues<T>().Select(nameOf))}");
    }
}
