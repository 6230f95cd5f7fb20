using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign;

/// <summary>
/// Who buys and what it costs to serve them: how urgency is spread over customers, how long answers take, how fast tokens are
/// generated (tokens per second), what an answer at time 0 is worth (money) and what a generated token costs (money per token).
/// Theory: Zhong, "Token Is All You Price" (arXiv 2510.09859); serving cost is our addition.
/// </summary>
public sealed record Market(
    UrgencyModel Urgency, AnswerTime AnswerTime, double TokensPerSecond, double ValuePerAnswer, double ServingCostPerToken)
{
    /// <summary>
    /// What a user cut at the cap keeps of the answer's value, a share in [0,1) discounted as at the cap: V(r,T) = v·(E[e^{-rτ}; τ ≤ T] + share·e^{-rT}·S(T)).
    /// Beyond the paper: an urgent user may then prefer the shorter cap, single crossing fails, and a menu may only be bounded, not proved best. The share
    /// does not depend on the cap, so very short caps look attractive: set a smallest cap with it.
    /// </summary>
    public double ValueAtCap { get; init; }

    /// <summary>Into how many types of equal mass a continuous urgency is cut; null for <see cref="MarketLimits.TypesDefault"/>.</summary>
    public int? TypeCount { get; init; }

    /// <summary>
    /// The part of customers in each type, where urgency's weights are parts of all conversations, because customers differ in how many they have
    /// (<see cref="Reports.Conversations.OfConversations"/>); null where the weights are parts of customers.
    /// </summary>
    public IReadOnlyList<double>? CustomersByType { get; internal init; }

    /// <summary>The largest cap a plan may have, in tokens; null for all that the answer times support.</summary>
    public int? CapTokensMax { get; init; }

    /// <summary>
    /// The part of customers among whom a part of what the types weigh is served. Whatever is worth its price to one type is so to every more patient one, so those
    /// who are served are the most patient.
    /// </summary>
    internal double CustomersServed(double shareServed)
    {
        if (CustomersByType is not { } customers || Urgency is not DiscreteUrgency conversations) return shareServed;
        var (conversationsSoFar, customersSoFar) = (0.0, 0.0);
        for (var i = 0; i < customers.Count && (conversationsSoFar += conversations.Weights[i]) <= shareServed + MarketLimits.SumTolerance; i++) customersSoFar += customers[i];
        return Math.Min(1, customersSoFar);
    }

    /// <summary>The first thing wrong with this market, or null. Every public entry point asks before it computes.</summary>
    /// <param name="cancellation">Its types are looked for meanwhile, which takes time where many laws are mixed.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public InputFault? Check(CancellationToken cancellation = default) =>
        InputFault.Range("tokensPerSecond", TokensPerSecond, 0, MarketLimits.TokensPerSecondMax, "tokens per second")
        ?? InputFault.Range("valuePerAnswer", ValuePerAnswer, 0, MarketLimits.MoneyMax, "of money")
        ?? InputFault.RangeFrom("servingCostPerToken", ServingCostPerToken, 0, MarketLimits.MoneyMax, "of money per token")
        ?? (ValueAtCap is >= 0 and < 1 ? null
            : new InputFault("valueAtCap", FormattableString.Invariant($"is {ValueAtCap}, expected a share of the answer's value from 0 to below 1")))
        ?? Count("typeCount", TypeCount, MarketLimits.TypesMax)
        ?? Count("capTokensMax", CapTokensMax, MarketLimits.CapTokensMax)
        ?? Urgency.Check(TypeCount)
        ?? AnswerTime.Check()
        ?? CheckGrid(cancellation);

    /// <summary>The types and the largest cap on which the screening problem is solved.</summary>
    /// <remarks>Only for a market whose <see cref="Check"/> is null.</remarks>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public MarketGrid Grid(CellEnd end = CellEnd.Upper, CancellationToken cancellation = default)
    {
        var types = Urgency.Types(TypeCount ?? MarketLimits.TypesDefault, end, cancellation);
        if (AnswerTime.SupportTokens is { } support)
            return new(types, Math.Min(support, CapTokensMax ?? MarketLimits.CapTokensMax), CutOff: false);
        if (CapTokensMax is { } stated) return new(types, stated, CutOff: false);
        // Where rates are known by intervals only, the bound is that of their patient ends, whose tail is the longer one.
        var needed = TailFrom(Urgency.HasIntervals && !Urgency.HasDensity ? Urgency.Types(types.Count, CellEnd.Lower, cancellation) : types);
        return new(types, Math.Min(needed, MarketLimits.CapTokensDefaultMax), needed > MarketLimits.CapTokensDefaultMax);
    }

    private static InputFault? Count(string field, int? value, int max) =>
        value is null or > 0 && (value ?? 0) <= max ? null : new(field, $"is {value}, expected a whole number from 1 to {max}");

    private InputFault? CheckGrid(CancellationToken cancellation)
    {
        var grid = Grid(cancellation: cancellation);
        for (var i = 1; i < grid.Types.Count; i++)
            if (grid.Types.RatesPerSecond[i] <= grid.Types.RatesPerSecond[i - 1])
                return new("urgency", "cannot be told apart into types, for it is too narrow, or so wide that rates come out as 0: lower typeCount, change its spread, or give discrete rates");
        return (long)grid.Types.Count * (grid.CapTokensMax + 1) <= MarketLimits.CellsMax ? null
            : new("capTokensMax", $"times typeCount is {(long)grid.Types.Count * grid.CapTokensMax} cells, "
                + $"at most {MarketLimits.CellsMax} can be solved: lower one of them");
    }

    private int TailFrom(TypeGrid types)
    {
        bool Negligible(int tokens) =>
            AnswerTime.Survival(tokens, TokensPerSecond) * types.BestDiscountedMass(tokens / TokensPerSecond) < MarketLimits.TailDefault;

        var (low, high) = (0, 1);
        while (high <= MarketLimits.CapTokensDefaultMax && !Negligible(high)) (low, high) = (high, high * 2);
        while (high - low > 1)
        {
            var middle = low + (high - low) / 2;
            if (Negligible(middle)) high = middle;
            else low = middle;
        }
        return high;
    }
}

/// <summary>
/// The finite problem: types ascending in rate, caps 0..CapTokensMax, and whether the answer times go on beyond the largest cap.
/// </summary>
public sealed record MarketGrid(TypeGrid Types, int CapTokensMax, bool CutOff);
