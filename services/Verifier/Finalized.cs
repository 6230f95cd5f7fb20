using System.Text.Json;

namespace Verifier;

/// <summary>What the event that made an invoice final says of it, and its document must say too.</summary>
internal sealed record Finalized(string Number, string Sha256, string PeriodId, string SubscriptionId, string CustomerId, string Currency, long TotalMicros)
{
    public static Finalized Of(JsonElement data)
    {
        string Text(string name) => data.GetProperty(name).GetString()!;
        return new(Text("number"), Text("documentSha256"), Text("periodId"), Text("subscriptionId"), Text("customerId"), Text("currency"), data.GetProperty("totalMicros").GetInt64());
    }

    /// <returns>the first value that the document does not have, as "totalMicros is 5"; null where it has all</returns>
    public string? DifferenceTo(string document)
    {
        using var json = JsonDocument.Parse(document);
        var d = json.RootElement;
        if (d.GetProperty("number").GetString() != Number) return $"number is {Number}";
        if (d.GetProperty("period").GetProperty("id").GetString() != PeriodId) return $"periodId is {PeriodId}";
        if (d.GetProperty("subscriptionId").GetString() != SubscriptionId) return $"subscriptionId is {SubscriptionId}";
        if (d.GetProperty("customerId").GetString() != CustomerId) return $"customerId is {CustomerId}";
        if (d.GetProperty("currency").GetString() != Currency) return $"currency is {Currency}";
        return d.GetProperty("totalMicros").GetInt64() == TotalMicros ? null : FormattableString.Invariant($"totalMicros is {TotalMicros}");
    }
}
