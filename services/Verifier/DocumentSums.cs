using System.Globalization;
using System.Text.Json;

namespace Verifier;

/// <summary>Whether documents add up as their published schemas say (contracts/documents): what an event repeats of them cannot show it.</summary>
internal static class DocumentSums
{
    private const string WithoutTax = "invoice/1";

    /// <returns>the first sum that does not hold, as "its lines add up to 7 and totalMicros is 5 (a difference of 2)"; null where all do</returns>
    public static string? FirstDifferenceOfInvoice(string document)
    {
        using var json = JsonDocument.Parse(document);
        var d = json.RootElement;
        var lines = d.GetProperty("lines").EnumerateArray().ToArray();
        if (Difference("its lines add up", Sum(lines, "amountMicros"), d, "totalMicros") is { } difference) return difference;
        if (d.GetProperty("format").GetString() == WithoutTax) return null;
        return Difference("its lines of tax add up", Sum(lines.Where(l => l.GetProperty("kind").GetString() == "tax"), "amountMicros"), d, "taxMicros") ?? NetAndTax(d);
    }

    /// <returns>likewise of a credit note</returns>
    public static string? FirstDifferenceOfCreditNote(string document)
    {
        using var json = JsonDocument.Parse(document);
        var d = json.RootElement;
        var parts = d.GetProperty("parts").EnumerateArray().ToArray();
        return Difference("its parts add up", Sum(parts, "netMicros"), d, "netMicros") ?? Difference("the tax of its parts adds up", Sum(parts, "taxMicros"), d, "taxMicros") ?? NetAndTax(d);
    }

    private static string? NetAndTax(JsonElement d) => Difference("netMicros and taxMicros add up", Amount(d, "netMicros") + Amount(d, "taxMicros"), d, "totalMicros");

    private static string? Difference(string what, Int128 sum, JsonElement d, string name) => Amount(d, name) is var said && sum == said
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{what} to {sum} and {name} is {said} (a difference of {sum - said})");

    /// <summary>Wider than an amount, for a forged one may be near the largest that there is.</summary>
    private static Int128 Sum(IEnumerable<JsonElement> parts, string name) => parts.Aggregate(Int128.Zero, (sum, p) => sum + Amount(p, name));

    private static Int128 Amount(JsonElement e, string name) => e.GetProperty(name).GetInt64();
}
