namespace PlanDesign.Screening.Rounding;

/// <summary>
/// A step up the menu: from the plan below (or nothing) to <paramref name="CapTokens"/>, meant for types 0 … <paramref name="CutoffType"/>,
/// for so many minor units of a period's fee. The price of a plan is the sum of the steps up to it.
/// </summary>
internal readonly record struct PriceStep(int CapTokens, int CutoffType, long MinorUnitsPerPeriod)
{
    /// <summary>In units: a gain this little short of a whole one counts as whole, for it was computed in binary fractions.</summary>
    public const double FloorTolerance = 1e-9;
}
