using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

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
/// once K reaches the number of distinct caps. Prices are exact, so that of the rules those on caps are kept and those on prices are not.
/// </summary>
public static class PlanCounts
{
    public static IReadOnlyList<PlanCount> Of(Market market, int plansMax, CancellationToken cancellation = default) => Of(market, plansMax, null, cancellation);

    /// <param name="constraints">Rules that the menus keep; null for none.</param>
    public static IReadOnlyList<PlanCount> Of(Market market, int plansMax, MenuConstraints? constraints, CancellationToken cancellation = default)
    {
        var onCaps = constraints?.OnCaps;
        if ((new SolveOptions(plansMax) { Constraints = onCaps }.Check() ?? market.Check(cancellation)) is { } fault) throw new ArgumentException(fault.ToString(), nameof(market));
        if (market.ValueAtCap > 0) return OneByOne(market, plansMax, onCaps, cancellation);
        var grid = market.Grid(cancellation: cancellation);
        var (rules, ruleFault) = CapRules.Of(onCaps, grid);
        if (rules is null) throw new ArgumentException(ruleFault!.ToString(), nameof(constraints));
        var tables = new MarketTables(market, grid, cancellation);
        var rows = new RestrictedRows(tables, rules);
        var most = Math.Min(plansMax, Math.Min(grid.Types.Count, grid.CapTokensMax));
        var (few, unlimited) = (new FewPlans(grid.Types.Count, grid.CapTokensMax, most, rules.MustServe), new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax, blockRows: 0));
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            few.Take(rows.Type, rows.Surplus);
            unlimited.Take(rows.Type, rows.Surplus);
        }
        // One plan is more than none, which earns nothing, and with a free tier what that costs.
        var (counts, before, optimum) = (new List<PlanCount>(), rows.OfFreeTier, unlimited.Value + rows.OfFreeTier);
        for (var plans = 1; plans <= most; plans++)
        {
            var profit = few.ValueWith(plans) + rows.OfFreeTier;
            counts.Add(new(plans, profit, optimum > 0 ? profit / optimum : 1, profit - before) { Revenue = RevenueOf(tables, rules, rules.Assigned(few.CapTokensByType(plans, Again))) });
            before = profit;
        }
        return counts;

        RestrictedRows Again(int from, int columns) => new(tables, rules, from, Math.Max(columns, rules.FreeTier + 1));
    }

    private static double RevenueOf(MarketTables tables, CapRules rules, int[] capTokensByType) =>
        Menu.Of(tables, capTokensByType, MenuPrices.ByType(tables, capTokensByType, rules.FreeTier)).Revenue;

    /// <summary>
    /// With value at the cap the programme's own value may be more than customers pay, so each menu is solved for itself. From the first one whose certificate
    /// does not hold, no more are counted; none where that of any number of plans does not.
    /// </summary>
    private static List<PlanCount> OneByOne(Market market, int plansMax, MenuConstraints? onCaps, CancellationToken cancellation)
    {
        var (counts, before, unlimited) = (new List<PlanCount>(), 0.0, MenuSolver.Solve(market, new() { Constraints = onCaps }, null, cancellation));
        var best = unlimited.Profit;
        for (var plans = 1; plans <= plansMax && unlimited.IsUsable; plans++)
        {
            var menu = MenuSolver.Solve(market, new(plans) { Constraints = onCaps }, null, cancellation);
            if (!menu.IsUsable) break;
            counts.Add(new(plans, menu.Profit, best > 0 ? menu.Profit / best : 1, menu.Profit - before) { Revenue = menu.Revenue });
            before = menu.Profit;
        }
        return counts;
    }
}
