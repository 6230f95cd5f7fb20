namespace PlanDesign.Estimation;

/// <summary>How urgency is learned from choices.</summary>
public enum UrgencyFit
{
    /// <summary>ln r normal: two parameters, needs two shares.</summary>
    LogNormal,

    /// <summary>r gamma distributed: two parameters, needs two shares.</summary>
    Gamma,

    /// <summary>r uniform between two ends: two parameters, needs two shares.</summary>
    Uniform,

    /// <summary>
    /// No family: shares of the intervals between the cutoffs, and nothing assumed inside them. What is solved for it is the best in the
    /// worst case.
    /// </summary>
    Turnbull,
}

/// <param name="Draws">Bootstrap draws; the intervals are their percentiles.</param>
/// <param name="Seed">The same observations, options and seed give the same bits.</param>
/// <param name="Confidence">Of every interval, such as 0.95.</param>
public sealed record EstimationOptions(UrgencyFit Fit = UrgencyFit.LogNormal, int Draws = 400, int Seed = 1, double Confidence = 0.95)
{
    public const int DrawsMax = 10_000;

    /// <summary>Types into which an estimated law with a density is cut; null for <see cref="MarketLimits.TypesDefault"/>.</summary>
    public int? TypeCount { get; init; }

    /// <summary>
    /// An earlier estimate by the same family, whose spread is held (σ of a log-normal, the shape of a gamma, the lower end of a uniform urgency) with the
    /// uncertainty that its draws give it, so that one share tells the rest. For a menu of which only one plan still sells; null to learn both numbers.
    /// </summary>
    public EstimatedMarket? SpreadFrom { get; init; }

    /// <summary>
    /// An earlier estimate by the same fit, whose urgency is held whole with the uncertainty that its draws give it, so that only lengths are learned: for a
    /// time in which too few customers chose. Null to learn it.
    /// </summary>
    public EstimatedMarket? UrgencyFrom { get; init; }

    public InputFault? Check() =>
        Draws is < 20 or > DrawsMax ? new("draws", $"is {Draws}, expected 20 to {DrawsMax}")
        : !(Confidence is >= 0.5 and < 1) ? new("confidence", FormattableString.Invariant($"is {Confidence}, expected from 0.5 to below 1"))
        : TypeCount is < 2 or > MarketLimits.TypesMax ? new("typeCount", $"is {TypeCount}, expected 2 to {MarketLimits.TypesMax}")
        : SpreadFrom is { } earlier && (!earlier.IsEstimated || earlier.Options!.Fit != Fit || Fit == UrgencyFit.Turnbull)
            ? new("spreadFrom", $"is no estimate by {Fit} with a spread to hold")
        : UrgencyFrom is { } whole && (!whole.IsEstimated || whole.Options!.Fit != Fit || SpreadFrom is not null)
            ? new("urgencyFrom", $"is no estimate by {Fit}, or not the only one that is held")
        : !Enum.IsDefined(Fit) ? new("fit", $"is {Fit}, expected one of {string.Join(", ", Enum.GetNames<UrgencyFit>())}")
        : null;
}
