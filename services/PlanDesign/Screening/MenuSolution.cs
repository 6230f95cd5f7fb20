namespace PlanDesign.Screening;

/// <summary>
/// One plan of a menu. Price and costs are money per conversation; share is of the whole market; the urgencies (1/second) are the
/// most patient and the most urgent customer who takes it.
/// </summary>
public sealed record Tier(int CapTokens, double PricePerConversation, double Share, double UrgencyFromPerSecond, double UrgencyToPerSecond)
{
    /// <summary>Money spent on generating, on average, in one conversation under this plan.</summary>
    public required double ServingCostPerConversation { get; init; }

    public required double ExpectedTokensPerConversation { get; init; }

    /// <summary>The period's fee in whole minor units; null when prices are exact.</summary>
    public long? PriceMinorUnitsPerPeriod { get; init; }
}

/// <summary>
/// How good the menu is, computed from the market by code that shares nothing with the solver. Money per conversation. The bound holds for
/// every menu of the kind asked for; token and type bounds are cheaper ones for menus without limit. A violation is what some type would
/// gain by another plan than the one meant for it, or loses by buying at all. With a density the types are the urgent ends of cells, whose
/// profit the menu earns for certain and which is within about 1/N² of the optimum; the density bound is that of the patient ends, above
/// the optimum by about 1/N. Rounded menus of a density are judged at its cutoffs, hence bounded by the density bound, and so are those of intervals, at
/// whose patient ends they may earn more.
/// With value at the cap the upper bound holds for any number of plans in any order, and so does the type bound; the token bound holds only
/// where caps do not rise with urgency.
/// </summary>
public sealed record Certificate(
    double UpperBound, double Gap, double MaxIncentiveViolation, double MaxParticipationViolation, double TokenBound, double TypeBound,
    double DensityUpperBound);

/// <summary>How prices in minor units were found, and what the exact prices would earn.</summary>
public sealed record PriceRounding(MinorUnits Units, RoundingRoute Route, double ProfitAtExactPrices)
{
    /// <summary>
    /// No menu in this unit that keeps the rules earns more; null where only some caps were tried or single crossing fails. Where urgency is continuous, or
    /// known by intervals, customers may be more patient than the types and pay more, so there it is a bound at the patient ends. Money per conversation.
    /// </summary>
    public double? UpperBound { get; init; }

    /// <summary>
    /// No menu in this unit that keeps the rules earns more from the types, by a recursion over the certificate's own tables: what the search is held
    /// against, and never what it found itself. The same as <see cref="UpperBound"/> where every customer's rate is that of a type.
    /// </summary>
    public double? UpperBoundAtTypes { get; init; }

    /// <summary>What the steps as they were found earn from the types: the bound itself, where nothing better is possible.</summary>
    internal double? ProfitOfSteps { get; init; }

    /// <summary>Whether every other menu was ruled out, and separate code found no better one.</summary>
    internal bool IsBest { get; init; }

    /// <summary>Under rules on prices: whether the search ruled out every other menu, by itself.</summary>
    internal bool SearchEnded { get; init; }
}

public enum RoundingRoute
{
    /// <summary>The longest path over all caps, cutoffs and floored steps: the best menu in this unit.</summary>
    AllCaps,

    /// <summary>
    /// The same over the caps of the exact menu and others evenly between them, for the grid is too large: at least as good as flooring each of its steps, unless its caps alone are too many and are thinned.
    /// </summary>
    MenuCaps,

    /// <summary>Every price in whole units at every cap, for rules on prices: the best menu in this unit that keeps them, or the best found and a bound.</summary>
    PriceStates,
}

/// <summary>
/// A solved menu. Money per conversation, averaged over the whole market whether it buys or not. Tiers: largest cap first. By type: in
/// ascending order of urgency, 0 where nothing is bought, one entry for each type of the grid (an infinitely urgent last one included).
/// </summary>
/// <param name="ProfitWithoutLimit">The best profit with any number of plans at exact prices.</param>
/// <param name="Iterations">Cells of the dynamic programme that were evaluated.</param>
public sealed record MenuSolution(
    ExitReason ExitReason,
    double Profit,
    double Revenue,
    double ServingCost,
    IReadOnlyList<Tier> Tiers,
    IReadOnlyList<int> CapTokensByType,
    IReadOnlyList<double> PriceByType,
    Certificate Certificate,
    double ProfitWithoutLimit,
    long Iterations)
{
    public InputFault? Fault { get; init; }
    public PriceRounding? Rounding { get; init; }

    /// <summary>Sentences a person should read beside the figures.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];

    /// <summary>The part of the market that takes any plan; a little more than 1, as rounding leaves sums, is everybody.</summary>
    public double ShareServed => Math.Min(1, Tiers.Sum(t => t.Share));

    /// <summary>Whether the figures may be used; false for refused input and for a menu that the certificate does not support.</summary>
    public bool IsUsable => ExitReason is not (ExitReason.InvalidInput or ExitReason.NotCertified);

    public static MenuSolution Refused(InputFault fault) =>
        new(ExitReason.InvalidInput, 0, 0, 0, [], [], [], new(0, 0, 0, 0, 0, 0, 0), 0, 0) { Fault = fault };
}
