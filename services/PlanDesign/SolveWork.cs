using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Screening.Certificates;

namespace PlanDesign;

/// <summary>How much work a solve is, so that a service can refuse it before any.</summary>
public static class SolveWork
{
    /// <summary>To find a density or what survives in a panel takes as long as so many cells: a sum over modes, or Newton's method, at every node.</summary>
    private const long CellsToMakePanel = 100;

    /// <param name="market">Checked.</param>
    /// <param name="grid">Of this market.</param>
    /// <param name="options">Checked.</param>
    /// <returns>
    /// Cells of the dynamic programme, types × caps × (1 + plans), and what else takes as long as so many: every panel of the answer times, once to make it
    /// and once for each type.
    /// </returns>
    public static long Cells(Market market, MarketGrid grid, SolveOptions options)
    {
        var panels = market.AnswerTime is DensityAnswerTime density
            ? density.PanelsFor(market.TokensPerSecond, grid.CapTokensMax) + CheckerBeliefs.Panels(density, market.TokensPerSecond, grid.CapTokensMax) : 0;
        return (long)grid.Types.Count * grid.CapTokensMax * (1 + (options.PlansMax ?? 0)) + panels * (CellsToMakePanel + grid.Types.Count);
    }
}
