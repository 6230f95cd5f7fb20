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

    /// <summary>
    /// Draws of 500 customers of two menus, prices changed: exactly as many above the higher cutoffs (20 and 20, 22 and 22), or below the lower ones, so that what lies
    /// between them vanishes just so and no likelihood pushes it there; and one where a share vanishes for good.
    /// </summary>
    [Theory]
    [InlineData(110, 120, 20, 137, 93, 20, 0.44, 0.108, 0.372, 0, 0.08), InlineData(99, 119, 32, 99, 129, 22, 0.396, 0, 0.476, 0.04, 0.088)]
    [InlineData(107, 113, 30, 105, 115, 30, 0.424, 0, 0.45516084, 0.00166675, 0.11917241)]
    public void Shares_that_vanish_are_found_in_few_steps(int low, int middle, int high, int otherLow, int otherMiddle, int otherHigh, double first, double second, double third, double fourth, double fifth)
    {
        var shares = TurnbullShares.Of(Choices(
        [
            (0, 0.19, low), (0.19, 0.47, middle), (0.47, double.PositiveInfinity, high), (0, 0.2, otherLow), (0.2, 0.64, otherMiddle), (0.64, double.PositiveInfinity, otherHigh),
        ]));
        Assert.True(shares.Converged && shares.Iterations < 2_000, $"{shares.Gap} {shares.Iterations} {string.Join(' ', shares.Shares)}");
        Assert.Equal([first, second, third, fourth, fifth], shares.Shares, (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void Shares_are_those_of_plain_self_consistency() =>
        Gen.Int[1, 60].Array[9].Sample(customers =>
        {
            var choices = Choices(
            [
                (0, 0.2, customers[0]), (0.2, 0.5, customers[1]), (0.5, double.PositiveInfinity, customers[2]), (0, 0.3, customers[3]), (0.3, 0.6, customers[4]), (0.6, double.PositiveInfinity, customers[5]),
                (0, 0.1, customers[6]), (0.1, 0.4, customers[7]), (0.4, double.PositiveInfinity, customers[8]),
            ]);
            var found = TurnbullShares.Of(choices);
            Assert.True(found.Converged, $"{found.Gap} {found.Iterations}");
            var shares = Enumerable.Repeat(1.0 / found.Shares.Length, found.Shares.Length).ToArray();
            int[][] inside = [.. choices.Intervals.Select(i => Enumerable.Range(0, shares.Length).Where(c => found.From[c] >= i.From && found.To[c] <= i.To).ToArray())];
            for (var n = 0; n < 5_000; n++)
            {
                var next = new double[shares.Length];
                foreach (var (cells, interval) in inside.Zip(choices.Intervals))
                    foreach (var c in cells) next[c] += shares[c] * interval.Customers / customers.Sum() / cells.Sum(cell => shares[cell]);
                shares = next;
            }
            var plain = choices.Intervals.Zip(inside).Sum(i => i.First.Customers * Math.Log(i.Second.Sum(c => shares[c])));
            Assert.InRange(found.LogLikelihood - plain, -1e-6, 0.05);
            // Where plain steps arrive slowly they are not there yet.
            Assert.All(shares.Zip(found.Shares), s => Assert.Equal(s.First, s.Second, 2e-3));
        }, iter: 30);

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
