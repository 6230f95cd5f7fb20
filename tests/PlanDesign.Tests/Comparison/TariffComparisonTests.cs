using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Comparison;

public sealed class TariffComparisonTests
{
    [Theory]
    [InlineData(1, 0.4105392480, 0.643335)]
    [InlineData(5, 0.1715224994, 0.106301)]
    [InlineData(14.7, 0.0825714832, 0.0331658)]
    public void Pay_per_token_and_flat_fee_earn_what_their_closed_forms_say(double meanSeconds, double profit, double pricePerSecond)
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(meanSeconds), 20, 1, 0) { TypeCount = 500 };
        var comparison = TariffComparison.Of(market, MenuSolver.Solve(market, new()));
        Assert.Equal(profit, comparison.PayPerToken.Profit, 0.006 * profit);
        Assert.Equal(pricePerSecond, comparison.PayPerToken.Price!.Value * 20, 0.03 * pricePerSecond);
        Assert.Equal(1 / (1 + meanSeconds), comparison.FlatFee.Profit, 1e-5);
        Assert.Equal(comparison.FlatFee.Profit, comparison.OnePlan!.Profit, 1e-6);
    }

    [Fact]
    public void The_menu_without_limit_is_never_beaten_on_the_same_market() => OracleTests.Small(typesMax: 8, capsMax: 20).Sample(problem =>
    {
        var comparison = TariffComparison.Of(problem.Market, MenuSolver.Solve(problem.Market, new()));
        foreach (var other in new[] { comparison.OnePlan!, comparison.PayPerToken, comparison.FlatFee })
            Assert.True(comparison.MenuWithoutLimit!.Profit >= other.Profit - 1e-9 * problem.Value);
        Assert.True(comparison.OnePlan!.Profit >= comparison.FlatFee.Profit - 1e-12 * problem.Value);
    }, iter: 150);

    [Fact]
    public void No_price_per_token_on_a_fine_grid_earns_more_than_the_one_found() => OracleTests.Small(typesMax: 5, capsMax: 12).Sample(problem =>
    {
        var best = PayPerToken.Best(new(problem.Market, problem.Market.Grid()), default);
        var values = problem.Rates.Select((_, i) => Enumerable.Range(0, problem.Caps + 1).Select(m => problem.V(i, m)).ToArray()).ToArray();
        var tokens = Enumerable.Range(0, problem.Caps + 1).Select(m => Enumerable.Range(0, m).Sum(k => 1 - problem.Probability.Take(k).Sum())).ToArray();
        for (var price = problem.Cost; price <= problem.Value; price += problem.Value / 400) Assert.True(Earned(price) <= best.Profit + 1e-9 * problem.Value);
        if (best.Price is { } found) Assert.Equal(Earned(found), best.Profit, 1e-9 * problem.Value);

        double Earned(double price) => Enumerable.Range(0, problem.Rates.Length).Sum(i =>
        {
            var surplus = tokens.Select((t, m) => values[i][m] - price * t).ToArray();
            var most = surplus.Max();
            var stop = Array.FindLastIndex(surplus, s => s >= most - 1e-10 * problem.Value);
            return problem.Weights[i] * (price - problem.Cost) * tokens[stop];
        });
    }, iter: 100);

    [Fact]
    public void Every_outcome_adds_up_and_its_share_and_tokens_are_those_of_the_whole_market()
    {
        var market = ReferenceCases.ReferenceCase.MarketOf("greedy-lognormal-cost");
        var solution = MenuSolver.Solve(market, new(3));
        var comparison = TariffComparison.Of(market, solution);
        foreach (var outcome in new[] { comparison.Menu, comparison.MenuWithoutLimit!, comparison.OnePlan!, comparison.PayPerToken, comparison.FlatFee })
        {
            Assert.Equal(outcome.Revenue - outcome.ServingCost, outcome.Profit, 12);
            Assert.Equal(outcome.Tokens * market.ServingCostPerToken, outcome.ServingCost, 12);
            Assert.InRange(outcome.ShareServed, 0, 1 + 1e-12);
        }
        Assert.Equal(solution.Profit, comparison.Menu.Profit);
        Assert.Equal(solution.ProfitWithoutLimit, comparison.MenuWithoutLimit!.Profit, 12);
    }

    [Fact]
    public void Where_nothing_is_worth_serving_no_tariff_sells_anything()
    {
        var market = ReferenceCases.ReferenceCase.MarketOf("cost-above-value");
        var comparison = TariffComparison.Of(market, MenuSolver.Solve(market, new()));
        Assert.Equal(TariffOutcome.Nothing, comparison.PayPerToken);
        Assert.Equal(TariffOutcome.Nothing, comparison.FlatFee);
        Assert.Equal(0, comparison.OnePlan!.Profit);
    }
}
