using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// One pass from the most urgent type to the most patient: the dynamic programme takes each row of virtual surplus and hands its potential
/// to the certificate, which never sees the solver's tables. Nothing of size types × caps is kept, see <see cref="Checkpoints"/>.
/// </summary>
internal sealed record MenuProgramme(int[] CapTokensByType, double ProfitWithoutLimit, PotentialBound Bound, CheckerTables CheckerTables, CheckerRules CheckerRules)
{
    public static MenuProgramme Run(
        Market market, MarketGrid grid, CellEnd end, int? plansMax, CapRules rules, MenuConstraints? constraints, Action<double> progress, CancellationToken cancellation)
    {
        var checkerTables = new CheckerTables(market, grid.CapTokensMax, end, cancellation);
        var checkerRules = new CheckerRules(constraints, grid.CapTokensMax);
        var bound = new PotentialBound(checkerTables, plansMax, checkerRules);
        var unlimited = new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax, blockRows: plansMax is null ? null : 0);
        var few = plansMax is { } limit ? new FewPlans(grid.Types.Count, grid.CapTokensMax, limit, rules.MustServe) : null;
        var tables = new MarketTables(market, grid, cancellation);
        var rows = new RestrictedRows(tables, rules);
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            unlimited.Take(rows.Type, rows.Surplus);
            few?.Take(rows.Type, rows.Surplus);
            bound.Take(few?.Potential ?? unlimited.Potential);
            progress((double)(grid.Types.Count - rows.Type) / grid.Types.Count);
        }
        RestrictedRows Again(int from, int columns) => new(tables, rules, from, Math.Max(columns, rules.FreeTier + 1));
        return new(rules.Assigned(few?.CapTokensByType(Again) ?? unlimited.CapTokensByType(Again)), unlimited.Value + rows.OfFreeTier, bound, checkerTables, checkerRules);
    }
}
