using PlanDesign.ReferenceCases;

namespace PlanDesign.Screening;

public sealed class ReferenceCaseTests
{
    public static TheoryData<string> Names => [.. ReferenceCase.All.Select(c => c.Name)];

    [Theory, MemberData(nameof(Names))]
    public void The_optimum_is_the_one_that_an_independent_implementation_found(string name)
    {
        var c = ReferenceCase.All.Single(x => x.Name == name);
        AssertProfit(c.ProfitUnlimitedTiers, MenuSolver.Solve(c.Market, new()));
        foreach (var (plans, profit) in c.ProfitByTierCount) AssertProfit(profit, MenuSolver.Solve(c.Market, new(plans)));
    }

    [Theory, MemberData(nameof(Names))]
    public void Every_menu_carries_a_certificate_without_gap_or_violation(string name)
    {
        var market = ReferenceCase.MarketOf(name);
        foreach (var plans in new int?[] { null, 1, 2, 3, 64 })
        {
            var solution = MenuSolver.Solve(market, new(plans));
            Assert.True(solution.IsUsable, solution.ExitReason.ToString());
            var tolerance = 1e-9 * market.ValuePerAnswer;
            Assert.InRange(solution.Certificate.Gap, -tolerance, tolerance);
            Assert.InRange(solution.Certificate.MaxIncentiveViolation, 0, tolerance);
            Assert.InRange(solution.Certificate.MaxParticipationViolation, 0, tolerance);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void Caps_and_prices_fall_with_urgency_and_tiers_agree_with_types(string name)
    {
        foreach (var plans in new int?[] { null, 1, 2, 3 })
        {
            var solution = MenuSolver.Solve(ReferenceCase.MarketOf(name), new(plans));
            Assert.Equal(solution.CapTokensByType.OrderDescending(), solution.CapTokensByType);
            Assert.Equal(solution.PriceByType.OrderDescending(), solution.PriceByType);
            Assert.Equal(solution.CapTokensByType.Where(c => c > 0).Distinct(), solution.Tiers.Select(t => t.CapTokens));
            Assert.True(solution.Tiers.Count <= (plans ?? int.MaxValue));
            Assert.Equal(solution.Revenue, solution.Tiers.Sum(t => t.Share * t.PricePerConversation), 12);
            Assert.Equal(solution.Profit, solution.Revenue - solution.ServingCost, 12);
        }
    }

    [Fact]
    public void A_market_that_costs_more_to_serve_than_anybody_pays_is_left_alone()
    {
        var solution = MenuSolver.Solve(ReferenceCase.MarketOf("cost-above-value"), new());
        Assert.Equal(ExitReason.NotWorthServing, solution.ExitReason);
        Assert.Equal(0, solution.Profit);
        Assert.Empty(solution.Tiers);
        Assert.Contains("not worth serving", Assert.Single(solution.Notices));
    }

    [Fact]
    public void Costs_that_dwarf_every_value_are_still_only_a_market_not_worth_serving()
    {
        var market = new Market(
            new Urgency.UniformUrgency(0, 1), new AnswerTimes.ExponentialAnswerTime(5), 20, ValuePerAnswer: 1e-6, ServingCostPerToken: 1e6);
        Assert.Equal(ExitReason.NotWorthServing, MenuSolver.Solve(market with { TypeCount = 100 }, new()).ExitReason);
    }

    [Fact]
    public void The_same_market_gives_the_same_bits()
    {
        var market = ReferenceCase.MarketOf("greedy-lognormal-cost");
        Assert.Equal(MenuReport.Of(MenuSolver.Solve(market, new(3))).ToJson(), MenuReport.Of(MenuSolver.Solve(market, new(3))).ToJson());
    }

    private static void AssertProfit(double expected, MenuSolution solution) =>
        Assert.InRange(solution.Profit, expected - 1e-9 * Math.Max(1, expected), expected + 1e-9 * Math.Max(1, expected));
}
