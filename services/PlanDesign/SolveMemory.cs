using PlanDesign.Screening;
using PlanDesign.Screening.Rounding;

namespace PlanDesign;

/// <summary>What a solve takes of memory at most, so that a service can refuse it before any work.</summary>
public static class SolveMemory
{
    /// <summary>Of the programme and its certificate over caps: surplus, values, costs, bounds; and for each plan potentials and maxima of both.</summary>
    private const int Rows = 24, RowsPerPlan = 6;

    private const int NumbersPerType = 16;

    /// <param name="market">Checked.</param>
    /// <param name="options">Checked.</param>
    /// <returns>Bytes.</returns>
    public static long Bytes(Market market, SolveOptions options)
    {
        var grid = market.Grid();
        var (types, caps) = (grid.Types.Count, grid.CapTokensMax + 1L);
        int? plans = options.PlansMax is { } k ? Math.Min(k, Math.Min(types, grid.CapTokensMax)) : null;
        var path = plans is { } limit ? FewPlans.PathBytes(types, grid.CapTokensMax, limit) : UnlimitedPlans.PathBytes(types, grid.CapTokensMax);
        var rows = (Rows + RowsPerPlan * (plans ?? 1L)) * caps * sizeof(double) + (long)types * NumbersPerType * sizeof(double);
        var rounding = options.MinorUnits is null ? 0
            : options.Constraints is { OnPrices: true } ? PriceStates.BytesMax
            : CutoffPath.CanSearch(types, grid.CapTokensMax, plans) ? CutoffPath.PathBytes(types, (int)caps, plans)
            : CutoffPath.PathBytes(types, Math.Min(types, (int)caps), plans);
        return path + rows + rounding;
    }
}
