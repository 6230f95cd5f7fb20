using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.ReferenceCases;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>What the shortcuts would cost or pretend that the solver does not take, and how far few plans go.</summary>
public sealed class FlatteringTests
{
    [Theory]
    [InlineData("random-irregular-0", 0.004, 10.6), InlineData("single-type", 0.001, 0)]
    public void Rounding_to_nearest_would_make_whole_types_step_down(string name, double unit, double profit)
    {
        var (market, exact) = (ReferenceCase.MarketOf(name), MenuSolver.Solve(ReferenceCase.MarketOf(name), new()));
        PlanOffer[] nearest = [.. exact.Tiers.Select(t => new PlanOffer(t.CapTokens, unit * Math.Round(t.PricePerConversation / unit)))];
        Assert.Equal(profit, RunningMenu.Of(market, nearest).Profit, 0.1);
        Assert.True(MenuSolver.Solve(market, new(MinorUnits: new(unit, 1))).Profit >= exact.Profit - 20 * unit);
    }

    [Fact]
    public void Answers_put_at_the_end_of_a_token_would_cost_two_in_a_hundred()
    {
        var atOnce = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 200, CapTokensMax = 1500 };
        var atTheEnd = atOnce with { AnswerTime = new DiscreteAnswerTime([.. Enumerable.Range(1, 1500).Select(k => Math.Exp(-(k - 1) / 100.0) - Math.Exp(-k / 100.0))]) };
        Assert.Equal(0.019, 1 - MenuSolver.Solve(atTheEnd, new()).Profit / MenuSolver.Solve(atOnce, new()).Profit, 1e-3);
    }

    [Fact]
    public void Types_in_the_middle_of_their_cells_would_flatter_the_menu()
    {
        var cells = Enumerable.Range(0, 100).ToArray();
        var market = new Market(new DiscreteUrgency([.. cells.Select(i => (i + 0.5) / 100)], [.. cells.Select(_ => 0.01)]), new ExponentialAnswerTime(5), 20, 1, 0) { CapTokensMax = 3000 };
        Assert.Equal(0.0085, MenuSolver.Solve(market, new()).Profit / 0.206425231 - 1, 5e-4);
    }

    [Theory]
    [InlineData(1, 0.9746, 0.9979), InlineData(5, 0.8074, 0.9805), InlineData(14.7, 0.6614, 0.9557)]
    public void Three_plans_carry_most_of_the_optimum_and_one_much_less(double meanSeconds, double one, double three)
    {
        var counts = PlanCounts.Of(new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(meanSeconds), 20, 1, 0) { TypeCount = 300 }, 3);
        Assert.Equal(one, counts[0].ShareOfOptimum, 2e-3);
        Assert.Equal(three, counts[2].ShareOfOptimum, 2e-3);
        Assert.InRange(counts[2].ShareOfOptimum, 0.94, 0.998);
        Assert.InRange(counts[0].ShareOfOptimum, 0.66, 0.975);
    }
}
