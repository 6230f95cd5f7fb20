namespace Billing.Rating;

/// <summary>
/// Step 8, the only rounding of what was used: the exact sum to the nearest minor unit (a half away from zero), then every line down to a minor unit,
/// and the units that are left to the lines with the largest remainders, the earlier line first. So lines always add up.
/// </summary>
public static class Rounding
{
    public static RatedInvoice ToMinorUnits(IReadOnlyList<ExactLine> lines, Currency currency)
    {
        decimal unit = currency.MinorUnit.Value;
        var total = decimal.Round(lines.Sum(l => l.ExactMicros) / unit, MidpointRounding.AwayFromZero);
        var units = lines.Select(l => decimal.Floor(l.ExactMicros / unit)).ToArray();
        var left = (int)(total - units.Sum());
        foreach (var i in Enumerable.Range(0, lines.Count).OrderByDescending(i => lines[i].ExactMicros / unit - units[i]).Take(left)) units[i]++;
        return new(
            lines.Select((l, i) => new InvoiceLine(
                l.Kind, l.Description, l.PlanId, l.TokenKind, l.Tokens, l.UnitPrice, new Micros((long)(units[i] * unit)), l.AboutPeriodId)
            {
                Product = l.Product, TermId = l.TermId,
            }).ToValueList(),
            new Micros((long)(total * unit)));
    }
}
