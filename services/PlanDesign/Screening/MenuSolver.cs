using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;
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
        var (rules, ruleFault) = CapRules.Of(options.Constraints, grid);
        if (rules is null) return MenuSolution.Refused(ruleFault!);
        // More plans than types or caps are no restriction.
        int? plansMax = options.PlansMax is { } k ? Math.Min(k, Math.Min(grid.Types.Count, grid.CapTokensMax)) : null;
        var cells = (long)grid.Types.Count * (grid.CapTokensMax + 1) * (1 + (plansMax ?? 0));
        if (cells > MarketLimits.CellsMax)
            return MenuSolution.Refused(new("plansMax",
                $"times types and caps is {cells} cells, at most {MarketLimits.CellsMax} can be solved: lower one of them"));

        var parts = 1 + (market.Urgency.HasIntervals ? 1 : 0) + (options.MinorUnits is null ? 0 : 1);
        Action<double> Part(int number) => done => progress?.Report((number + done) / parts);

        var exact = MenuProgramme.Run(market, grid, CellEnd.Upper, plansMax, rules, Part(0), cancellation);
        var patient = market.Grid(CellEnd.Lower) with { CapTokensMax = grid.CapTokensMax };
        var densityBound = market.Urgency.HasIntervals
            ? MenuProgramme.Run(market, patient, CellEnd.Lower, plansMax, rules, Part(1), cancellation).Bound.Upper
            : exact.Bound.Upper;
        var tables = new MarketTables(market, grid);
        var menu = Menu.Of(tables, exact.CapTokensByType, MenuPrices.ByType(tables, exact.CapTokensByType, rules.FreeTier))
            .WithFreeTier(tables, rules.FreeTier);
        PriceRounding? rounding = null;
        if (options.MinorUnits is { } units)
        {
            var (steps, route, unmet) = Round(tables, rules, options, exact.CapTokensByType, plansMax, Part(parts - 1), cancellation);
            if (unmet is not null) return MenuSolution.Refused(unmet);
            rounding = new(units, route, menu.Profit);
            if (rules.FreeTier > 0) steps = [new(rules.FreeTier, grid.Types.Count - 1, 0), .. steps];
            menu = RoundedMenu.Of(market, tables, units, steps).WithFreeTier(tables, rules.FreeTier);
        }
        if (market.ValueAtCap > 0 && rounding is null) menu = CrossedMenu.Of(tables, menu, rules.FreeTier);
        progress?.Report(1);
        return Finish(market, grid, rules, menu, exact, densityBound, rounding, cells, tables.ServingCost[^1]);
    }

    private static (PriceStep[] Steps, RoundingRoute Route, InputFault? Fault) Round(
        MarketTables tables, CapRules rules, SolveOptions options, int[] exactCaps, int? plansMax, Action<double> progress, CancellationToken cancellation)
    {
        if (options.Constraints is { OnPrices: true } constraints)
        {
            var (priced, fault) = PriceStates.Search(tables, rules, constraints, options.MinorUnits!, plansMax, cancellation);
            return (priced, RoundingRoute.PriceStates, fault);
        }
        var caps = rules.Caps(tables.CapTokensMax);
        var all = CutoffPath.CanSearch(tables.Types.Count, caps.Length - 1, plansMax);
        if (!all) caps = CutoffPath.CapsToSearch([rules.FreeTier, .. exactCaps.Where(c => c > 0)], tables.Types.Count, plansMax);
        var steps = CutoffPath.Search(tables, caps, options.MinorUnits!, plansMax, rules.MustServe, progress, cancellation);
        return (steps, all ? RoundingRoute.AllCaps : RoundingRoute.MenuCaps, null);
    }

    private static MenuSolution Finish(
        Market market, MarketGrid grid, CapRules rules, Menu menu, MenuProgramme exact, double densityBound, PriceRounding? rounding, long cells, double largestCost)
    {
        var singleCrossing = market.ValueAtCap <= 0;
        var bound = singleCrossing ? rounding is null ? exact.Bound.Upper : densityBound : NeighbourBound.Of(exact.CheckerTables, rules, market.ValuePerAnswer);
        if (!singleCrossing) densityBound = Math.Max(densityBound, bound);
        var (incentive, participation) = MenuViolations.Of(exact.CheckerTables, menu.Tiers, menu.CapTokensByType, menu.PriceByType);
        var certificate = new Certificate(
            bound, bound - menu.Profit, incentive, participation, exact.Bound.ByTokens, exact.Bound.ByTypes, densityBound);
        // The second part is what sums of that many costs of that size round by; it matters only where costs dwarf every value.
        var tolerance = CertificateTolerance * market.ValuePerAnswer + 1e-15 * grid.Types.Count * largestCost;
        var certified = certificate.Gap >= -tolerance && (!singleCrossing || rounding is not null || certificate.Gap <= tolerance)
            && incentive <= tolerance && participation <= tolerance;
        var reason = !certified ? ExitReason.NotCertified
            : !singleCrossing && certificate.Gap > tolerance ? ExitReason.WithinBound
            : menu.Tiers.Length == 0 ? ExitReason.NotWorthServing
            : rounding?.Route == RoundingRoute.MenuCaps ? ExitReason.RoundedOnMenuCaps
            : ExitReason.Optimal;
        return new(reason, menu.Profit, menu.Revenue, menu.ServingCost, menu.Tiers, menu.CapTokensByType, menu.PriceByType,
            certificate, rules.AreNone ? Math.Max(0, exact.ProfitWithoutLimit) : exact.ProfitWithoutLimit, cells)
        {
            Rounding = rounding,
            Notices = [.. Notices(market, grid, reason, rounding)],
        };
    }

    private static IEnumerable<string> Notices(Market market, MarketGrid grid, ExitReason reason, PriceRounding? rounding)
    {
        if (grid.CutOff)
            yield return $"answer times go on beyond {grid.CapTokensMax} tokens, the largest cap tried: set capTokensMax to try longer ones";
        if (reason == ExitReason.NotWorthServing)
            yield return rounding is { ProfitAtExactPrices: > 0 }
                ? "in this minor unit no plan can be priced above nothing: use a smaller unit or more conversations per period"
                : "this market is not worth serving: no cap earns more than it costs to generate";
        if (reason == ExitReason.WithinBound)
            yield return "with value at the cap urgent customers may prefer a shorter cap, so that no method here finds the best menu for certain: "
                + "the certificate says how much any other could earn more";
        if (market.ValueAtCap > 0 && market.Urgency.HasIntervals)
            yield return "with value at the cap a customer between two types may choose otherwise than both: the profit is that of the types";
        if (reason == ExitReason.RoundedOnMenuCaps)
            yield return "the grid is too large to try every cap in minor units: prices are the best for the caps of the exact menu";
    }

    private static InputFault? CheckUnit(Market market, MinorUnits? units) =>
        units is null || market.ValuePerAnswer / units.UnitPerConversation <= MinorUnits.UnitsPerFeeMax ? null
            : new("minorUnits.unit", FormattableString.Invariant($"is {units.Unit}, too fine for a value of {market.ValuePerAnswer} per answer: ")
                + FormattableString.Invariant($"at most {MinorUnits.UnitsPerFeeMax} units can be told apart"));
}
