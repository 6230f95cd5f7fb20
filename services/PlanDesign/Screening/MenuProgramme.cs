using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// One pass from the most urgent type to the most patient: the dynamic programme takes each row of virtual surplus and hands its potential
/// to the certificate, which never sees the solver's tables. Nothing of size types × caps is kept but bits.
/// </summary>
internal sealed record MenuProgramme(int[] CapTokensByType, double ProfitWithoutLimit, PotentialBound Bound, CheckerTables CheckerTables)
{
    public static MenuProgramme Run(
        Market market, MarketGrid grid, CellEnd end, int? plansMax, CapRules rules, Action<double> progress, CancellationToken cancellation)
    {
        var checkerTables = new CheckerTables(market, grid.CapTokensMax, end);
        var bound = new PotentialBound(checkerTables, plansMax, rules);
        var unlimited = new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax);
        var few = plansMax is { } limit ? new FewPlans(grid.Types.Count, grid.CapTokensMax, limit, rules.MustServe) : null;
        var tables = new MarketTables(market, grid);
        var rows = new VirtualSurplusRows(tables);
        var (restricted, ofFreeTier) = (rules.AreNone ? [] : tables.NewRow(), 0.0);
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            if (!rules.AreNone) ofFreeTier += rules.Restrict(rows.Surplus, restricted);
            var surplus = rules.AreNone ? rows.Surplus : restricted;
            unlimited.Take(rows.Type, surplus);
            few?.Take(rows.Type, surplus);
            bound.Take(few?.Potential ?? unlimited.Potential);
            progress((double)(grid.Types.Count - rows.Type) / grid.Types.Count);
        }
        if (rules.FreeTier > 0)
        {
            var value = tables.NewRow();
            tables.FillValue(grid.Types.Count - 1, value);
            ofFreeTier -= rules.Rent(value, tables.CumulativeWeights[^1]);
        }
        return new(rules.Assigned(few?.CapTokensByType() ?? unlimited.CapTokensByType()), unlimited.Value + ofFreeTier, bound, checkerTables);
    }
}
