using PlanDesign.AnswerTimes.Quadrature;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.AnswerTimes;

/// <summary>Binary state, entropy, r ~ U[0,1], v = 1, c = 0: the optimum is E[K(τ)] with K(t) = m e^{-tm}, m = min(1, 1/t).</summary>
public sealed class BeliefProcessTests
{
    private const double Mean = 14.7;

    [Theory]
    [InlineData(0.5, 0.1, 0.9, 0.025038, 0.096298, 0.043683)]
    [InlineData(0.2, 0.1, 0.9, 0.011926, 0.220438, 0.118499)]
    [InlineData(0.3, 0.05, 0.95, 0.028051, 0.137185, 0.056924)]
    [InlineData(0.15, 0.1, 0.9, 0.006641, 0.301540, 0.196624)]
    public void The_optimum_of_each_process_is_that_of_the_theory(
        double prior, double lower, double upper, double information, double aligned, double diffusion)
    {
        var thresholds = WithMean(prior, lower, upper);
        Assert.Equal(information, thresholds.InformationPerSecond, 5e-7);
        Assert.Equal(aligned, Optimum(new GreedyAnswerTime(thresholds)), 5e-7);
        Assert.Equal(diffusion, Optimum(new DiffusionAnswerTime(thresholds)), 5e-7);
        Assert.Equal(0.025026, K(new AccumulationAnswerTime(thresholds).Seconds), 5e-7);
    }

    [Theory]
    [InlineData(0.3, 0.2, 0.9, 0.228292777, 0.127440035)]
    [InlineData(0.7, 0.1, 0.8, 0.228292777, 0.127440035)]
    public void Asymmetric_thresholds_and_their_mirror_agree(double prior, double lower, double upper, double aligned, double diffusion)
    {
        var thresholds = WithMean(prior, lower, upper);
        Assert.Equal(0.009218198, thresholds.InformationPerSecond, 5e-10);
        Assert.Equal(aligned, Optimum(new GreedyAnswerTime(thresholds)), 5e-10);
        Assert.Equal(diffusion, Optimum(new DiffusionAnswerTime(thresholds)), 5e-10);
    }

    [Theory]
    [InlineData(0.2, 0.1, 0.9, 0.5, 16.65704, 5e-6, 0.25, 0.032403, 5e-7)]
    [InlineData(0.3, 0.2, 0.9, 0.562288823, 14.6119971, 5e-8, 0.276022868, 0.0334353327, 5e-11)]
    [InlineData(0.55, 0.2, 0.9, 0.562288823, 0.491306955, 5e-10, 0.966080039, 0.0679516614, 5e-11)]
    public void The_aligned_process_drifts_to_its_resting_belief_and_stays(
        double prior, double lower, double upper, double rest, double phase, double digits, double survival, double rate, double rateDigits)
    {
        var law = new GreedyAnswerTime(WithMean(prior, lower, upper));
        Assert.Equal(rest, law.RestingBelief, 5e-10);
        Assert.Equal(phase, law.FirstPhaseSeconds, digits);
        Assert.Equal(survival, law.FirstPhaseSurvival, 5e-10);
        Assert.Equal(rate, law.TailRatePerSecond, rateDigits);
    }

    [Fact]
    public void Of_two_thresholds_equally_distant_the_aligned_process_jumps_to_the_one_closer_in_divergence()
    {
        var thresholds = WithMean(0.55, 0.2, 0.9);
        Assert.Equal(0.0187344296, thresholds.InformationPerSecond, 5e-11);
        Assert.Equal(0.275702304, BeliefThresholds.Divergence(0.2, new GreedyAnswerTime(thresholds).RestingBelief), 5e-10);
        Assert.Equal(0.0970722541, Optimum(new GreedyAnswerTime(thresholds)), 5e-11);
    }

    [Fact]
    public void With_an_even_prior_the_aligned_process_is_exponential()
    {
        var (greedy, exponential) = (new GreedyAnswerTime(WithMean(0.5, 0.1, 0.9)), new ExponentialAnswerTime(Mean));
        Assert.Equal(0, greedy.FirstPhaseSeconds);
        Agree(exponential, greedy, 1e-13);
    }

    [Fact]
    public void Two_equally_likely_answers_are_the_binary_process_with_an_even_prior()
    {
        var binary = new GreedyAnswerTime(new BeliefThresholds(0.5, 0.1, 0.9, 0.025));
        var equal = new EqualAnswersAnswerTime(2, 0.9, 0.025);
        Agree(binary, equal, 1e-13);
        // ln 4 + 0.9 ln 0.9 + 0.1 ln(0.1/3) = 0.951350 nats to be gathered.
        Assert.Equal(0.951350, new EqualAnswersAnswerTime(4, 0.9, 1).MeanSeconds, 5e-7);
    }

