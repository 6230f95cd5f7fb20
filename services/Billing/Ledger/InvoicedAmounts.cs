using System.Diagnostics;
using System.Text.Json;
using Billing.Periods;
using Billing.Rating;

namespace Billing.Ledger;

/// <summary>A part of an invoice's net that is earned evenly over the time in which it was served.</summary>
/// <param name="Served">in order of time; a pause lies between two of them</param>
public sealed record RevenuePart(LedgerAccount Account, Micros AmountMicros, ValueList<Period> Served)
{
    /// <summary>What is earned before a moment. Cumulative and rounded towards zero: what falls between two moments is a difference, and the last one takes all that is left.</summary>
    // 128 bits: micros times ticks exceed 64.
    public Micros EarnedBefore(DateTimeOffset at) => new((long)((Int128)AmountMicros.Value * ServedBefore(at) / ServedBefore(DateTimeOffset.MaxValue)));

    private long ServedBefore(DateTimeOffset at) => Served.Sum(p => Math.Clamp((at - p.Start).Ticks, 0, (p.End - p.Start).Ticks));
}

/// <param name="Description">of the line of tax: name, rate and jurisdiction</param>
public sealed record InvoicedTax(string Description, Micros AmountMicros);

/// <summary>
/// What a final invoice demanded, from its canonical document: revenue before money credit, which pays like money, and tax. A fee is earned over the time in which its
/// plan held; everything else over all the time in which a plan was served. Discounts and prepaid tokens lower what they were taken from.
/// </summary>
public sealed record InvoicedAmounts(Period Served, ValueList<RevenuePart> Revenue, ValueList<InvoicedTax> Tax)
{
    public Micros NetMicros => Micros.Sum(Revenue.Select(r => r.AmountMicros));
    public Micros TaxMicros => Micros.Sum(Tax.Select(t => t.AmountMicros));

    public Micros EarnedBefore(DateTimeOffset at) => Micros.Sum(Revenue.Select(r => r.EarnedBefore(at)));

    /// <param name="times">of its period; null where one plan held throughout</param>
    public static InvoicedAmounts Of(string invoiceJson, PlanTimes? times)
    {
        using var json = JsonDocument.Parse(invoiceJson);
        var period = json.RootElement.GetProperty("period");
        var whole = new Period(period.GetProperty("start").GetDateTimeOffset(), period.GetProperty("end").GetDateTimeOffset());
        Period[] spans = times is null ? [whole] : [.. times.Spans().Select(s => new Period(s.Segment.From, s.To))];
        ValueList<Period> served = times is not null && times.Served().Any() ? times.Served().Select(s => new Period(s.Segment.From, s.To)).ToValueList() : [whole];
        Line[] lines = [.. json.RootElement.GetProperty("lines").EnumerateArray().Select(Line.Of)];
        return new(
            whole, Products.All.SelectMany(p => Parts(p, [.. lines.Where(l => l.Product == p)], spans, served)).Where(p => p.AmountMicros != Micros.Zero).ToValueList(),
            lines.Where(l => l.Kind == LineKinds.Tax && l.AmountMicros != 0).Select(l => new InvoicedTax(l.Description, new(l.AmountMicros))).ToValueList());
    }

    private static IEnumerable<RevenuePart> Parts(string product, Line[] lines, Period[] spans, ValueList<Period> served)
    {
        Line[] fees = [.. lines.Where(l => l.Kind == LineKinds.PeriodFee)];
        if (fees.Length > 0 && fees.Length != spans.Length) throw new UnreachableException($"an invoice has {fees.Length} fees for the {spans.Length} times in which a plan held: the store is corrupt");
        var off = lines.Where(l => l.Kind is LineKinds.Discount or LineKinds.PrepaidTokens).Sum(l => l.AmountMicros);
        var charged = lines.Where(l => l.Kind is not (LineKinds.PeriodFee or LineKinds.Discount or LineKinds.PrepaidTokens or LineKinds.Credit)).Sum(l => l.AmountMicros);
        long[] charges = [.. fees.Select(f => f.AmountMicros), charged];
        long[] weights = [.. charges.Select(c => Math.Max(c, 0))];
        // Rounding, or usage that was taken back, may leave more off than there are charges.
        var spread = Math.Clamp(-off, 0, weights.Sum());
        var taken = Apportion.ByRemainder(spread, weights);
        taken[^1] -= off + spread;
        var account = product == Products.Usage ? LedgerAccount.UsageRevenue : LedgerAccount.SubscriptionRevenue;
        return charges.Select((c, i) => new RevenuePart(account, new(c - taken[i]), i < fees.Length ? [spans[i]] : served));
    }

    private sealed record Line(string Kind, string Description, string Product, long AmountMicros)
    {
        public static Line Of(JsonElement line)
        {
            var kind = line.GetProperty("kind").GetString()!;
            // Lines of tax have no product; those of the first format say none either.
            var product = kind == LineKinds.Tax ? "" : line.TryGetProperty("product", out var said) ? said.GetString()! : Products.Of(kind);
            return new(kind, line.GetProperty("description").GetString()!, product, line.GetProperty("amountMicros").GetInt64());
        }
    }
}
