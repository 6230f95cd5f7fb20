using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

public sealed class MarginalPriceTests
{
    private const string Rises = "a further token costs more on a longer plan";

    [Theory]
    [InlineData(1, null), InlineData(5, null), InlineData(14.7, null), InlineData(5, 3)]
    public void Where_the_density_of_answers_does_not_rise_a_further_token_costs_ever_less(double meanSeconds, int? plans)
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(meanSeconds), 20, 1, 0);
        Assert.DoesNotContain(MenuSolver.Solve(market, new(plans)).Notices, n => n.StartsWith(Rises, StringComparison.Ordinal));
        Assert.DoesNotContain(MenuSolver.Solve(market with { TypeCount = 60, CapTokensMax = 300 }, new(3, new(0.01, 1))).Notices, n => n.StartsWith(Rises, StringComparison.Ordinal));
    }

    [Fact]
    public void Answers_that_bunch_around_a_time_make_further_tokens_dearer_first_and_the_solver_says_so()
    {
        // Bell-shaped in ten tokens around the fifth; the urgent stop before it, the patient after it.
        double[] bell = [0.01, 0.04, 0.1, 0.2, 0.25, 0.2, 0.1, 0.06, 0.03, 0.01];
        var market = new Market(new UniformUrgency(0, 1), new DiscreteAnswerTime(bell), 1, 1, 0) { TypeCount = 200 };
        Assert.Contains(MenuSolver.Solve(market, new()).Notices, n => n.StartsWith(Rises, StringComparison.Ordinal));
        var worked = new Market(new DiscreteUrgency([-Math.Log(0.9), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2);
        Assert.Equal(Rises + ": 16.2 each up to 2 tokens, 10 each up to 1, for answers come bunched around a time", Assert.Single(MenuSolver.Solve(worked, new()).Notices));
    }

    /// <summary>Half of the market is so urgent that a cap of 20 tokens, which it must be sold, is worth next to nothing to it.</summary>
    [Fact]
    public void Where_answers_are_equally_likely_at_any_time_they_are_not_said_to_come_bunched()
    {
        var market = new Market(new DiscreteUrgency([0.01, 5], [0.5, 0.5]), new ExponentialAnswerTime(10), 5, 1, 0) { CapTokensMax = 200 };
        var notice = Assert.Single(MenuSolver.Solve(market, new() { Constraints = new() { CapTokensMin = 20, NobodyExcluded = true } }).Notices, n => n.StartsWith(Rises, StringComparison.Ordinal));
        Assert.DoesNotContain("bunched", notice, StringComparison.Ordinal);
    }
}
