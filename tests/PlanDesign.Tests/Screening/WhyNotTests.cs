using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Reports;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>Where there is no menu, a person is told what to change; and where there is, shares are parts of a whole.</summary>
public sealed class WhyNotTests
{
    private static readonly DiscreteUrgency Urgency = new([0.01, 0.1], [0.5, 0.5]);

    [Fact]
    public void A_cap_that_never_reaches_the_answer_is_named_and_not_the_cost()
    {
        // Answered after ten seconds, 600 tokens; three hundred are worth nothing at any cost.
        var market = new Market(Urgency, new DeterministicAnswerTime(10), 60, 1, 1e-5) { CapTokensMax = 300 };
        string Why(Market asked, MenuConstraints? rules = null)
        {
            var menu = MenuSolver.Solve(asked, new() { Constraints = rules });
            Assert.Equal(ExitReason.NotWorthServing, menu.ExitReason);
            return Assert.Single(menu.Notices);
        }
        Assert.Equal("no conversation is answered within 300 tokens, the longest cap that a plan may have, so no plan is worth anything: raise capTokensMax, or check answerTime and tokensPerSecond", Why(market));
        Assert.StartsWith("no conversation is answered within 40 tokens, the longest cap that a plan may have, so no plan is worth anything: loosen the rules on caps", Why(market with { CapTokensMax = 700 }, new() { AllowedCapTokens = [20, 40] }), StringComparison.Ordinal);
        Assert.Equal(ExitReason.Optimal, MenuSolver.Solve(market with { CapTokensMax = 600 }, new()).ExitReason);
        Assert.Equal("this market is not worth serving: no cap earns more than it costs to generate", Why(market with { CapTokensMax = 600, ServingCostPerToken = 1 }));
    }

    [Theory]
    [InlineData(0.102, 0.1, 0.9, 0.14, 0.86), InlineData(0.12, 0.1, 0.9, 0.14, 0.86), InlineData(0.98, 0.02, 0.99, 0.0685, 0.9415), InlineData(0.401, 0.4, 0.42, 0.401, 0.419)]
    public void What_to_do_with_a_diffusion_that_is_not_certified_helps(double prior, double lower, double upper, double from, double to)
    {
        Market With(double start) => new(new UniformUrgency(0, 1), new DiffusionAnswerTime(new(start, lower, upper, 0.01)), 500, 1, 0) { TypeCount = 8, CapTokensMax = 20 };
        foreach (var start in new[] { from, (from + to) / 2, to }) Assert.True(MenuSolver.Solve(With(start), new()).IsUsable, $"{start}");
        var menu = MenuSolver.Solve(With(prior), new());
        if (menu.IsUsable) return;
        Assert.Equal(FormattableString.Invariant($"a diffusion that starts so close to a threshold is more than the tables resolve: give answerTime.prior from {from} to {to}, or take kind greedy or accumulation, which hold there too"), menu.Notices[^1]);
        var thresholds = new BeliefThresholds(prior, lower, upper, 0.01);
        foreach (var kind in new AnswerTime[] { new GreedyAnswerTime(thresholds), new AccumulationAnswerTime(thresholds) })
            Assert.True(MenuSolver.Solve(With(from) with { AnswerTime = kind }, new()).IsUsable, kind.Kind);
    }

    [Fact]
    public void Thresholds_too_close_to_certainty_are_named()
    {
        Market With(double margin) => new(new UniformUrgency(0, 1), new DiffusionAnswerTime(new(0.5, margin, 1 - margin, 0.01)), 50, 1, 0) { TypeCount = 8, CapTokensMax = 200 };
        var menu = MenuSolver.Solve(With(0.0001), new());
        Assert.Equal(ExitReason.NotCertified, menu.ExitReason);
        Assert.Contains("give answerTime.lower from 0.001 and answerTime.upper to 0.999, or take kind greedy", menu.Notices[^1], StringComparison.Ordinal);
        Assert.True(MenuSolver.Solve(With(0.001), new()).IsUsable);
    }

    [Fact]
    public void Nobody_is_served_more_than_once()
    {
        // Ten tenths sum to 0.9999999999999999 in binary, and other parts to more than 1.
        double[] weights = [0.1, 0.2, 0.3, 0.1, 0.1, 0.2];
        foreach (var order in new[] { weights, [.. weights.Reverse()], [0.7, 0.1, 0.1, 0.1], [0.3, 0.2, 0.1, 0.1, 0.2, 0.1], [1 / 3.0, 1 / 3.0, 1 / 3.0 + 3e-16] })
        {
            var market = new Market(new DiscreteUrgency([.. Enumerable.Range(1, order.Length).Select(n => 0.01 * n)], order), new ExponentialAnswerTime(5), 20, 1, 0) { CapTokensMax = 60 };
            foreach (var options in new[] { new SolveOptions(1) { Constraints = new() { NobodyExcluded = true } }, new() { Constraints = new() { NobodyExcluded = true } }, new(null, new(0.01, 20)) { Constraints = new() { FreeTierCapTokens = 10 } } })
            {
                var menu = MenuSolver.Solve(market, options);
                Assert.All(menu.Tiers, t => Assert.InRange(t.Share, 0, 1));
                Assert.InRange(menu.ShareServed, 1 - 1e-12, 1);
                foreach (var tariff in TariffReport.All(TariffComparison.Of(market, menu, [new(30, 0.01)])))
                {
                    Assert.InRange(tariff.ShareServed, 0, 1);
                    Assert.InRange(tariff.ShareBetter ?? 0, 0, 1);
                    Assert.InRange(tariff.ShareWorse ?? 0, 0, 1);
                }
            }
            Assert.InRange(market.Urgency.Cdf(9), 1 - 1e-12, 1);
        }
        Assert.InRange(new MixtureUrgency([.. Enumerable.Repeat(new UniformUrgency(0, 1), 4)], [0.1, 0.2, 0.3, 0.4 + 4e-16]).Cdf(2), 1 - 1e-12, 1);
    }

    [Fact]
    public void As_many_conversations_for_every_type_are_one_number()
    {
        var (market, same) = (new Market(Urgency, new ExponentialAnswerTime(5), 20, 1, 0) { CapTokensMax = 60 }, Conversations.OfTypes([20, 20]));
        Assert.Equal((20, null), (same.Each, same.ByType));
        Assert.Null(same.Check(market));
        Assert.Same(market, same.OfConversations(market));
        Assert.Equal(new(0.01, 20), same.Units(0.01));
        // The numbers are still one for each type.
        Assert.Equal("has 3 numbers for 2 types, expected one for each", Conversations.OfTypes([20, 20, 20]).Check(market)!.Detail);
        Assert.StartsWith("by type needs discrete urgency", Conversations.OfTypes([20, 20]).Check(market with { Urgency = new UniformUrgency(0, 1) })!.Detail, StringComparison.Ordinal);
        Assert.Null(Conversations.OfTypes([20, 10]).Each);
    }
}
