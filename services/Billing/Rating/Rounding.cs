namespace Billing.Rating;

/// <summary>
/// Step 8, the only rounding of what was used: the exact sum to the nearest minor unit (a half away from zero), split over the products that are taxed
/// apart, and within each over its lines. Each split rounds every part down and gives the units that are left to the largest remainders, the
/// earlier part first. So lines always add up, and a product that discounts brought to nothing has nothing to be taxed.
/// </summary>
public static class Rounding
{
    private const int DigitsOfSums = 12;

    /// <summary>A sum without what divisions in decimals left over.</summary>
    internal static decimal Cleared(decimal sum) => decimal.Round(sum, DigitsOfSums);

    /// <param name="version">until 3 a sum that is half a unit but for what divisions left over went by these</param>
    public static RatedInvoice ToMinorUnits(IReadOnlyList<ExactLine> lines, Currency currency, int version)
    {
        decimal unit = currency.MinorUnit.Value;
        var exact = lines.Select(l => l.ExactMicros / unit).ToArray();
        var sum = version < RatingVersions.Corrected ? exact.Sum() : Cleared(exact.Sum());
        var total = decimal.Round(sum, MidpointRounding.AwayFromZero);
        var units = new decimal[lines.Count];
        int[][] products = [.. Enumerable.Range(0, lines.Count).GroupBy(i => lines[i].Product).Select(g => g.ToArray())];
        foreach (var (product, whole) in products.Zip(Split(total, [.. products.Select(p => p.Sum(i => exact[i]))])))
            foreach (var (i, part) in product.Zip(Split(whole, [.. product.Select(i => exact[i])]))) units[i] = part;
        return new(
            lines.Select((l, i) => new InvoiceLine(
                l.Kind, l.Description, l.PlanId, l.TokenKind, l.Tokens, l.UnitPrice, new Micros((long)(units[i] * unit)), l.AboutPeriodId)
            {
                Product = l.Product, TermId = l.TermId, Packages = l.Packages,
            }).ToValueList(),
            new Micros((long)(total * unit)));
    }

    private static decimal[] Split(decimal whole, decimal[] exact)
    {
        var parts = exact.Select(decimal.Floor).ToArray();
        var left = (int)(whole - parts.Sum());
        foreach (var i in Enumerable.Range(0, parts.Length).OrderByDescending(i => exact[i] - parts[i]).Take(left)) parts[i]++;
        return parts;
    }
}
