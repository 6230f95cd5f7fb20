using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// A menu beside the other ways to charge for the same answers, each set as well as it can be on the same types, caps and answer times. The
/// menu without limit at exact prices is at least as good as each of them; one of few plans, or in minor units, may lose to pay per token,
/// and then the figures say so. A further tariff is a file of its own and a property here.
/// </summary>
/// <param name="Menu">The menu that was asked for.</param>
/// <param name="MenuWithoutLimit">The best menu with any number of plans at exact prices.</param>
public sealed record TariffComparison(
    TariffOutcome Menu, TariffOutcome MenuWithoutLimit, TariffOutcome OnePlan, TariffOutcome PayPerToken, TariffOutcome FlatFee)
{
    /// <param name="solution">Solved, and usable, for this very market.</param>
    public static TariffComparison Of(Market market, MenuSolution solution, CancellationToken cancellation = default)
    {
        if (!solution.IsUsable) throw new ArgumentException("a menu that was refused or not certified cannot be compared", nameof(solution));
        var tables = new MarketTables(market, market.Grid());
        return new(
            OfMenu(solution),
            OfMenu(MenuSolver.Solve(market, new(), null, cancellation)),
            OfMenu(MenuSolver.Solve(market, new(PlansMax: 1), null, cancellation)),
            Comparison.PayPerToken.Best(tables, market.ServingCostPerToken, cancellation),
            Comparison.FlatFee.Best(tables));
    }

    private static TariffOutcome OfMenu(MenuSolution menu) => new(
        menu.Profit, menu.Revenue, menu.ServingCost, menu.Tiers.Sum(t => t.Share), menu.Tiers.Sum(t => t.Share * t.ExpectedTokensPerConversation),
        menu.Tiers.Count == 1 ? menu.Tiers[0].PricePerConversation : null, menu.Tiers.Count == 1 ? menu.Tiers[0].CapTokens : null);
}
