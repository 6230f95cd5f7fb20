using CsCheck;
using PlanDesign.AnswerTimes;
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
        foreach (var (point, row) in frontier.Zip(rows))
        {
            Assert.Equal(row.Revenue, point.Revenue, 3e-3 * row.Revenue);
            Assert.Equal(row.Seconds, point.Tokens / 20, 4e-3 * row.Seconds);
            Assert.Equal(point.Revenue, point.Profit);
        }
        var plan = CapacityFrontier.Within(market with { TypeCount = 150 }, 1.603752049 * 20);
        Assert.Equal(0.196622486, plan.Profit, 1e-3);
        Assert.Equal(0.2 / 100, plan.ShadowPricePerToken, 5e-5);
    }

    [Fact]
    public void A_capacity_between_two_menus_is_met_on_average_by_both() =>
        Gen.Select(OracleTests.Small(typesMax: 6, capsMax: 12), Gen.Double[0.05, 1.1]).Sample((problem, part) =>
        {
            var free = CapacityFrontier.Of(problem.Market, [0])[0];
            if (free.Tokens == 0) return;
            var plan = CapacityFrontier.Within(problem.Market, part * free.Tokens);
            Assert.Equal(Math.Min(1, part) * free.Tokens, plan.Tokens, 1e-9);
            Assert.InRange(plan.ShareOfFewer, 0, 1);
            // Concave: no worse than the chord from nothing to everything, no better than its slope allows.
            Assert.True(plan.Profit >= Math.Min(1, part) * free.Profit - 1e-9 * problem.Value);
            Assert.True(plan.Profit <= free.Profit + 1e-12 * problem.Value);
        }, iter: 40);
}
