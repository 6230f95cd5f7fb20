using PlanDesign.Screening.Certificates;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// The revenue-optimal menu of token caps for a market, with its certificate. Exact for any distribution of urgency and answer times:
/// the maximum of the virtual surplus over caps that do not rise with urgency is a longest path.
/// Theory: Zhong, "Token Is All You Price" (arXiv 2510.09859). Deterministic: the same input gives the same bits.
/// </summary>
public static class MenuSolver
{
    /// <summary>A gap or a violation up to this part of the value of an answer is rounding of the arithmetic; above it the menu is not certified.</summary>
    public const double CertificateTolerance = 1e-9;

    /// <summary>Solves and certifies. Wrong input is not thrown but returned: <see cref="ExitReason.InvalidInput"/> and the field at fault.</summary>
    /// <param name="progress">The part done, from 0 to 1.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static MenuSolution Solve(
        Market market, SolveOptions options, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if ((options.Check() ?? market.Check()) is { } fault) return MenuSolution.Refused(fault);
        var grid = market.Grid();
        // More plans than types or caps are no restriction, but their bound is still the one asked for.
        int? plansMax = options.PlansMax is { } k ? Math.Min(k, Math.Min(grid.Types.Count, grid.CapTokensMax)) : null;
        var cells = (long)grid.Types.Count * (grid.CapTokensMax + 1) * (1 + (plansMax ?? 0));
        if (cells > MarketLimits.CellsMax)
            return MenuSolution.Refused(new("plansMax", $"times types and caps is {cells} cells, at most {MarketLimits.CellsMax} can be solved: lower one of them"));

        var tables = new MarketTables(market, grid);
        var checkerTables = new CheckerTables(market, grid.CapTokensMax);
        var bound = new PotentialBound(checkerTables, plansMax);
        var unlimited = new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax);
        var few = plansMax is { } limit ? new FewPlans(grid.Types.Count, grid.CapTokensMax, limit) : null;

        var rows = new VirtualSurplusRows(tables);
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            unlimited.Take(rows.Type, rows.Surplus);
            few?.Take(rows.Type, rows.Surplus);
            bound.Take(few?.Potential ?? unlimited.Potential);
            progress?.Report((double)(grid.Types.Count - rows.Type) / grid.Types.Count);
        }

        var caps = few?.CapTokensByType() ?? unlimited.CapTokensByType();
        var menu = Menu.Of(tables, caps, MenuPrices.ByType(tables, caps));
        return Finish(market, grid, checkerTables, menu, bound, Math.Max(0, unlimited.Value), cells);
    }

    /// <summary>
    /// What no menu can earn more than in a market with a density, money per conversation: the optimum if everybody were as patient as the most
    /// patient of their cell. With <see cref="Solve"/>, whose profit is a lower bound, it brackets the true optimum within about 1/N². Without
    /// a density the optimum itself.
    /// </summary>
    /// <remarks>Only for a market whose <see cref="Market.Check"/> is null.</remarks>
    public static double DensityUpperBound(Market market, CancellationToken cancellation = default)
    {
        var grid = market.Grid(CellEnd.Lower);
        var rows = new VirtualSurplusRows(new MarketTables(market, grid));
        var unlimited = new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax);
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            unlimited.Take(rows.Type, rows.Surplus);
        }
        return unlimited.Value;
    }

    private static MenuSolution Finish(
        Market market, MarketGrid grid, CheckerTables checkerTables, Menu menu, PotentialBound bound, double profitWithoutLimit, long cells)
    {
        var (incentive, participation) = MenuViolations.Of(checkerTables, menu.Tiers, menu.CapTokensByType, menu.PriceByType);
        var certificate = new Certificate(bound.Upper, bound.Upper - menu.Profit, incentive, participation, bound.ByTokens, bound.ByTypes);
        var tolerance = CertificateTolerance * market.ValuePerAnswer;
        var certified = Math.Abs(certificate.Gap) <= tolerance && incentive <= tolerance && participation <= tolerance;
        var notices = new List<string>();
        if (grid.CutOff)
            notices.Add($"answer times go on beyond {grid.CapTokensMax} tokens, the largest cap tried: set capTokensMax to try longer ones");
        if (menu.Tiers.Length == 0)
            notices.Add("this market is not worth serving: no cap earns more than it costs to generate");
        var reason = !certified ? ExitReason.NotCertified : menu.Tiers.Length == 0 ? ExitReason.NotWorthServing : ExitReason.Optimal;
        return new(reason, menu.Profit, menu.Revenue, menu.ServingCost, menu.Tiers, menu.CapTokensByType, menu.PriceByType,
            certificate, profitWithoutLimit, cells) { Notices = notices };
    }
}
