using PlanDesign.ReferenceCases;

namespace PlanDesign.Screening;

/// <summary>
/// The linear programme over lotteries on caps, with every incentive and participation constraint, is the referee: never below a menu, and equal to it
/// where no lottery can earn more.
/// </summary>
public sealed class LotteryTests
{
    [Fact]
    public void A_lottery_can_earn_strictly_more_than_every_menu()
    {
        var market = new NaiveScreening([0.2, 1.5, 1.55], [0.04, 0.66, 0.30], [0.125, 0.875], 1, 1, 0.023).Market;
        Assert.Equal(0.0264410060, BestLottery(market), 1e-8 * 0.0264);
        Assert.Equal(0.0261871983, MenuSolver.Solve(market, new()).Profit, 10);
    }

    [Theory]
    [InlineData("random-irregular-0", 14.267569750869974), InlineData("random-irregular-1", 15.864087987293024), InlineData("random-irregular-2", 7.339184392303767)]
    [InlineData("single-type", 0.6641637950150505), InlineData("cost-above-value", 0)]
    public void No_lottery_earns_more_than_the_menu_of_a_reference_case(string name, double lotteryUpperBound)
    {
        var market = ReferenceCase.MarketOf(name);
        var solution = MenuSolver.Solve(market, new());
        // Equality is no theorem: where the hazard rises against the cost a lottery may earn a little more.
        Assert.InRange(solution.Profit, lotteryUpperBound * (1 - 1e-5), lotteryUpperBound + 1e-8 * Math.Max(1, lotteryUpperBound));
        if (market.Grid() is { Types.Count: <= 8, CapTokensMax: <= 40 }) Assert.Equal(lotteryUpperBound, BestLottery(market), 1e-8 * Math.Max(1, lotteryUpperBound));
    }

    private static double BestLottery(Market market)
    {
        using var programme = new Bench.GlopMenus(market).FullLottery();
        return programme.Solve(TimeSpan.FromMinutes(1))!.Value;
    }
}
