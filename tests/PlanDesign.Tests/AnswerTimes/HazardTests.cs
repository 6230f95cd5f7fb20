using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.AnswerTimes;

public sealed class HazardTests
{
    [Fact]
    public void One_hazard_is_an_exponential_and_a_split_one_is_the_same()
    {
        var exponential = new ExponentialAnswerTime(5);
        foreach (var law in new[] { new PiecewiseHazardAnswerTime([], [0.2]), new PiecewiseHazardAnswerTime([0.33, 2], [0.2, 0.2, 0.2]) })
        {
            double[] expected = new double[200], actual = new double[200];
            exponential.FillDiscountedAnswers(0.3, 20, expected);
            law.FillDiscountedAnswers(0.3, 20, actual);
            for (var m = 0; m < expected.Length; m++) Assert.Equal(expected[m], actual[m], 1e-13);
            exponential.FillExpectedTokens(20, expected);
            law.FillExpectedTokens(20, actual);
            for (var m = 0; m < expected.Length; m++) Assert.Equal(expected[m], actual[m], 1e-11);
        }
    }

    [Fact]
    public void Hazards_that_change_inside_a_token_are_integrated_on_both_sides()
    {
        // S: e^{-0.1·2.5}, then e^{-0.4(t−2.5)} until 4, then nobody is answered.
        var law = new PiecewiseHazardAnswerTime([2.5, 4], [0.1, 0.4, 0]);
        var row = new double[11];
        law.FillDiscountedAnswers(0, 1, row);
        Assert.Equal(1 - Math.Exp(-0.25 - 0.4 * 0.5), row[3], 1e-14);
        Assert.Equal(1 - Math.Exp(-0.85), row[10], 1e-14);
        Assert.Equal(Math.Exp(-0.85), law.Survival(10, 1), 1e-14);
        law.FillExpectedTokens(1, row);
        Assert.Equal((1 - Math.Exp(-0.25)) / 0.1 + Math.Exp(-0.25) * (1 - Math.Exp(-0.6)) / 0.4 + 6 * Math.Exp(-0.85), row[10], 1e-13);
    }

    [Fact]
    public void A_rising_hazard_solves_and_certifies()
    {
        var market = new Market(new UniformUrgency(0, 1), new PiecewiseHazardAnswerTime([2.03, 7], [0.02, 0.3, 0.1]), 20, 1, 0.002) { TypeCount = 150 };
        var solution = MenuSolver.Solve(market, new(3));
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.InRange(solution.Certificate.Gap, -1e-11, 1e-11);
    }

    [Theory]
    [InlineData(1, 0.25), InlineData(2, 0.1481481481), InlineData(5, 0.0669795953)]
    public void A_deterministic_answer_earns_K_of_its_time(double seconds, double gammaRevenue)
    {
        // U[0,1]: e^{-1}/D for D ≥ 1; gamma(1,1): K = t^t/(1+t)^{1+t}.
        var uniform = MenuSolver.Solve(new Market(new UniformUrgency(0, 1), new DeterministicAnswerTime(seconds), 20, 1, 0) { TypeCount = 2000 }, new());
        Assert.Equal(Math.Exp(-1) / seconds, uniform.Profit, 1e-6);
        Assert.Single(uniform.Tiers);
        Assert.Equal(gammaRevenue, Math.Pow(seconds, seconds) / Math.Pow(1 + seconds, 1 + seconds), 5e-11);
    }

    [Fact]
    public void Greenwood_errors_are_those_of_a_sum_done_by_hand()
    {
        // S = 5/6, 5/8, 5/16 after 2, 3 and 7 tokens; Σ d/(n(n−d)) = 1/30, + 1/12, + 1/2.
        var errors = new EmpiricalAnswerTime([2, 2, 3, 5, 7, 9], [false, true, false, true, false, true]).SurvivalErrors();
        Assert.Equal(0, errors[1]);
        Assert.Equal(5 / 6.0 * Math.Sqrt(1 / 30.0), errors[2], 1e-15);
        Assert.Equal(5 / 8.0 * Math.Sqrt(1 / 30.0 + 1 / 12.0), errors[4], 1e-15);
        Assert.Equal(5 / 16.0 * Math.Sqrt(1 / 30.0 + 1 / 12.0 + 1 / 2.0), errors[9], 1e-15);
        // Without cuts it is the binomial error √(S(1−S)/n).
        Assert.Equal(Math.Sqrt(0.5 * 0.5 / 4), EmpiricalAnswerTime.FromTrace([1, 2, 3, 4]).SurvivalErrors()[2], 1e-15);
    }
}
