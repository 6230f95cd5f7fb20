using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Comparison;

public sealed class CapacityFrontierTests
{
    /// <summary>κ = shadow price per token × tokens per second × D; the columns are those of serving cost.</summary>
    [Fact]
    public void The_frontier_is_that_of_the_closed_form()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 400, CapTokensMax = 1200 };
        (double Kappa, double Revenue, double Seconds)[] rows = [(0.1, 0.203663509, 1.840406215), (0.2, 0.196622486, 1.603752049), (0.5, 0.155865476, 1.013678853)];
        var frontier = CapacityFrontier.Of(market, [.. rows.Select(r => r.Kappa / 100)]);
        Assert.DoesNotContain(null, frontier);
        foreach (var (point, row) in frontier.OfType<FrontierPoint>().Zip(rows))
        {
            Assert.Equal(row.Revenue, point.Revenue, 3e-3 * row.Revenue);
            Assert.Equal(row.Seconds, point.Tokens / 20, 4e-3 * row.Seconds);
            Assert.Equal(point.Revenue, point.Profit);
        }
        var plan = CapacityFrontier.Within(market with { TypeCount = 150 }, 1.603752049 * 20)!;
        Assert.Equal(0.196622486, plan.Profit, 1e-3);
        Assert.Equal(0.2 / 100, plan.ShadowPricePerToken, 5e-5);
    }

    [Fact]
    public void A_capacity_between_two_menus_is_met_on_average_by_both() =>
        Gen.Select(OracleTests.Small(typesMax: 6, capsMax: 12), Gen.Double[0.05, 1.1]).Sample((problem, part) =>
        {
            var free = CapacityFrontier.Of(problem.Market, [0])[0]!;
            if (free.Tokens == 0) return;
            var plan = CapacityFrontier.Within(problem.Market, part * free.Tokens)!;
            Assert.Equal(Math.Min(1, part) * free.Tokens, plan.Tokens, 1e-9);
            Assert.InRange(plan.ShareOfFewer, 0, 1);
            // Concave: no worse than the chord from nothing to everything, no better than its slope allows.
            Assert.True(plan.Profit >= Math.Min(1, part) * free.Profit - 1e-9 * problem.Value);
            Assert.True(plan.Profit <= free.Profit + 1e-12 * problem.Value);
        }, iter: 40);

    [Fact]
    public void A_report_says_what_each_capacity_earns_in_tokens_per_second_and_what_a_gpu_less_costs()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 5, 1, 0.001) { TypeCount = 60, CapTokensMax = 200 };
        var report = FrontierReport.Of(market, new(3), new(ConversationsPerSecond: 100, TokensPerSecondOfGpu: 300, CapacityTokensPerSecond: 500));
        Assert.Equal(11, report.Capacity.Count);
        var demand = MenuSolver.Solve(market, new(3));
        Assert.Equal(demand.Profit, report.Capacity[^1].Profit!.Value, 1e-12);
        Assert.Equal(0, report.Capacity[^1].ShadowPricePerToken);
        foreach (var (less, more) in report.Capacity.Zip(report.Capacity.Skip(1)))
        {
            // Concave: what the next tokens earn lies between the slopes on either side.
            var slope = (more.Profit - less.Profit)!.Value / (more.TokensPerConversation - less.TokensPerConversation)!.Value;
            Assert.InRange(slope, more.ShadowPricePerToken!.Value - 1e-9, less.ShadowPricePerToken!.Value + 1e-9);
            Assert.Equal((more.Revenue - more.ServingCost)!.Value, more.Profit!.Value, 1e-12);
            Assert.Equal(100 * more.TokensPerConversation!.Value, more.TokensPerSecond!.Value, 1e-9);
        }
        Assert.Equal(500, report.Today!.TokensPerSecond!.Value, 1e-6);
        Assert.True(report.Today.ShadowPricePerToken > 0);
        Assert.Equal(Enumerable.Range(1, report.Gpus.Count), report.Gpus.Select(g => g.Gpus));
        foreach (var (less, more) in report.Gpus.Zip(report.Gpus.Skip(1)))
        {
            Assert.Equal((more.ProfitPerSecond - less.ProfitPerSecond)!.Value, more.OneLessCostsPerSecond!.Value, 1e-9);
            Assert.True(more.OneLessCostsPerSecond <= less.OneLessCostsPerSecond + 1e-9);
        }
        Assert.True(report.Gpus[^1].TokensPerSecond >= 100 * report.Capacity[^1].TokensPerConversation && report.Gpus[^1].Utilisation < 1);
        Assert.All(report.TokenCosts.Zip(report.TokenCosts.Skip(1)), pair => Assert.True(pair.Second.Profit < pair.First.Profit && pair.Second.TokensPerConversation <= pair.First.TokensPerConversation));
        Assert.True(report.Capacity[5].Profit <= FrontierReport.Of(market, new(), new()).Capacity[5].Profit + 1e-3);
    }

    [Fact]
    public void A_capacity_below_what_the_rules_need_is_refused_and_one_in_tokens_per_second_needs_conversations()
    {
        var market = new Market(new UniformUrgency(0.1, 1), new ExponentialAnswerTime(5), 5, 1, 0) { TypeCount = 20, CapTokensMax = 100 };
        var frontier = new CapacityFrontier(market, new() { Constraints = new() { NobodyExcluded = true, CapTokensMin = 10 } });
        Assert.Contains("the rules need", Assert.Throws<ArgumentException>(() => frontier.Within(5)).Message, StringComparison.Ordinal);
        Assert.Equal("conversationsPerSecond", new Traffic(CapacityTokensPerSecond: 5).Check()!.Field);
    }
}
