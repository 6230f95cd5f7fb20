namespace PlanDesign.AnswerTimes;

public sealed class AnswerTimeTests
{
    [Fact]
    public void Kaplan_Meier_counts_answers_before_cuts_at_equal_counts()
    {
        // At risk 6 at 2 tokens (1 answer, then 1 cut), 4 at 3 (1 answer), 3 at 5 (1 cut), 2 at 7 (1 answer), 1 at 9 (a cut): S = 5/6, 5/8, 5/16.
        var law = new EmpiricalAnswerTime([2, 2, 3, 5, 7, 9], [false, true, false, true, false, true]);
        Assert.Equal(9, law.SupportTokens);
        Assert.Equal([0, 1 / 6.0, 5 / 24.0, 0, 0, 0, 5 / 16.0, 0, 0], law.ProbabilityPerToken, Close);
        Assert.Equal(5 / 16.0, law.Survival(9, 20), 12);
    }

    [Fact]
    public void Without_cuts_the_estimate_is_the_share_of_conversations_at_each_length()
    {
        var law = EmpiricalAnswerTime.FromTrace([4, 1, 4, 2]);
        Assert.Equal([0.25, 0.25, 0, 0.5], law.ProbabilityPerToken, Close);
    }

    [Fact]
    public void No_cap_goes_beyond_the_largest_observation()
    {
        var market = new Market(new Urgency.UniformUrgency(0, 1), EmpiricalAnswerTime.FromTrace([3, 8]), 20, 1, 0) { CapTokensMax = 100, TypeCount = 5 };
        Assert.Equal(8, market.Grid().CapTokensMax);
    }

    [Fact]
    public void A_conversation_left_before_its_first_token_says_nothing()
    {
        var with = new EmpiricalAnswerTime([0, 3, 5], [true, false, false]);
        Assert.Null(with.Check());
        Assert.Equal(EmpiricalAnswerTime.FromTrace([3, 5]).ProbabilityPerToken, with.ProbabilityPerToken, Close);
    }

    [Fact]
    public void Those_never_answered_pay_for_every_token_up_to_the_cap()
    {
        var tokens = new double[5];
        new DiscreteAnswerTime([0.5, 0.25]).FillExpectedTokens(20, tokens);
        Assert.Equal([0, 1, 1.5, 1.75, 2], tokens, Close);
    }

    [Fact]
    public void Exponential_tables_integrate_the_density_exactly()
    {
        // Simpson's rule over the density, to be independent of the closed form.
        var (law, r, s) = (new ExponentialAnswerTime(5), 0.3, 20.0);
        double[] answers = new double[201], tokens = new double[201];
        law.FillDiscountedAnswers(r, s, answers);
        law.FillExpectedTokens(s, tokens);
        foreach (var m in new[] { 1, 20, 200 })
        {
            Assert.Equal(Simpson(t => Math.Exp(-r * t) * Math.Exp(-t / 5) / 5, m / s), answers[m], 10);
            Assert.Equal(s * Simpson(t => Math.Exp(-t / 5), m / s), tokens[m], 8);
        }
        Assert.Equal(0, answers[0]);
        Assert.Equal(0, tokens[0]);
    }

    [Fact]
    public void A_law_without_end_is_cut_off_only_where_nothing_is_left_to_earn()
    {
        var market = new Market(new Urgency.UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 100 };
        var grid = market.Grid();
        var seconds = grid.CapTokensMax / 20.0;
        Assert.InRange(Math.Exp(-seconds / 5) * grid.Types.BestDiscountedMass(seconds), 0, 1e-7);
        Assert.False(grid.CutOff);
        Assert.True((market with { TokensPerSecond = 2000 }).Grid().CutOff);
    }

    private static double Simpson(Func<double, double> f, double to)
    {
        const int n = 2000;
        var h = to / n;
        return h / 3 * Enumerable.Range(0, n + 1).Sum(k => f(k * h) * (k is 0 or n ? 1 : k % 2 == 1 ? 4 : 2));
    }

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-12;
}
