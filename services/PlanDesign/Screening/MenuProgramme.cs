using PlanDesign.Screening.Certificates;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// One pass from the most urgent type to the most patient: the dynamic programme takes each row of virtual surplus and hands its potential
/// to the certificate, which never sees the solver's tables. Nothing of size types × caps is kept but bits.
/// </summary>
internal sealed record MenuProgramme(int[] CapTokensByType, double ProfitWithoutLimit, PotentialBound Bound, CheckerTables CheckerTables)
{
    public static MenuProgramme Run(
        Market market, MarketGrid grid, CellEnd end, int? plansMax, Action<double> progress, CancellationToken cancellation)
    {
        var checkerTables = new CheckerTables(market, grid.CapTokensMax, end);
        var bound = new PotentialBound(checkerTables, plansMax);
        var unlimited = new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax);
        var few = plansMax is { } limit ? new FewPlans(grid.Types.Count, grid.CapTokensMax, limit) : null;
        var rows = new VirtualSurplusRows(new MarketTables(market, grid));
        while (rows.MoveToMorePatient())
        {
            cancellation.ThrowIfCancellationRequested();
            unlimited.Take(rows.Type, rows.Surplus);
            few?.Take(rows.Type, rows.Surplus);
            bound.Take(few?.Potential ?? unlimited.Potential);
            progress((double)(grid.Types.Count - rows.Type) / grid.Types.Count);
        }
        return new(few?.CapTokensByType() ?? unlimited.CapTokensByType(), unlimited.Value, bound, checkerTables);
    }
}
