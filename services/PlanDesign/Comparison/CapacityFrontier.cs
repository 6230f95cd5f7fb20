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
        return new(shadowPrice, menu.Revenue - costPerToken * tokens, menu.Revenue, costPerToken * tokens, tokens, menu.Tiers.Sum(t => t.Share));
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
    public double Profit => ShareOfFewer * Fewer.Profit + (1 - ShareOfFewer) * More.Profit;
    public double Tokens => ShareOfFewer * Fewer.Tokens + (1 - ShareOfFewer) * More.Tokens;
}

/// <summary>
/// Revenue against compute: profit, revenue and tokens served as the price of a token, or the capacity, varies, so that a seller sees what a GPU
/// less costs. A budget of expected tokens is met by solving at c + λ; tokens fall in λ, and λ is the slope of the frontier. Beyond the paper.
/// </summary>
public static class CapacityFrontier
{
    private const int BisectionsMax = 50;

    /// <param name="shadowPricesPerToken">Money per token, at least 0.</param>
    public static IReadOnlyList<FrontierPoint> Of(
        Market market, IReadOnlyList<double> shadowPricesPerToken, CancellationToken cancellation = default) =>
        [.. shadowPricesPerToken.Select(price => At(market, price, cancellation))];

    /// <param name="capacityTokens">Expected tokens per conversation of the whole market, above 0.</param>
    public static CapacityPlan Within(Market market, double capacityTokens, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacityTokens);
        var more = At(market, 0, cancellation);
        if (more.Tokens <= capacityTokens) return new(more, more, 0, 0);
        // Answers may need much less than a token, so the price that leaves capacity over is searched for, not assumed.
        var fewer = At(market, market.ValuePerAnswer, cancellation);
        while (fewer.Tokens > capacityTokens) (more, fewer) = (fewer, At(market, 2 * fewer.ShadowPricePerToken, cancellation));
        for (var n = 0; n < BisectionsMax && fewer.ShadowPricePerToken - more.ShadowPricePerToken > 1e-13 * market.ValuePerAnswer; n++)
        {
            var middle = At(market, (more.ShadowPricePerToken + fewer.ShadowPricePerToken) / 2, cancellation);
            if (middle.Tokens > capacityTokens) more = middle;
            else fewer = middle;
        }
        var share = more.Tokens > fewer.Tokens ? (more.Tokens - capacityTokens) / (more.Tokens - fewer.Tokens) : 1;
        return new(fewer, more, share, (more.ShadowPricePerToken + fewer.ShadowPricePerToken) / 2);
    }

    private static FrontierPoint At(Market market, double shadowPrice, CancellationToken cancellation)
    {
        var menu = MenuSolver.Solve(market with { ServingCostPerToken = market.ServingCostPerToken + shadowPrice }, new(), null, cancellation);
        if (menu.Fault is { } fault) throw new ArgumentException(fault.ToString(), nameof(market));
        if (!menu.IsUsable) throw new InvalidOperationException($"the market at a shadow price of {shadowPrice} per token ended as {menu.ExitReason}");
        return FrontierPoint.Of(menu, shadowPrice, market.ServingCostPerToken);
    }
}
