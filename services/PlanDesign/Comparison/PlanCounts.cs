using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <param name="ShareOfOptimum">Profit in parts of the profit without limit; 1 where nothing can be earned.</param>
/// <param name="GainOfOneMore">What this plan adds to the menu of one plan less, money per conversation.</param>
public sealed record PlanCount(int Plans, double Profit, double ShareOfOptimum, double GainOfOneMore)
{
    /// <summary>What customers pay, money per conversation of the whole market; what is more than the profit is spent on serving.</summary>
    public double Revenue { get; init; }
}

/// <summary>
/// Profit by the number of plans, so that the number of plans is a decision with a price. One run of the programme with the largest
/// number has all smaller ones in its layers. With a density the loss of the best K plans tends to a/K²; with finitely many types it is 0
/// once K reaches the number of distinct caps.
/// </summary>
public static class PlanCounts
{
    public static IReadOnlyList<PlanCount> Of(Market market, int plansMax, CancellationToken cancellation = default)
    {
        if ((new SolveOptions(plansMax).Check() ?? market.Check()) is { } fault) throw new ArgumentException(fault.ToString(), nameof(market));
        if (market.ValueAtCap > 0) return OneByOne(market, plansMax, cancellation);
        var grid = market.Grid();
        var tables = new MarketTables(market, grid);
        var rows = new VirtualSurplusRows(tables);
        var most = Math.Min(plansMax, Math.Min(grid.Types.Count, grid.CapTokensMax));
        var (few, unlimited) = (new FewPlans(grid.Types.Count, grid.CapTokensMax, most), new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax));
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            few.Take(rows.Type, rows.Surplus);
            unlimited.Take(rows.Type, rows.Surplus);
        }
        var (counts, before) = (new List<PlanCount>(), 0.0);
        for (var plans = 1; plans <= most; plans++)
        {
            var profit = few.ValueWith(plans);
            counts.Add(new(plans, profit, unlimited.Value > 0 ? profit / unlimited.Value : 1, profit - before) { Revenue = RevenueOf(tables, few.CapTokensByType(plans)) });
            before = profit;
        }
        return counts;
    }

    private static double RevenueOf(MarketTables tables, int[] capTokensByType) => Menu.Of(tables, capTokensByType, MenuPrices.ByType(tables, capTokensByType)).Revenue;

    /// <summary>With value at the cap the programme's own value may be more than customers pay, so each menu is solved for itself.</summary>
    private static List<PlanCount> OneByOne(Market market, int plansMax, CancellationToken cancellation)
    {
        var (counts, before, best) = (new List<PlanCount>(), 0.0, MenuSolver.Solve(market, new(), null, cancellation).Profit);
        for (var plans = 1; plans <= plansMax; plans++)
        {
            var menu = MenuSolver.Solve(market, new(plans), null, cancellation);
            counts.Add(new(plans, menu.Profit, best > 0 ? menu.Profit / best : 1, menu.Profit - before) { Revenue = menu.Revenue });
            before = menu.Profit;
        }
        return counts;
    }
}
