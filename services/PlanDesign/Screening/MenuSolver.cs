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
        if ((options.Check() ?? market.Check(cancellation) ?? CheckUnit(market, options.MinorUnits)) is { } fault) return MenuSolution.Refused(fault);
        var grid = market.Grid(cancellation: cancellation);
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

        var exact = MenuProgramme.Run(market, grid, CellEnd.Upper, plansMax, rules, options.Constraints, Part(0), cancellation);
        var patient = market.Grid(CellEnd.Lower, cancellation) with { CapTokensMax = grid.CapTokensMax };
        var above = market.Urgency.HasIntervals ? MenuProgramme.Run(market, patient, CellEnd.Lower, plansMax, rules, options.Constraints, Part(1), cancellation) : exact;
        var densityBound = above.Bound.Upper;
        var tables = new MarketTables(market, grid, cancellation);
        var menu = Menu.Of(tables, exact.CapTokensByType, MenuPrices.ByType(tables, exact.CapTokensByType, rules.FreeTier))
            .WithFreeTier(tables, rules.FreeTier);
        PriceRounding? rounding = null;
        if (options.MinorUnits is { } units)
        {
            var (steps, found, unmet) = Round(tables, exact, rules, options, plansMax, Part(parts - 1), cancellation);
            if (unmet is not null) return MenuSolution.Refused(unmet);
            rounding = found! with { ProfitAtExactPrices = menu.Profit, UpperBound = found.UpperBoundAtTypes };
            // Customers may be more patient than the types that stand for them, and pay more: only their patient ends bound that.
            if (market.Urgency.HasIntervals && found.UpperBoundAtTypes is not null)
                rounding = rounding with
                {
                    UpperBound = options.Constraints is { OnPrices: true } onPrices
                        ? Math.Min(densityBound, PriceStates.UpperBound(above.CheckerTables, rules, onPrices, units, plansMax, grid.CapTokensMax, cancellation)) : densityBound,
                };
            if (rules.FreeTier > 0) steps = [new(rules.FreeTier, grid.Types.Count - 1, 0), .. steps];
            menu = RoundedMenu.Of(market, tables, units, steps).WithFreeTier(tables, rules.FreeTier, fee: 0);
        }
        if (market.ValueAtCap > 0 && rounding is null) menu = CrossedMenu.Of(tables, menu, rules.FreeTier);
        progress?.Report(1);
        return Finish(market, grid, options, rules, menu, exact, densityBound, rounding, cells, tables.ServingCost[^1], cancellation);
    }

    private static (PriceStep[] Steps, PriceRounding? Found, InputFault? Fault) Round(
        MarketTables tables, MenuProgramme exact, CapRules rules, SolveOptions options, int? plansMax, Action<double> progress, CancellationToken cancellation)
    {
        if (options.Constraints is { OnPrices: true } constraints)
        {
            var priced = PriceStates.Search(tables, exact.CheckerTables, rules, constraints, options.MinorUnits!, plansMax, exact.CapTokensByType, progress, cancellation);
            return (priced.Steps, tables.HasValueAtCap ? new(options.MinorUnits!, RoundingRoute.PriceStates, 0) { IsBest = priced.IsBest }
                : Certified(tables, exact, constraints, options.MinorUnits!, plansMax, priced, cancellation), priced.Fault);
        }
        var caps = rules.Caps(tables.CapTokensMax);
        var singleCrossingFails = tables.HasValueAtCap;
        var all = CutoffPath.CanSearch(tables.Types.Count, caps.Length - 1, plansMax);
        if (!all) caps = CutoffPath.CapsToSearch(caps, [rules.FreeTier, .. exact.CapTokensByType.Where(c => c > 0)], tables.Types.Count, plansMax);
        var steps = CutoffPath.Search(tables, caps, options.MinorUnits!, plansMax, rules.MustServe, done => progress(done / 2), cancellation);
        if (!all || singleCrossingFails) return (steps, new(options.MinorUnits!, all ? RoundingRoute.AllCaps : RoundingRoute.MenuCaps, 0), null);
        var unit = options.MinorUnits!.UnitPerConversation;
        var bound = new WholeUnitBound(exact.CheckerTables, exact.CheckerRules.Caps(), unit, plansMax, PriceRules.None, exact.CheckerRules.MustServe);
        return (steps, new(options.MinorUnits!, RoundingRoute.AllCaps, 0)
        {
            IsBest = true, ProfitOfSteps = Earned(tables, caps[0], steps, unit) + bound.OfBase, UpperBoundAtTypes = bound.At(0, null, cancellation) + bound.OfBase,
        }, null);
    }

    /// <summary>
    /// A search of all menus is no proof that none was passed over. Where the certificate's bound is not what was found, every price is tried once more by other code, if they
    /// are few enough; if not, the menu is one within that bound.
    /// </summary>
    private static PriceRounding Certified(
        MarketTables tables, MenuProgramme exact, MenuConstraints constraints, MinorUnits units, int? plansMax, PriceStatesFound priced, CancellationToken cancellation)
    {
        var (caps, unit) = (exact.CheckerRules.Caps(), units.UnitPerConversation);
        // No menu that keeps rules on prices earns more than the best that need not.
        var (ofBase, upper) = (-tables.CumulativeWeights[^1] * tables.ServingCost[caps[0]], Math.Min(priced.UpperBound, exact.Bound.Upper));
        var rounding = new PriceRounding(units, RoundingRoute.PriceStates, 0) { SearchEnded = priced.IsBest, UpperBoundAtTypes = upper };
        if (!priced.IsBest || priced.Fault is not null) return rounding;
        var earned = Earned(tables, caps[0], priced.Steps, unit) + ofBase;
        if (upper <= earned + CertificateTolerance * tables.ValuePerAnswer) return rounding with { IsBest = true, ProfitOfSteps = earned };
        return PricedMenus.Best(exact.CheckerTables, caps, unit, plansMax, PriceRules.Of(constraints, unit), exact.CheckerRules.MustServe, cancellation) is { } best
            ? rounding with { IsBest = true, ProfitOfSteps = earned, UpperBoundAtTypes = best + ofBase } : rounding;
    }

    private static double Earned(MarketTables tables, int free, PriceStep[] steps, double unit)
    {
        var (below, earned) = (free, 0.0);
        foreach (var step in steps)
        {
            earned += tables.CumulativeWeights[step.CutoffType] * (step.MinorUnitsPerPeriod * unit - (tables.ServingCost[step.CapTokens] - tables.ServingCost[below]));
            below = step.CapTokens;
        }
        return earned;
    }

    private static MenuSolution Finish(
        Market market, MarketGrid grid, SolveOptions options, CapRules rules, Menu menu, MenuProgramme exact, double densityBound, PriceRounding? rounding, long cells, double largestCost,
        CancellationToken cancellation)
    {
        var singleCrossing = market.ValueAtCap <= 0;
        var bound = singleCrossing ? rounding is null ? exact.Bound.Upper : densityBound : NeighbourBound.Of(exact.CheckerTables, exact.CheckerRules, market.ValuePerAnswer, cancellation);
        if (!singleCrossing) densityBound = Math.Max(densityBound, bound);
        var (incentive, participation) = MenuViolations.Of(exact.CheckerTables, menu.Tiers, menu.CapTokensByType, menu.PriceByType);
        var certificate = new Certificate(
            bound, bound - menu.Profit, incentive, participation, exact.Bound.ByTokens, exact.Bound.ByTypes, densityBound);
        // The second part is what sums of that many costs of that size round by; it matters only where costs dwarf every value.
        var tolerance = CertificateTolerance * market.ValuePerAnswer + 1e-15 * grid.Types.Count * largestCost;
        var certified = exact.CheckerTables.HaveAllCaps() && certificate.Gap >= -tolerance && (!singleCrossing || rounding is not null || certificate.Gap <= tolerance)
            && incentive <= tolerance && participation <= tolerance
            // In whole units what was found must be what separate code finds possible.
            && (rounding?.ProfitOfSteps is not { } earned || Math.Abs(rounding.UpperBoundAtTypes!.Value - earned) <= tolerance);
        var reason = !certified ? ExitReason.NotCertified
            : !singleCrossing && certificate.Gap > tolerance ? ExitReason.WithinBound
            : menu.Tiers.Length == 0 && (LeavesNothingOut(rounding) || bound <= tolerance) ? ExitReason.NotWorthServing
            : rounding?.Route == RoundingRoute.MenuCaps ? ExitReason.RoundedOnMenuCaps
            : rounding is { Route: RoundingRoute.PriceStates, IsBest: false } ? ExitReason.WithinBound
            : ExitReason.Optimal;
        return new(reason, menu.Profit, menu.Revenue, menu.ServingCost, menu.Tiers, menu.CapTokensByType, menu.PriceByType,
            certificate, rules.AreNone ? Math.Max(0, exact.ProfitWithoutLimit) : exact.ProfitWithoutLimit, cells)
        {
            Rounding = rounding,
            Notices = [.. Notices(market, grid, options.Constraints, options.PlansMax is not null, menu, reason, rounding, densityBound)],
        };
    }

    /// <summary>Whether what was found is the best from the types, so that nothing found is that there is nothing.</summary>
    private static bool LeavesNothingOut(PriceRounding? rounding) => rounding is null or { Route: RoundingRoute.AllCaps } or { IsBest: true };

    private static IEnumerable<string> Notices(
        Market market, MarketGrid grid, MenuConstraints? constraints, bool limited, Menu menu, ExitReason reason, PriceRounding? rounding, double densityBound)
    {
        if (MarginalPrice.Rise(market, menu, limited, rounding?.Units.UnitPerConversation ?? 0) is { } rise)
            yield return FormattableString.Invariant($"a further token costs more on a longer plan: {rise.PerToken:G4} each up to {rise.Cap} tokens, {rise.LowerPerToken:G4} each up to {rise.LowerCap}")
                + (rise.AnswersBunch ? ", for answers come bunched around a time" : "");
        if (constraints?.AllowedCapTokens?.Where(cap => cap > grid.CapTokensMax).Distinct().Order().ToArray() is { Length: > 0 } beyond)
            yield return $"constraints.allowedCapTokens: {string.Join(", ", beyond)} {(beyond.Length == 1 ? "is" : "are")} above the largest cap of this market, {grid.CapTokensMax} tokens, and not tried";
        if (grid.CutOff)
            yield return $"answer times go on beyond {grid.CapTokensMax} tokens, the largest cap tried: set capTokensMax to try longer ones";
        if (reason == ExitReason.NotCertified) yield return WhyNot.NotCertified(market);
        if (reason == ExitReason.NotWorthServing)
            yield return rounding is { ProfitAtExactPrices: > 0 } && constraints is { OnPrices: true }
                ? "no plan that keeps the rules on prices earns more than it costs to generate: loosen them, or use a smaller unit"
                : rounding is { ProfitAtExactPrices: > 0 }
                ? "in this minor unit no plan earns more than it costs to generate: use a smaller unit or more conversations per period"
                : WhyNot.NotWorthServing(market, constraints)
                    + (market.Urgency.HasIntervals && densityBound > CertificateTolerance * market.ValuePerAnswer
                        ? FormattableString.Invariant($", if everybody is as urgent as the most urgent of {grid.Types.Count} types' cells; in the market itself no menu earns more than {densityBound:G6}") : "");
        if (reason == ExitReason.WithinBound && rounding is { Route: RoundingRoute.PriceStates, IsBest: false })
            yield return rounding.SearchEnded
                ? FormattableString.Invariant($"of all menus that keep these rules on prices this is the best, if the search is right that found it: other code, which cannot try so many, proves only that none earns more than {rounding.UpperBoundAtTypes ?? densityBound:G6} from these types")
                : FormattableString.Invariant($"too many menus keep these rules on prices to try them all: this is the best one found, and none earns more than {rounding.UpperBoundAtTypes ?? densityBound:G6} from these types");
        else if (reason == ExitReason.WithinBound)
            yield return "with value at the cap urgent customers may prefer a shorter cap, so that no method here finds the best menu for certain: "
                + "the certificate says how much any other could earn more";
        if (rounding is { UpperBoundAtTypes: { } atTypes, UpperBound: { } most } && market.Urgency.HasIntervals && menu.Tiers.Length > 0)
            yield return market.Urgency.HasDensity
                ? FormattableString.Invariant($"urgency is continuous and the best menu in this unit was searched for at {grid.Types.Count} types, from which none earns more than {atTypes:G6}: ")
                    + FormattableString.Invariant($"customers between them make it {menu.Profit:G6}, and with other caps and prices at most {most:G6}; more types bring the two closer")
                : FormattableString.Invariant($"urgency is known by intervals only and the best menu in this unit was searched for at their {grid.Types.Count} urgent ends, from which none earns more than {atTypes:G6}: ")
                    + FormattableString.Invariant($"if customers are more patient than that, some menu may earn more, at most {most:G6}; narrower intervals bring the two closer");
        if (market.ValueAtCap > 0 && market.Urgency.HasIntervals)
            yield return "with value at the cap a customer between two types may choose otherwise than both: the profit is that of the types";
        if (reason == ExitReason.RoundedOnMenuCaps)
            yield return "the grid is too large to try every cap in minor units: "
                + (menu.Tiers.Length > 0 ? "prices are the best for the caps of the exact menu and others evenly between them"
                    : "none of the caps that were tried earns anything in this one, and another may: use a smaller unit, more conversations per period, fewer types or a smaller capTokensMax");
    }

    private static InputFault? CheckUnit(Market market, MinorUnits? units) =>
        units is null || market.ValuePerAnswer / units.UnitPerConversation <= MinorUnits.UnitsPerFeeMax ? null
            : new("minorUnits.unit", FormattableString.Invariant($"is {units.Unit}, too fine for a value of {market.ValuePerAnswer} per answer: ")
                + FormattableString.Invariant($"at most {MinorUnits.UnitsPerFeeMax} units can be told apart"));
}
