using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>The best menu when a token costs <paramref name="ShadowPricePerToken"/> more than it costs to generate.</summary>
/// <param name="Profit">Revenue less serving cost proper: the shadow price is nobody's income. Money per conversation of the whole market.</param>
/// <param name="Tokens">Generated per conversation of the whole market.</param>
public sealed record FrontierPoint(double ShadowPricePerToken, double Profit, double Revenue, double ServingCost, double Tokens, double ShareServed)
{
    internal static FrontierPoint Of(MenuSolution menu, double shadowPrice, double costPerToken)
    {
        var tokens = menu.Tiers.Sum(t => t.Share * t.ExpectedTokensPerConversation);
        return new(shadowPrice, menu.Revenue - costPerToken * tokens, menu.Revenue, costPerToken * tokens, tokens, menu.ShareServed);
    }
}

/// <summary>
/// What a capacity earns. Two menus on either side of it, shown to customers at random so that the capacity is met on average; the same menu
/// twice where one meets it. A single menu may earn less: the frontier is the concave hull.
/// </summary>
/// <param name="ShareOfFewer">The part of customers that is shown the menu with fewer tokens.</param>
/// <param name="ShadowPricePerToken">What one more token of capacity per conversation would earn; 0 where the capacity does not bind.</param>
public sealed record CapacityPlan(FrontierPoint Fewer, FrontierPoint More, double ShareOfFewer, double ShadowPricePerToken)
{
    public double Profit => Mixed(p => p.Profit);
    public double Revenue => Mixed(p => p.Revenue);
    public double ServingCost => Mixed(p => p.ServingCost);
    public double Tokens => Mixed(p => p.Tokens);
    public double ShareServed => Mixed(p => p.ShareServed);

    private double Mixed(Func<FrontierPoint, double> of) => ShareOfFewer * of(Fewer) + (1 - ShareOfFewer) * of(More);
}

/// <summary>
/// Revenue against compute: profit, revenue and tokens served as the price of a token, or the capacity, varies, so that a seller sees what a GPU
/// less costs. A budget of expected tokens is met by solving at c + λ; tokens fall in λ, and λ is the slope of the frontier. Its corners are found
/// by solving at the slope of the chord between two of them: either a corner lies above the chord, or the chord is the frontier. Corners once
/// found serve every later question. Prices are exact; at most K plans and rules on caps are kept. Beyond the paper.
/// </summary>
/// <param name="options">How many plans, and which rules; minor units and rules on prices are left out.</param>
public sealed class CapacityFrontier(Market market, SolveOptions? options = null)
{
    private const int CornersPerQuestionMax = 60;
    private const int DoublingsMax = 30;

    /// <summary>In parts of the value of an answer: a corner no farther above a chord is on it.</summary>
    private const double Tolerance = 1e-12;

    private readonly SolveOptions _options = new(options?.PlansMax) { Constraints = options?.Constraints?.OnCaps };
    private readonly List<FrontierPoint> _corners = [];

    /// <summary>The shadow price at which corners below are searched for first.</summary>
    private double _first = market.ValuePerAnswer;

    /// <summary>What the market would take if capacity were no limit; null where the certificate of that menu does not hold.</summary>
    public FrontierPoint? Demand(CancellationToken cancellation = default)
    {
        if (_corners.Count == 0 && At(0, cancellation) is { } demand) _corners.Add(demand);
        return _corners.Count == 0 ? null : _corners[^1];
    }

    /// <summary>The best menu at each shadow price; null where its certificate does not hold.</summary>
    /// <param name="shadowPricesPerToken">Money per token, at least 0.</param>
    public static IReadOnlyList<FrontierPoint?> Of(
        Market market, IReadOnlyList<double> shadowPricesPerToken, CancellationToken cancellation = default)
    {
        var frontier = new CapacityFrontier(market);
        return [.. shadowPricesPerToken.Select(price => frontier.At(price, cancellation))];
    }

    /// <inheritdoc cref="Within(double, CancellationToken)"/>
    public static CapacityPlan? Within(Market market, double capacityTokens, CancellationToken cancellation = default) =>
        new CapacityFrontier(market).Within(capacityTokens, cancellation);

    /// <summary>What that capacity earns; null where a menu that would have to be solved for it is not certified, so that a better one may have been missed.</summary>
    /// <param name="capacityTokens">Expected tokens per conversation of the whole market, above 0.</param>
    /// <exception cref="ArgumentException">The market or an option is refused, or the rules need more tokens than that.</exception>
    public CapacityPlan? Within(double capacityTokens, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacityTokens);
        if (Demand(cancellation) is not { } demand) return null;
        if (demand.Tokens <= capacityTokens) return new(demand, demand, 0, 0);
        if (!ReachBelow(capacityTokens, cancellation)) return null;
        for (var n = 0; ; n++)
        {
            var above = _corners.FindIndex(c => c.Tokens > capacityTokens);
            var (fewer, more) = (_corners[above - 1], _corners[above]);
            var slope = (more.Profit - fewer.Profit) / (more.Tokens - fewer.Tokens);
            if (At(Math.Max(0, slope), cancellation) is not { } corner) return null;
            var isAbove = corner.Profit - slope * corner.Tokens - (fewer.Profit - slope * fewer.Tokens) > Tolerance * market.ValuePerAnswer
                && corner.Tokens > fewer.Tokens && corner.Tokens < more.Tokens;
            if (!isAbove || n == CornersPerQuestionMax)
                return new(fewer, more, (more.Tokens - capacityTokens) / (more.Tokens - fewer.Tokens), Math.Max(0, slope));
            _corners.Insert(above, corner);
        }
    }

    /// <summary>
    /// Answers may need much less than a token, so the price that leaves capacity over is searched for, not assumed. What the tables err by weighs more the dearer
    /// a token is: where the first price is not certified, lower ones are tried. False where no certified corner is below.
    /// </summary>
    private bool ReachBelow(double capacityTokens, CancellationToken cancellation)
    {
        var price = _first;
        for (var n = 0; _corners[0].Tokens > capacityTokens; n++, price *= 2)
        {
            if (n == DoublingsMax || price + market.ServingCostPerToken > MarketLimits.MoneyMax)
                throw new ArgumentException(FormattableString.Invariant($"capacity: the rules need {_corners[0].Tokens:G6} tokens a conversation, more than {capacityTokens:G6}"), nameof(capacityTokens));
            var point = At(price, cancellation);
            for (; point is null && n == 0 && price > Tolerance * market.ValuePerAnswer; point = At(price, cancellation)) _first = price /= 2;
            if (point is null) return false;
            if (point.Tokens < _corners[0].Tokens) _corners.Insert(0, point);
        }
        return true;
    }

    private FrontierPoint? At(double shadowPrice, CancellationToken cancellation)
    {
        var menu = MenuSolver.Solve(market with { ServingCostPerToken = market.ServingCostPerToken + shadowPrice }, _options, null, cancellation);
        if (menu.Fault is { } fault) throw new ArgumentException(fault.ToString(), nameof(shadowPrice));
        return menu.IsUsable ? FrontierPoint.Of(menu, shadowPrice, market.ServingCostPerToken) : null;
    }
}
