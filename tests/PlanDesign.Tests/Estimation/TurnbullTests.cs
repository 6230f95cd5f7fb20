using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

public sealed class TurnbullTests
{
    [Fact]
    public void One_menu_gives_the_shares_of_its_plans_and_nothing_more()
    {
        var shares = TurnbullShares.Of(Choices([(0, 0.2, 30), (0.2, 0.5, 50), (0.5, double.PositiveInfinity, 20)]));
        Assert.Equal([0.3, 0.5, 0.2], shares.Shares, Close);
        Assert.True(shares.Converged);
        Assert.Equal(30 * Math.Log(0.3) + 50 * Math.Log(0.5) + 20 * Math.Log(0.2), shares.LogLikelihood, 1e-9);
    }

    /// <summary>
    /// Two menus with one cutoff each, 0.2 and 0.5: 30 of 100 below the one and 80 of 100 below the other give 0.3, 0.5, 0.2; where the lower
    /// cutoff has the larger share, 80 and 30, the cells pool to 110 of 200 and the middle is empty.
    /// </summary>
    [Theory]
    [InlineData(30, 80, 0.3, 0.5, 0.2), InlineData(80, 30, 0.55, 0, 0.45)]
    public void Two_menus_sharpen_each_other_and_pool_where_they_disagree(double below, double belowHigher, double first, double second, double third)
    {
        var shares = TurnbullShares.Of(Choices(
        [
            (0, 0.2, below), (0.2, double.PositiveInfinity, 100 - below), (0, 0.5, belowHigher), (0.5, double.PositiveInfinity, 100 - belowHigher),
        ]));
        double Share(double from, double to) => shares.From.Zip(shares.To, shares.Shares).Where(c => c.First >= from && c.Second <= to).Sum(c => c.Third);
        Assert.Equal([first, second, third], new[] { Share(0, 0.2), Share(0.2, 0.5), Share(0.5, double.PositiveInfinity) }, (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.True(shares.Converged);
    }

    [Fact]
    public void Where_buyers_alone_were_counted_shares_are_those_that_the_menus_agree_on()
    {
        // Both menus see the market 0.2, 0.3, 0.5 of three cells; the second one sells to the first two only.
        var choices = Choices([(0, 0.2, 200), (0.2, 0.9, 800), (0, 0.2, 400), (0.2, 0.5, 600)], counted: [(0.9, 1000), (0.5, 1000)]);
        var shares = TurnbullShares.Of(choices);
        Assert.True(shares.Converged, $"{shares.Gap} {shares.Iterations}");
        Assert.Equal([0.2, 0.3, 0.5], shares.Shares, (a, b) => Math.Abs(a - b) < 1e-5);
    }

    [Fact]
    public void Whoever_goes_away_stops_the_iterations() => Assert.Throws<OperationCanceledException>(
        () => TurnbullShares.Of(Choices([(0, 0.2, 200), (0.2, 0.9, 800), (0, 0.2, 400), (0.2, 0.5, 600)], counted: [(0.9, 1000), (0.5, 1000)]), new CancellationToken(canceled: true)));

    [Fact]
    public void No_other_shares_are_more_likely() =>
        Gen.Select(Gen.Select(Gen.Int[0, 5], Gen.Int[1, 6], Gen.Int[1, 50]).Array[2, 8], Gen.Double[0.001, 1].Array[7]).Sample((seen, other) =>
        {
            double Edge(int n) => n == 6 ? double.PositiveInfinity : 0.1 * n;
            var choices = Choices([.. seen.Select(s => (Edge(Math.Min(s.Item1, s.Item2 - 1)), Edge(s.Item2), (double)s.Item3))]);
            var shares = TurnbullShares.Of(choices);
            Assert.Equal(1, shares.Shares.Sum(), 1e-9);
            var alternative = other.Take(6).Select(o => o / other.Take(6).Sum()).ToArray();
            var likelihood = choices.Intervals.Sum(i => i.Customers * Math.Log(Enumerable.Range(0, 6).Where(c => Edge(c) >= i.From - 1e-9 && Edge(c + 1) <= i.To + 1e-9).Sum(c => alternative[c])));
            Assert.True(shares.LogLikelihood >= likelihood - 1e-5, $"{shares.LogLikelihood} < {likelihood}");
        }, iter: 200);

    [Fact]
    public void Every_type_buys_the_plan_whose_interval_it_is_in() =>
        Gen.Select(OracleTests.Small(typesMax: 2, capsMax: 20), Gen.Int[1, 20].Array[1, 4], Gen.Double[0, 1].Array[4], Gen.Double[0.001, 3].Array[20]).Sample((problem, caps, prices, rates) =>
        {
            var law = new LengthLaw([.. Enumerable.Range(1, problem.Caps)], [.. problem.Probability.Select(p => 1e9 * p)], Unanswered(problem), problem.TokensPerSecond);
            PlanOffer[] offers = [.. caps.Select(c => Math.Min(c, problem.Caps)).Distinct().Zip(prices, (cap, price) => new PlanOffer(cap, 0.6 * price * problem.Value))];
            var intervals = PlanEnvelope.Of(law, problem.Value, offers);
            foreach (var rate in rates)
            {
                var chosen = Array.FindIndex(intervals, i => rate > i.From && rate <= i.To);
                var choice = BestResponse.Of(problem.Market, rate, offers);
                double Surplus(int k) => k < 0 ? 0 : problem.Value * law.DiscountedAnswer(rate, offers[k].CapTokens) - offers[k].PricePerConversation;
                // The same plan, or one that is as good: on a cutoff, or where two plans are worth the same.
                Assert.Equal(choice.SurplusPerConversation, Surplus(chosen), 1e-8 * problem.Value);
            }
        }, iter: 200);

    [Fact]
    public void The_law_of_lengths_is_Kaplan_Meier_and_agrees_with_the_tables_of_the_solver()
    {
        int[] tokens = [2, 2, 3, 5, 7, 9];
        bool[] cut = [false, true, false, true, false, true];
        var law = new LengthLaw([2, 3, 5, 7, 9], [1, 1, 0, 1, 0], [1, 0, 1, 0, 1], 20);
        var tables = new EmpiricalAnswerTime(tokens, cut);
        double[] answers = new double[10], expected = new double[10];
        tables.FillDiscountedAnswers(0.3, 20, answers);
        tables.FillExpectedTokens(20, expected);
        for (var m = 0; m < 10; m++)
        {
            Assert.Equal(answers[m], law.DiscountedAnswer(0.3, m), 1e-15);
            Assert.Equal(expected[m], law.ExpectedTokens(m), 1e-14);
            Assert.Equal(tables.Survival(m, 20), law.Survival(m), 1e-15);
        }
        Assert.Equal(0.3, law.Cutoff(2, 9, law.DiscountedAnswer(0.3, 9) - law.DiscountedAnswer(0.3, 2)), 1e-12);
        Assert.Equal(0, law.Cutoff(2, 9, 0.9));
        Assert.Equal(0, law.Cutoff(3, 5, 0.01));
        Assert.Equal(double.PositiveInfinity, law.Cutoff(2, 9, -0.1));
    }

    [Fact]
    public void Draws_have_the_mean_and_the_spread_of_the_multinomial()
    {
        var (random, draws) = (new Random(4), 1500);
        long[] weights = [5, 1000, 400_000, 0, 90_000];
        var sums = Enumerable.Range(0, draws).Select(_ => Multinomial.Draw(random, weights.Sum(), weights)).ToArray();
        Assert.All(sums, s => Assert.Equal(weights.Sum(), s.Sum()));
        for (var n = 0; n < weights.Length; n++)
        {
            var (mean, p) = (sums.Average(s => (double)s[n]), weights[n] / (double)weights.Sum());
            var variance = sums.Average(s => Math.Pow(s[n] - mean, 2));
            Assert.Equal(weights[n], mean, 4 * Math.Sqrt(weights[n] / (double)draws));
            if (p > 0) Assert.Equal(1, variance / (weights[n] * (1 - p)), 0.15);
        }
    }

    private static double[] Unanswered(NaiveScreening problem)
    {
        var cut = new double[problem.Caps];
        cut[^1] = 1e9 * (1 - problem.Probability.Sum());
        return cut;
    }

    private static ChoiceLikelihood Choices((double From, double To, double Customers)[] seen, (double To, double Customers)[]? counted = null) =>
        ChoiceLikelihood.Of([.. seen.Select(s => new UrgencyInterval(s.From, s.To, s.Customers))], [.. (counted ?? []).Select(c => new UrgencyInterval(0, c.To, c.Customers))]);

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-12;
}
