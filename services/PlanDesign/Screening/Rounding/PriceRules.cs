using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening.Rounding;

/// <summary>
/// Rules on prices in whole minor units. A ceiling P and a largest ratio ρ both leave, once the cheapest price q₁ is chosen, so much for all later
/// steps together: min(P, ⌊ρ·q₁⌋) − q₁.
/// </summary>
/// <param name="Min">The least that the cheapest plan may cost; a ratio needs it above 0.</param>
/// <param name="Max">Null for no ceiling.</param>
/// <param name="RatioMax">Null for none.</param>
internal sealed record PriceRules(long Min, long? Max, double? RatioMax)
{
    private const int RangesOfCheapest = 48;

    /// <summary>The most that the cheapest plan may cost where only a part of its prices is looked at; null for all.</summary>
    public long? FirstMax { get; init; }

    public static PriceRules None { get; } = new(0, null, null);

    /// <summary>Whether what later steps may cost is limited at all.</summary>
    public bool HasBudget => Max is not null || RatioMax is not null;

    public static PriceRules Of(MenuConstraints constraints, double unit)
    {
        var min = constraints.PriceMin is { } floor ? Math.Ceiling(floor / unit - PriceStep.FloorTolerance) : 0;
        return new(
            (long)Math.Max(constraints.PriceRatioMax is null ? 0 : 1, min),
            constraints.PriceMax is { } max ? (long)Math.Floor(max / unit + PriceStep.FloorTolerance) : null,
            constraints.PriceRatioMax);
    }

    /// <summary>
    /// The same rules for one range of cheapest prices after another, growing by the same factor. Under a ratio what a cheapest price allows for the rest is
    /// nearly known within a range, which is what makes a bound tight.
    /// </summary>
    /// <param name="dearest">More than this nobody would pay.</param>
    public IReadOnlyList<PriceRules> Ranges(long dearest)
    {
        var most = Math.Min(dearest, Max ?? dearest);
        if (RatioMax is null || most <= Min) return [this];
        var (ranges, from, factor) = (new List<PriceRules>(), Min, Math.Pow((double)most / Min, 1.0 / RangesOfCheapest));
        while (from <= most)
        {
            var to = Math.Min(most, Math.Max(from, (long)(from * factor)));
            ranges.Add(this with { Min = from, FirstMax = to });
            from = to + 1;
        }
        return ranges;
    }

    /// <summary>
    /// What later steps may cost together from each cap on, in units: what the most patient type would pay more for longer caps. Where value at the cap lets V fall,
    /// every rise counts: no other type would pay more for one, and steps go up only.
    /// </summary>
    /// <param name="value">V of the most patient type at ascending caps, in units.</param>
    public static double[] Usable(double[] value)
    {
        var (usable, reach) = (new double[value.Length], value[^1]);
        for (var n = value.Length - 1; n >= 0; n--)
        {
            // From n on V reaches as high as if what it falls by in between were not lost.
            if (n + 1 < value.Length && value[n] > value[n + 1]) reach += value[n] - value[n + 1];
            usable[n] = Math.Floor(reach - value[n] + PriceStep.FloorTolerance);
        }
        return usable;
    }

    /// <summary>What later steps may cost together after a cheapest price, in units; negative if the price itself is above the ceiling.</summary>
    /// <param name="usable">More than this nobody would pay for all longer caps together.</param>
    public long BudgetAfter(long first, long usable) => Math.Min(usable, Math.Min(
        Max is { } max ? max - first : long.MaxValue,
        RatioMax is { } ratio ? (long)Math.Min(1e15, Math.Floor(ratio * first + PriceStep.FloorTolerance)) - first : long.MaxValue));
}
