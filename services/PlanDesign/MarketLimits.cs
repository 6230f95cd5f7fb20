namespace PlanDesign;

/// <summary>
/// What a market may be at most. Beyond these a solve would not end in reasonable time and memory, or the number is a slip of the pen.
/// </summary>
public static class MarketLimits
{
    public const int TypesMax = 10_000;
    public const int CapTokensMax = 131_072;
    public const int PlansMax = 64;

    /// <summary>Types × caps × plans: the cells of the dynamic programme, whatever else a solve computes. Memory is far less, see <see cref="SolveMemory"/>.</summary>
    public const long CellsMax = 500_000_000;

    public const int ObservationsMax = 10_000_000;
    public const double TokensPerSecondMax = 1e6;
    public const double RatePerSecondMax = 1e6;
    public const double SecondsMax = 1e9;
    public const double MoneyMax = 1e12;

    /// <summary>Weights must sum to 1, and probabilities to at most 1, up to this.</summary>
    public const double SumTolerance = 1e-9;

    /// <summary>Types of a continuous market when the input does not say how many: the loss is about one part in their square.</summary>
    public const int TypesDefault = 400;

    /// <summary>
    /// A law without an end is cut off where S(T)·K(T) falls below this, K(T) = max over r of G(r)e^{-rT}: no menu earns more there.
    /// </summary>
    public const double TailDefault = 1e-7;

    /// <summary>... but never beyond this many tokens unless the input asks for it.</summary>
    public const int CapTokensDefaultMax = 32_768;
}
