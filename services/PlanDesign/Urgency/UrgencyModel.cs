namespace PlanDesign.Urgency;

/// <summary>At which end of its cell a type of a continuous market stands.</summary>
public enum CellEnd
{
    /// <summary>Everyone in the cell buys what its most urgent member buys: the menu earns exactly what is reported.</summary>
    Upper,

    /// <summary>Everyone is as patient as the most patient of the cell: an upper bound on what any menu can earn.</summary>
    Lower,
}

/// <summary>
/// The law G of the private discount rate r (1/second) over customers; larger is more urgent. To add a kind: a class here, an arm
/// in <see cref="UrgencyJson"/>, and its cells in the certificate's own tables.
/// </summary>
public abstract class UrgencyModel
{
    public abstract string Kind { get; }

    /// <summary>
    /// Whether the law has a density, so that types are cells cut for the solution and a customer may stand between them.
    /// </summary>
    public abstract bool HasDensity { get; }

    /// <summary>Whether some customers' rates are known by an interval only, so that the two ends of <see cref="Types"/> differ.</summary>
    public virtual bool HasIntervals => HasDensity;

    public abstract InputFault? Check(int? typeCount);

    /// <summary>
    /// The rate (1/second) below which a share <paramref name="probability"/> in [0,1] of customers lies; may be infinite at 1.
    /// </summary>
    public abstract double Quantile(double probability);

    /// <summary>G(r): the share of customers at most as urgent as <paramref name="ratePerSecond"/>.</summary>
    public abstract double Cdf(double ratePerSecond);

    public abstract TypeGrid Types(int typeCount, CellEnd end);

    /// <summary>
    /// Cells of equal mass. A cell whose type would be infinitely urgent gets nothing from any cap: it is present but never served.
    /// </summary>
    protected TypeGrid CellsOfEqualMass(int typeCount, CellEnd end)
    {
        var edges = new double[typeCount + 1];
        for (var i = 0; i <= typeCount; i++) edges[i] = Quantile((double)i / typeCount);
        var all = end == CellEnd.Upper ? edges[1..] : edges[..^1];
        var served = double.IsInfinity(all[^1]) ? typeCount - 1 : typeCount;
        var weights = new double[served];
        Array.Fill(weights, 1.0 / typeCount);
        return new TypeGrid(all[..served], weights, edges[..served], edges[1..(served + 1)], served < typeCount ? 1.0 / typeCount : 0);
    }
}
