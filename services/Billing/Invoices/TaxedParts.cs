using System.Text.Json;

namespace Billing.Invoices;

/// <summary>The parts of a final invoice that are taxed alike, from its canonical document: what credit notes are split over.</summary>
public static class TaxedParts
{
    public static ValueList<TaxedPart> Of(string invoiceJson)
    {
        using var json = JsonDocument.Parse(invoiceJson);
        var root = json.RootElement;
        var total = root.GetProperty("totalMicros").GetInt64();
        var taxed = root.GetProperty("lines").EnumerateArray().Where(l => l.TryGetProperty("tax", out _))
            .Select(l => new TaxedPart(l.GetProperty("description").GetString()!, new(l.GetProperty("tax").GetProperty("baseMicros").GetInt64()), new(l.GetProperty("amountMicros").GetInt64())))
            .ToList();
        var rest = total - taxed.Sum(p => (p.NetMicros + p.TaxMicros).Value);
        if (rest != 0 || taxed.Count == 0) taxed.Add(new("not taxed", new(rest), Micros.Zero));
        return [.. taxed];
    }
}
