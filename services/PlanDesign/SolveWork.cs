using System.Numerics;
using PlanDesign.AnswerTimes;
using PlanDesign.AnswerTimes.Quadrature;
using PlanDesign.Screening;
using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Rounding;

namespace PlanDesign;

/// <summary>How much work a solve is, so that a service can refuse it before any.</summary>
public static class SolveWork
{
    /// <summary>To find a density or what survives in a panel takes as long as so many cells: a sum over modes, or Newton's method, at every node.</summary>
    private const long CellsToMakePanel = 100;

    /// <summary>To discount a panel's nodes for one type takes as long as so many cells: an exponential at each, for the solver and again for the certificate.</summary>
    private const long CellsToDiscountPanel = 2 * DiscountedGauss.Nodes;

    /// <summary>Steps between caps in minor units that take as long as a cell: several at once, without a table to fill.</summary>
    private const double StepsPerCell = 100;

    /// <summary>A label under rules on prices takes as long as so many steps, and the certificate prices the budget so many times.</summary>
    private const double StepsPerLabel = 10, PricesOfBudget = 16;

    /// <summary>What a menu is compared with takes as long as so many cells for each type and cap: one plan, and no limit.</summary>
    private const long CellsToCompare = 3;

    /// <param name="market">Checked.</param>
    /// <param name="grid">Of this market.</param>
    /// <param name="options">Checked.</param>
    /// <returns>
    /// Cells of the dynamic programme, types × caps × (1 + plans), and what else takes as long as so many: every panel of the answer times, once to make it
    /// and once for each type; sorted caps where single crossing fails; and steps in minor units, of the search and of the certificate.
    /// </returns>
    public static long Cells(Market market, MarketGrid grid, SolveOptions options)
    {
        var (types, caps) = ((long)grid.Types.Count, grid.CapTokensMax);
        var panels = Panels(market, grid);
        var sorted = market.ValueAtCap > 0 ? types * caps * BitOperations.Log2((uint)caps + 1) : 0;
        return types * caps * (1 + (options.PlansMax ?? 0)) + panels * (CellsToMakePanel + CellsToDiscountPanel * types) + sorted + (long)(StepsInUnits(market, grid, options) / StepsPerCell);
    }

    /// <summary>The same with what a menu is compared with, and with the menus without each of its rules and without all.</summary>
    /// <inheritdoc cref="Cells"/>
    public static long CellsCompared(Market market, MarketGrid grid, SolveOptions options)
    {
        var without = options.Constraints is { } rules ? rules.Each().Select(rule => rule.Without).Append(new()) : [];
        return Cells(market, grid, options) + CellsToCompare * grid.Types.Count * (grid.CapTokensMax + CellsToDiscountPanel * Panels(market, grid)) + without.Sum(rest => Cells(market, grid, options with { Constraints = rest }));
    }

    /// <summary>Of the answer times, the solver's and the certificate's.</summary>
    private static long Panels(Market market, MarketGrid grid) => market.AnswerTime is DensityAnswerTime density
        ? density.PanelsFor(market.TokensPerSecond, grid.CapTokensMax) + CheckerBeliefs.Panels(density, market.TokensPerSecond, grid.CapTokensMax) : 0;

    private static double StepsInUnits(Market market, MarketGrid grid, SolveOptions options)
    {
        if (options.MinorUnits is not { } units) return 0;
        var (types, caps) = (grid.Types.Count, options.Constraints?.AllowedCapTokens?.Distinct().Count() ?? grid.CapTokensMax);
        var all = CutoffPath.Work(types, caps, options.PlansMax);
        // Where all caps are too many, some are searched and nothing is certified.
        if (options.Constraints is not { OnPrices: true }) return all <= CutoffPath.WorkMax ? 2 * all : CutoffPath.WorkMax;
        var prices = Math.Min(market.ValuePerAnswer, options.Constraints.PriceMax ?? double.PositiveInfinity) / units.UnitPerConversation + 1;
        return PricesOfBudget * Math.Min(all, CutoffPath.WorkMax / PricesOfBudget) + StepsPerLabel * Math.Min(all * prices, PriceStates.WorkMax) + Math.Min(all / types * prices * prices, PricedMenus.WorkMax);
    }
}
