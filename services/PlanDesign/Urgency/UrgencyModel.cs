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

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public abstract TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default);

    /// <summary>The quantile of n/typeCount for n from 0 to typeCount. Where each is best looked for from the one before it, a law says so.</summary>
    private protected virtual double[] Edges(int typeCount, CancellationToken cancellation)
    {
        var edges = new double[typeCount + 1];
        for (var n = 0; n <= typeCount; n++)
        {
            cancellation.ThrowIfCancellationRequested();
            edges[n] = Quantile((double)n / typeCount);
        }
        return edges;
    }

    /// <summary>Each edge looked for upwards from the one before it, as far away as that was from its own.</summary>
    /// <param name="share">The share up to a rate, rising.</param>
    private protected double[] EdgesUpwards(Func<double, double> share, int typeCount, CancellationToken cancellation)
    {
        var edges = new double[typeCount + 1];
        edges[0] = Quantile(0);
        for (var n = 1; n < typeCount; n++)
        {
            cancellation.ThrowIfCancellationRequested();
            edges[n] = n == 1 ? Quantile(1.0 / typeCount) : RisingShare.From(share, (double)n / typeCount, edges[n - 1], edges[n - 1] - edges[n - 2]);
        }
        edges[typeCount] = Quantile(1);
        return edges;
    }

    /// <summary>The edges last asked for: a market's grid is made many times, at either end of its cells, and a law never changes.</summary>
    private double[]? _edges;

    /// <summary>
    /// Cells of equal mass. A cell whose type would be infinitely urgent gets nothing from any cap: it is present but never served.
    /// </summary>
    protected TypeGrid CellsOfEqualMass(int typeCount, CellEnd end, CancellationToken cancellation)
    {
        var edges = _edges is { } known && known.Length == typeCount + 1 ? known : _edges = Edges(typeCount, cancellation);
        var all = end == CellEnd.Upper ? edges[1..] : edges[..^1];
        var served = double.IsInfinity(all[^1]) ? typeCount - 1 : typeCount;
        var weights = new double[served];
        Array.Fill(weights, 1.0 / typeCount);
        return new TypeGrid(all[..served], weights, edges[..served], edges[1..(served + 1)], served < typeCount ? 1.0 / typeCount : 0);
    }
}
