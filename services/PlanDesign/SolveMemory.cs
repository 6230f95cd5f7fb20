using PlanDesign.AnswerTimes;
using PlanDesign.AnswerTimes.Quadrature;
using PlanDesign.Screening;
using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Rounding;

namespace PlanDesign;

/// <summary>What a solve takes of memory at most, so that a service can refuse it before any work.</summary>
public static class SolveMemory
{
    /// <summary>Of the programme and its certificate over caps: surplus, values, costs, bounds; and for each plan potentials and maxima of both.</summary>
    private const int Rows = 24, RowsPerPlan = 6;

    private const int NumbersPerType = 16;

    /// <summary>A panel of the certificate: five samples in a list of their own, its beginning and its length.</summary>
    private const long CheckerPanelBytes = 96;

    /// <param name="market">Checked.</param>
    /// <param name="grid">Of this market.</param>
    /// <param name="options">Checked.</param>
    /// <returns>Bytes.</returns>
    public static long Bytes(Market market, MarketGrid grid, SolveOptions options)
    {
        var (types, caps) = (grid.Types.Count, grid.CapTokensMax + 1L);
        int? plans = options.PlansMax is { } k ? Math.Min(k, Math.Min(types, grid.CapTokensMax)) : null;
        var path = plans is { } limit ? FewPlans.PathBytes(types, grid.CapTokensMax, limit) : UnlimitedPlans.PathBytes(types, grid.CapTokensMax);
        var rows = (Rows + RowsPerPlan * (plans ?? 1L)) * caps * sizeof(double) + (long)types * NumbersPerType * sizeof(double);
        var rounding = options.MinorUnits is null ? 0
            : options.Constraints is { OnPrices: true } ? PriceStates.BytesMax
            : CutoffPath.CanSearch(types, grid.CapTokensMax, plans) ? CutoffPath.PathBytes(types, (int)caps, plans)
            : CutoffPath.PathBytes(types, (int)Math.Min(types + CutoffPath.EvenCaps, caps), plans);
        return path + rows + rounding + AnswerBytes(market, grid);
    }

    private static long AnswerBytes(Market market, MarketGrid grid) => market.AnswerTime switch
    {
        EmpiricalAnswerTime observed => observed.Tokens.Count * 5L,
        // The density on its nodes, a row of masses and one of discounts, and the certificate's own panels, of which both ends of cells have some.
        DensityAnswerTime density => density.PanelsFor(market.TokensPerSecond, grid.CapTokensMax) * (DiscountedGauss.Nodes + 2) * sizeof(double)
            + 2 * CheckerBeliefs.Panels(density, market.TokensPerSecond, grid.CapTokensMax) * CheckerPanelBytes,
        _ => 0,
    };
}
