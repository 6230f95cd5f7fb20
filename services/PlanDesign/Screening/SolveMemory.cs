using PlanDesign.AnswerTimes;
using PlanDesign.AnswerTimes.Quadrature;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening;

/// <summary>
/// What one solve takes in memory, by estimate and before any of it is allocated: what a service must know to stay within its own. Only what grows with the
/// market is counted.
/// </summary>
public static class SolveMemory
{
    /// <summary>A panel of the certificate: five samples in a list of their own, its beginning and its length.</summary>
    private const long CheckerPanelBytes = 96;

    /// <summary>A state of the search over prices: its profit, and a way back of which the newest step is kept.</summary>
    private const long PriceStateBytes = 64;

    /// <param name="grid">Of this market.</param>
    /// <returns>Bytes.</returns>
    public static long Bytes(Market market, MarketGrid grid, SolveOptions options)
    {
        long types = grid.Types.Count, caps = grid.CapTokensMax, plans = options.PlansMax ?? 0;
        // Three bits a cell to find the way back; some twenty rows of numbers over caps and four for each plan.
        return types * caps * (1 + plans) * 3 / 8 + (20 + 4 * plans) * caps * sizeof(double) + AnswerBytes(market, grid) + PriceBytes(market, grid, options);
    }

    private static long AnswerBytes(Market market, MarketGrid grid) => market.AnswerTime switch
    {
        EmpiricalAnswerTime observed => observed.Tokens.Count * 5L,
        // The density on its nodes, a row of masses and one of discounts, and the certificate's own panels, of which both ends of cells have some.
        DensityAnswerTime density => density.PanelsFor(market.TokensPerSecond, grid.CapTokensMax) * ((DiscountedGauss.Nodes + 2) * sizeof(double) + 2 * CheckerPanelBytes),
        _ => 0,
    };

    /// <summary>Rules on prices are searched over pairs of caps for every type, and over every price in whole units.</summary>
    private static long PriceBytes(Market market, MarketGrid grid, SolveOptions options)
    {
        if (options is not { Constraints: { OnPrices: true } rules, MinorUnits: { } units } || CapRules.Of(rules, grid).Rules is not { } onCaps) return 0;
        long caps = onCaps.Caps(grid.CapTokensMax).Length, layers = Math.Min(options.PlansMax ?? 1, caps);
        var prices = Math.Min(market.ValuePerAnswer, rules.PriceMax ?? double.PositiveInfinity) / units.UnitPerConversation + 1;
        return (long)Math.Min(long.MaxValue / 4, (double)grid.Types.Count * caps * caps * sizeof(long) + layers * caps * prices * PriceStateBytes);
    }
}
