using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

public sealed class BestResponseTests
{
    // One token a second; answered at token 1 or 2 with equal odds; worth 40. At rate ln 2: V = 10, 15.
    private static readonly Market Market = new(new DiscreteUrgency([Math.Log(2)], [1]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 0);

    [Theory]
    [InlineData(8, 14, 0, 2.0)]
    [InlineData(8, 12, 1, 3.0)]
    [InlineData(11, 16, null, 0.0)]
    public void A_customer_takes_the_plan_that_leaves_her_most_or_none(double shortPrice, double longPrice, int? plan, double surplus)
    {
        var choice = BestResponse.Of(Market, Math.Log(2), [new(1, shortPrice), new(2, longPrice)]);
        Assert.Equal(plan, choice.PlanIndex);
        Assert.Equal(surplus, choice.SurplusPerConversation, 12);
    }

    [Fact]
    public void Ties_go_to_the_longer_cap_and_to_buying()
    {
        Assert.Equal(0, BestResponse.Of(Market, Math.Log(2), [new(2, 13), new(1, 8)]).PlanIndex);
        Assert.Equal(0, BestResponse.Of(Market, Math.Log(2), [new(1, 10)]).PlanIndex);
        Assert.Equal(0, BestResponse.Of(Market, Math.Log(2), [new(1, 10 + 1e-9)]).PlanIndex);
        Assert.Null(BestResponse.Of(Market, Math.Log(2), [new(1, 10.001)]).PlanIndex);
    }

    [Fact]
    public void An_infinitely_urgent_customer_or_an_empty_menu_buys_nothing()
    {
        Assert.Equal(Choice.None, BestResponse.Of(Market, double.PositiveInfinity, [new(2, 0.01)]));
        Assert.Equal(Choice.None, BestResponse.Of(Market, 0.1, []));
    }

    [Fact]
    public void Customers_at_the_quantiles_of_the_market_pay_what_the_solver_predicted()
    {
        var market = new Market(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 20, 1, 0.001) { TypeCount = 60 };
        var solution = MenuSolver.Solve(market, new(3, new(0.01, 20)));
        PlanOffer[] offers = [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
        const int customers = 1000;
        var paid = Enumerable.Range(0, customers)
            .Select(n => BestResponse.Of(market, market.Urgency.Quantile((n + 0.5) / customers), offers).PlanIndex)
            .Sum(k => k is { } plan ? offers[plan].PricePerConversation : 0) / customers;
        Assert.Equal(solution.Revenue, paid, 0.005 * solution.Revenue);
    }
}