    [Theory]
    [InlineData(0.5, 0.1, 0.9), InlineData(0.2, 0.1, 0.9), InlineData(0.15, 0.1, 0.9), InlineData(0.55, 0.2, 0.9)]
    public void Every_process_takes_the_mean_that_its_information_allows(double prior, double lower, double upper)
    {
        foreach (var law in new DensityAnswerTime[] { new GreedyAnswerTime(WithMean(prior, lower, upper)), new DiffusionAnswerTime(WithMean(prior, lower, upper)) })
        {
            var tokens = new double[20 * 3000];
            law.FillExpectedTokens(20, tokens);
            Assert.Equal(Mean, tokens[^1] / 20, 1e-8);
            Assert.Equal(1, Integral(law, _ => 1), 1e-9);
        }
    }

    [Theory]
    [InlineData("greedy", 0.2), InlineData("greedy", 0.7), InlineData("diffusion", 0.2), InlineData("diffusion", 0.5)]
    public void Tables_integrate_the_density_whatever_the_speed_and_the_rate(string kind, double prior)
    {
        var thresholds = WithMean(prior, 0.1, 0.9);
        DensityAnswerTime law = kind == "greedy" ? new GreedyAnswerTime(thresholds) : new DiffusionAnswerTime(thresholds);
        foreach (var (speed, caps) in new[] { (20.0, 800), (0.5, 30), (0.05, 4) })
            foreach (var rate in new[] { 0, 0.01, 0.7, 30 })
            {
                var row = new double[caps + 1];
                law.FillDiscountedAnswers(rate, speed, row);
                foreach (var m in new[] { 1, caps / 2, caps })
                    Assert.Equal(Integral(law, t => Math.Exp(-rate * t), m / speed), row[m], 2e-11);
            }
    }

    [Theory]
    [InlineData(0, 0.2204379, 0.118499)]
    [InlineData(0.005, 0.2085365, 0.104803)]
    [InlineData(0.02, 0.1782558, 0.070186)]
    public void With_serving_cost_aligned_beats_diffusion_beats_accumulation(double costPerSecond, double aligned, double diffusion)
    {
        var thresholds = WithMean(0.2, 0.1, 0.9);
        Assert.Equal(aligned, Solved(new GreedyAnswerTime(thresholds), costPerSecond), 2e-4 * aligned);
        Assert.Equal(diffusion, Solved(new DiffusionAnswerTime(thresholds), costPerSecond), 2e-4 * diffusion + 2e-5);
        Assert.Equal(costPerSecond switch { 0 => 0.025026, 0.005 => 0.0204705, _ => 0.0106335 },
            Solved(new AccumulationAnswerTime(thresholds), costPerSecond), 2e-5);
    }

    [Fact]
    public void An_even_prior_with_serving_cost_earns_what_the_reference_says()
    {
        var thresholds = WithMean(0.5, 0.1, 0.9);
        Assert.Equal(0.0815698, Solved(new GreedyAnswerTime(thresholds), 0.005), 2e-5);
        Assert.Equal(0.033071, Solved(new DiffusionAnswerTime(thresholds), 0.005), 3e-5);
        Assert.Equal(0.0204705, Solved(new AccumulationAnswerTime(thresholds), 0.005), 2e-5);
    }

    private static double Solved(AnswerTime law, double costPerSecond)
    {
        var market = new Market(new UniformUrgency(0, 1), law, 20, 1, costPerSecond / 20) { TypeCount = 200 };
        var solution = MenuSolver.Solve(market, new());
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        return solution.Profit;
    }

    private static BeliefThresholds WithMean(double prior, double lower, double upper) =>
        new(prior, lower, upper, new BeliefThresholds(prior, lower, upper, 1).MeanSeconds / Mean);

    private static double K(double t) => t <= 1 ? Math.Exp(-t) : Math.Exp(-1) / t;

    private static double Optimum(DensityAnswerTime law) => Integral(law, K);

    /// <summary>Gauss panels that never straddle the kink of K at 1 or that of the density where its tail begins.</summary>
    private static double Integral(DensityAnswerTime law, Func<double, double> weight, double to = 4000)
    {
        double[] edges = [0, .. new[] { 1, law.Tail.FromSeconds }.Where(t => t > 0 && t < to).Order(), to];
        var sum = 0.0;
        for (var n = 1; n < edges.Length; n++)
            for (var from = edges[n - 1]; from < edges[n];)
            {
                var next = Math.Min(edges[n], from + Math.Clamp(from / 20, 0.01, 5));
                sum += DiscountedGauss.Integrate(t => law.DensityAt(t) * weight(t), from, next);
                from = next;
            }
        return sum;
    }

    private static void Agree(AnswerTime expected, AnswerTime actual, double tolerance)
    {
        var scale = expected is ExponentialAnswerTime ? 1 : 2;
        double[] left = new double[300], right = new double[300];
        foreach (var rate in new[] { 0, 0.3, 5 })
        {
            expected.FillDiscountedAnswers(rate, 20, left);
            actual.FillDiscountedAnswers(rate, 20, right);
            for (var m = 0; m < left.Length; m++) Assert.Equal(left[m], right[m], scale * tolerance);
        }
        expected.FillExpectedTokens(20, left);
        actual.FillExpectedTokens(20, right);
        for (var m = 0; m < left.Length; m++) Assert.Equal(left[m], right[m], 1e3 * tolerance);
    }
}
