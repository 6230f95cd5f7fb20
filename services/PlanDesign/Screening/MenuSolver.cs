using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Rounding;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// The revenue-optimal menu of token caps for a market, with its certificate. Exact for any distribution of urgency and answer times:
/// the maximum of the virtual surplus over caps that do not rise with urgency is a longest path.
/// Theory: Zhong, "Token Is All You Price" (arXiv 2510.09859). Deterministic: the same input gives the same bits.
/// </summary>
public static class MenuSolver
{
    /// <summary>
    /// A gap or a violation up to this part of the value of an answer is rounding of the arithmetic; above it the menu is not certified.
    /// </summary>
    public const double CertificateTolerance = 1e-9;

    /// <summary>
    /// Solves and certifies. Wrong input is not thrown but returned: <see cref="ExitReason.InvalidInput"/> and the field at fault.
    /// </summary>
    /// <param name="progress">The part done, from 0 to 1.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static MenuSolution Solve(
        Market market, SolveOptions options, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if ((options.Check() ?? market.Check() ?? CheckUnit(market, options.MinorUnits)) is { } fault) return MenuSolution.Refused(fault);
        var grid = market.Grid();
        // More plans than types or caps are no restriction.
        int? plansMax = options.PlansMax is { } k ? Math.Min(k, Math.Min(grid.Types.Count, grid.CapTokensMax)) : null;
        var cells = (long)grid.Types.Count * (grid.CapTokensMax + 1) * (1 + (plansMax ?? 0));
        if (cells > MarketLimits.CellsMax)
            return MenuSolution.Refused(new("plansMax",
                $"times types and caps is {cells} cells, at most {MarketLimits.CellsMax} can be solved: lower one of them"));

        var parts = 1 + (market.Urgency.HasIntervals ? 1 : 0) + (options.MinorUnits is null ? 0 : 1);
        Action<double> Part(int number) => done => progress?.Report((number + done) / parts);

        var exact = MenuProgramme.Run(market, grid, CellEnd.Upper, plansMax, Part(0), cancellation);
        var patient = market.Grid(CellEnd.Lower) with { CapTokensMax = grid.CapTokensMax };
        var densityBound = market.Urgency.HasIntervals
            ? MenuProgramme.Run(market, patient, CellEnd.Lower, plansMax, Part(1), cancellation).Bound.Upper
            : exact.Bound.Upper;
        var tables = new MarketTables(market, grid);
        var menu = Menu.Of(tables, exact.CapTokensByType, MenuPrices.ByType(tables, exact.CapTokensByType));
        PriceRounding? rounding = null;
        if (options.MinorUnits is { } units)
        {
            var allCaps = CutoffPath.CanSearch(grid.Types.Count, grid.CapTokensMax, plansMax);
            int[] caps = allCaps ? [.. Enumerable.Range(0, grid.CapTokensMax + 1)] : CutoffPath.CapsToSearch(exact.CapTokensByType, plansMax);
            var steps = CutoffPath.Search(tables, caps, units, plansMax, Part(parts - 1), cancellation);
            rounding = new(units, allCaps ? RoundingRoute.AllCaps : RoundingRoute.MenuCaps, menu.Profit);
            menu = RoundedMenu.Of(market, tables, units, steps);
        }
        progress?.Report(1);
        return Finish(market, grid, menu, exact, densityBound, rounding, cells, tables.ServingCost[^1]);
    }

    private static MenuSolution Finish(
        Market market, MarketGrid grid, Menu menu, MenuProgramme exact, double densityBound, PriceRounding? rounding, long cells, double largestCost)
    {
        var bound = rounding is null ? exact.Bound.Upper : densityBound;
        var (incentive, participation) = MenuViolations.Of(exact.CheckerTables, menu.Tiers, menu.CapTokensByType, menu.PriceByType);
        var certificate = new Certificate(
            bound, bound - menu.Profit, incentive, participation, exact.Bound.ByTokens, exact.Bound.ByTypes, densityBound);
        // The second part is what sums of that many costs of that size round by; it matters only where costs dwarf every value.
        var tolerance = CertificateTolerance * market.ValuePerAnswer + 1e-15 * grid.Types.Count * largestCost;
        var certified = certificate.Gap >= -tolerance && (rounding is not null || certificate.Gap <= tolerance)
            && incentive <= tolerance && participation <= tolerance;
        var reason = !certified ? ExitReason.NotCertified
            : menu.Tiers.Length == 0 ? ExitReason.NotWorthServing
            : rounding?.Route == RoundingRoute.MenuCaps ? ExitReason.RoundedOnMenuCaps
            : ExitReason.Optimal;
        return new(reason, menu.Profit, menu.Revenue, menu.ServingCost, menu.Tiers, menu.CapTokensByType, menu.PriceByType,
            certificate, Math.Max(0, exact.ProfitWithoutLimit), cells)
        {
            Rounding = rounding,
            Notices = [.. Notices(grid, reason, rounding)],
        };
    }

    private static IEnumerable<string> Notices(MarketGrid grid, ExitReason reason, PriceRounding? rounding)
    {
        if (grid.CutOff)
            yield return $"answer times go on beyond {grid.CapTokensMax} tokens, the largest cap tried: set capTokensMax to try longer ones";
        if (reason == ExitReason.NotWorthServing)
            yield return rounding is { ProfitAtExactPrices: > 0 }
                ? "in this minor unit no plan can be priced above nothing: use a smaller unit or more conversations per period"
                : "this market is not worth serving: no cap earns more than it costs to generate";
        if (reason == ExitReason.RoundedOnMenuCaps)
            yield return "the grid is too large to try every cap in minor units: prices are the best for the caps of the exact menu";
    }

    private static InputFault? CheckUnit(Market market, MinorUnits? units) =>
        units is null || market.ValuePerAnswer / units.UnitPerConversation <= MinorUnits.UnitsPerFeeMax ? null
            : new("minorUnits.unit", FormattableString.Invariant($"is {units.Unit}, too fine for a value of {market.ValuePerAnswer} per answer: ")
                + FormattableString.Invariant($"at most {MinorUnits.UnitsPerFeeMax} units can be told apart"));
}
