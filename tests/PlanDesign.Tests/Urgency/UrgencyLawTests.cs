using PlanDesign.AnswerTimes;
using PlanDesign.Screening;

namespace PlanDesign.Urgency;

/// <summary>Optima with urgencies other than uniform, v = 1, c = 0: the types' two ends bracket the closed form.</summary>
public sealed class UrgencyLawTests
{
    [Theory]
    [InlineData(1, 1, 1, 0.3711504092), InlineData(1, 1, 5, 0.1558860152), InlineData(1, 1, 14.7, 0.0761859460)]
    [InlineData(2, 0.05, 10, 0.359642572)]
    public void Gamma_urgency_earns_its_closed_form(double shape, double scale, double meanSeconds, double optimum) =>
        Brackets(optimum, new GammaUrgency(shape, scale), new ExponentialAnswerTime(meanSeconds), 1e-3 * optimum);

    [Theory]
    [InlineData(1, 0.5370072273), InlineData(5, 0.2847085779)]
    public void Two_groups_with_a_gap_between_them_earn_their_closed_form(double meanSeconds, double optimum)
    {
        var solution = Brackets(optimum, TwoGroups, new ExponentialAnswerTime(meanSeconds), 1e-4);
        Assert.Equal(Math.Log(2), solution.Tiers[^1].CapTokens / 20.0, 0.03);
        Assert.Equal(0.5, solution.Tiers[^1].Share, 0.01);
    }

    [Theory]
    [InlineData(-2, 1, 0.140199973)]
    public void A_deterministic_answer_sells_to_log_normal_urgency_at_K(double mu, double sigma, double optimum) =>
        Brackets(optimum, new LogNormalUrgency(mu, sigma), new DeterministicAnswerTime(10), 1e-3);

    [Theory]
    [InlineData(2, 0.05, 10, 0.218993270), InlineData(1, 1, 1, 0.25), InlineData(1, 1, 2, 0.1481481481), InlineData(1, 1, 5, 0.0669795953)]
    public void A_deterministic_answer_sells_to_gamma_urgency_at_K(double shape, double scale, double seconds, double optimum) =>
        Brackets(optimum, new GammaUrgency(shape, scale), new DeterministicAnswerTime(seconds), 1e-3);

    [Fact]
    public void Quantile_and_share_undo_each_other_for_every_law()
    {
        foreach (var law in new UrgencyModel[] { new GammaUrgency(1, 1), new GammaUrgency(0.3, 2), new GammaUrgency(50, 0.01), TwoGroups })
            foreach (var p in new[] { 0.001, 0.25, 0.6, 0.975 })
                Assert.Equal(p, law.Cdf(law.Quantile(p)), 1e-12);
        Assert.Equal(Math.Log(2), new GammaUrgency(1, 1).Quantile(0.5), 1e-13);
        Assert.Equal(0.2, TwoGroups.Quantile(0.5), 1e-12);
    }

    [Fact]
    public void What_is_known_by_intervals_only_is_solved_for_the_worst_case_and_bounded_by_the_best()
    {
        var intervals = new EmpiricalUrgency([0, 0.3, 0.8], [0.2, 0.5, double.PositiveInfinity], [0.3, 0.5, 0.2]);
        var (law, options) = (new ExponentialAnswerTime(5), new SolveOptions());
        var solution = MenuSolver.Solve(new(intervals, law, 20, 1, 0), options);
        var worst = MenuSolver.Solve(new(new EmpiricalUrgency([0.2, 0.5, 5000], [0.2, 0.5, 5000], [0.3, 0.5, 0.2]), law, 20, 1, 0), options);
        var best = MenuSolver.Solve(new(new DiscreteUrgency([0, 0.3, 0.8], [0.3, 0.5, 0.2]), law, 20, 1, 0), options);
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.Equal(worst.Profit, solution.Profit, 1e-4);
        Assert.Equal(best.Profit, solution.Certificate.DensityUpperBound, 1e-6);
        Assert.Equal(3, solution.CapTokensByType.Count);
        Assert.Equal(0, solution.CapTokensByType[^1]);
        // Wherever customers stand inside their intervals, the menu earns at least what it promises.
        foreach (var part in new[] { 0.0, 0.3, 1 })
        {
            double[] rates = [0.2 * part, 0.3 + 0.2 * part, 0.8 + 3 * part];
            PlanOffer[] offers = [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
            var earned = rates.Zip(intervals.Weights).Sum(t =>
                BestResponse.Of(new(intervals, law, 20, 1, 0), t.First, offers).PlanIndex is { } k ? t.Second * offers[k].PricePerConversation : 0);
            Assert.True(earned >= solution.Profit - 1e-12);
        }
    }

    private static MixtureUrgency TwoGroups => new([new UniformUrgency(0, 0.2), new UniformUrgency(1, 1.2)], [0.5, 0.5]);

    private static MenuSolution Brackets(double optimum, UrgencyModel urgency, AnswerTime law, double tolerance)
    {
        var solution = MenuSolver.Solve(new Market(urgency, law, 20, 1, 0) { TypeCount = 400 }, new());
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.InRange(optimum, solution.Profit - 1e-9, solution.Certificate.DensityUpperBound + 1e-9);
        Assert.Equal(optimum, solution.Profit, tolerance);
        return solution;
    }
}
