using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>A user cut at the cap keeps a share of the answer's value: beyond the paper, and single crossing fails with it.</summary>
public sealed class ValueAtCapTests
{
    [Fact]
    public void No_menu_in_any_order_beats_the_bound_and_one_said_to_be_optimal_is()
    {
        var (optimal, all) = (0, 0);
        Gen.Select(OracleTests.Small(typesMax: 3, capsMax: 5), Gen.Double[0, 0.9]).Sample((plain, share) =>
        {
            var problem = plain with { ValueAtCap = share };
            var (best, solution) = (problem.BestInAnyOrder(), MenuSolver.Solve(problem.Market, new()));
            Assert.True(solution.IsUsable, $"{solution.ExitReason} {solution.Certificate}");
            Assert.True(best <= solution.Certificate.UpperBound + 1e-9 * problem.Value, $"{best} > {solution.Certificate.UpperBound}");
            Assert.True(solution.Profit <= best + 1e-9 * problem.Value, $"{solution.Profit} > {best}");
            if (solution.ExitReason != ExitReason.WithinBound) Assert.Equal(best, solution.Profit, 1e-8 * problem.Value);
            Interlocked.Add(ref optimal, solution.ExitReason == ExitReason.WithinBound ? 0 : 1);
            Interlocked.Increment(ref all);
        }, iter: 200);
        // Mostly the caps of the best menu do fall, and then it is found and proved.
        Assert.True(optimal > 0.7 * all, $"{optimal} of {all}");
    }

    /// <summary>One type, for whom a longer cap is worth less than a shorter one: one token at 0.08 earns most, and keeps every rule that follows.</summary>
    [Fact]
    public void A_rule_on_prices_that_does_not_bind_leaves_the_menu_as_it_is()
    {
        var market = new Market(new DiscreteUrgency([1.5518], [1.0]), new DiscreteAnswerTime([0.12435, 0.17808, 0.20153, 0.13836, 0.27503]), 1, 1, 0.03833) { ValueAtCap = 0.3 };
        var plain = MenuSolver.Solve(market, new(null, new(0.01, 1)));
        Assert.Equal((1, 0.08), (Assert.Single(plain.Tiers).CapTokens, plain.Tiers[0].PricePerConversation));
        MenuConstraints[] rules =
        [
            new() { PriceMax = 1 }, new() { PriceRatioMax = 2.9 }, new() { NobodyExcluded = true, PriceMax = 1, PriceMin = 0.05 },
            new() { NobodyExcluded = true, PriceRatioMax = 2.9 }, new() { NobodyExcluded = true, PriceRatioMax = 2 },
        ];
        foreach (var kept in rules)
        {
            var menu = MenuSolver.Solve(market, new(null, new(0.01, 1)) { Constraints = kept });
            Assert.True(menu.IsUsable, $"{kept}: {menu.Fault}");
            Assert.Equal(plain.Profit, menu.Profit, 1e-12);
        }
    }

    [Fact]
    public void A_menu_under_rules_on_prices_keeps_them_and_earns_no_less_than_the_best_single_plan() =>
        Gen.Select(OracleTests.Small(typesMax: 3, capsMax: 5), Gen.Double[0, 0.9], Gen.Int[1, 3]).Sample((plain, share, ratio) =>
        {
            var problem = plain with { ValueAtCap = share };
            var unit = problem.Value / 40;
            foreach (var rules in new MenuConstraints[] { new() { PriceMax = problem.Value }, new() { PriceRatioMax = ratio }, new() { PriceMin = 3 * unit, PriceMax = problem.Value / 2 } })
            {
                var menu = MenuSolver.Solve(problem.Market, new(null, new(unit, 1)) { Constraints = rules });
                Assert.True(menu.IsUsable, $"{menu.ExitReason} {menu.Fault}");
                Assert.True(menu.Profit <= menu.Certificate.UpperBound + 1e-9 * problem.Value);
                double[] prices = [.. menu.Tiers.Select(t => t.PricePerConversation)];
                Assert.All(prices, price => Assert.InRange(price, (rules.PriceMin ?? 0) - 1e-9, (rules.PriceMax ?? problem.Value) + 1e-9));
                if (prices.Length > 0 && rules.PriceRatioMax is { } most) Assert.True(prices.Max() <= most * prices.Min() + 1e-9);
                Assert.True(menu.Profit >= BestSinglePlan(problem, unit, rules) - 1e-9 * problem.Value, $"{menu.Profit} < {BestSinglePlan(problem, unit, rules)}");
            }
        }, iter: 200);

    /// <summary>Whoever gains by it buys it.</summary>
    private static double BestSinglePlan(NaiveScreening problem, double unit, MenuConstraints rules)
    {
        var best = 0.0;
        for (var cap = 1; cap <= problem.Caps; cap++)
            for (var q = 1; q * unit <= problem.Value; q++)
            {
                if (q * unit < (rules.PriceMin ?? 0) - 1e-9 || q * unit > (rules.PriceMax ?? problem.Value) + 1e-9) continue;
                var buyers = Enumerable.Range(0, problem.Rates.Length).Where(i => problem.V(i, cap) >= q * unit - 1e-9 * problem.Value).Sum(i => problem.Weights[i]);
                best = Math.Max(best, buyers * (q * unit - problem.C(cap)));
            }
        return best;
    }

    [Fact]
    public void An_abandoned_bound_stops()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 5, 1, 0) { TypeCount = 40, CapTokensMax = 100, ValueAtCap = 0.1 };
        var tables = new CheckerTables(market, 100);
        Assert.True(NeighbourBound.Of(tables, new(null, 100), 1, CancellationToken.None) > 0);
        Assert.Throws<OperationCanceledException>(() => NeighbourBound.Of(tables, new(null, 100), 1, new(canceled: true)));
    }

    [Fact]
    public void Every_type_still_does_what_the_menu_means_for_it() => Gen.Select(OracleTests.Small(typesMax: 8, capsMax: 20), Gen.Double[0, 0.9], Gen.Int[1, 4]).Sample((plain, share, plans) =>
    {
        var problem = plain with { ValueAtCap = share };
        foreach (var options in new[] { new SolveOptions(), new(plans), new(plans, new(problem.Value / 1000, 1)) })
        {
            var solution = MenuSolver.Solve(problem.Market, options);
            Assert.True(solution.IsUsable, $"{solution.ExitReason} {solution.Certificate}");
            for (var i = 0; i < problem.Rates.Length; i++)
            {
                var own = problem.V(i, solution.CapTokensByType[i]) - solution.PriceByType[i];
                Assert.True(own >= -2e-9 * problem.Value);
                foreach (var tier in solution.Tiers) Assert.True(problem.V(i, tier.CapTokens) - tier.PricePerConversation <= own + 2e-9 * problem.Value);
                var choice = BestResponse.Of(problem.Market, problem.Rates[i], [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))]);
                Assert.Equal(Math.Max(0, own), choice.SurplusPerConversation, 2e-9 * problem.Value);
            }
            Assert.True(solution.Profit <= solution.Certificate.UpperBound + 1e-9 * problem.Value);
        }
    }, iter: 150);

    [Fact]
    public void Where_single_crossing_holds_the_neighbours_bound_is_the_longest_path() => OracleTests.Small(typesMax: 8, capsMax: 20).Sample(problem =>
        Assert.Equal(MenuSolver.Solve(problem.Market, new()).Certificate.UpperBound,
            NeighbourBound.Of(new CheckerTables(problem.Market, problem.Caps), new CheckerRules(null, problem.Caps), problem.Value, CancellationToken.None), 1e-9 * problem.Value), iter: 100);

    [Fact]
    public void Both_tables_hold_the_value_at_the_cap_for_every_answer_time()
    {
        var thresholds = new BeliefThresholds(0.2, 0.1, 0.9, 0.03);
        AnswerTime[] laws =
        [
            new ExponentialAnswerTime(5), new DiscreteAnswerTime([0.2, 0.3, 0.1, 0.1]), new DeterministicAnswerTime(3), new GreedyAnswerTime(thresholds),
            new DiffusionAnswerTime(thresholds), new AccumulationAnswerTime(thresholds), new PiecewiseHazardAnswerTime([2, 4], [0.1, 0.5, 0.2]),
            new EqualAnswersAnswerTime(4, 0.9, 0.1), new EmpiricalAnswerTime([2, 2, 3, 5, 7, 9], [false, true, false, true, false, true]),
        ];
        foreach (var law in laws)
        {
            var market = new Market(new DiscreteUrgency([0.1, 0.4, 1.5], [0.2, 0.5, 0.3]), law, 1, 2, 0.01) { ValueAtCap = 0.25, CapTokensMax = 40 };
            var grid = market.Grid();
            var (solver, checker, row) = (new MarketTables(market, grid), new CheckerTables(market, grid.CapTokensMax), new double[grid.CapTokensMax + 1]);
            for (var i = 0; i < 3; i++)
            {
                solver.FillValue(i, row);
                var (own, few) = (checker.Value(i), new double[1]);
                checker.FillValueAt(i, [2], few, new double[row.Length]);
                Assert.Equal(own[2], few[0], 1e-13);
                for (var m = 0; m < row.Length; m++)
                {
                    Assert.Equal(own[m], row[m], 1e-9);
                    var answers = new double[row.Length];
                    law.FillDiscountedAnswers(solver.Types.RatesPerSecond[i], 1, answers);
                    var kept = m == 0 ? 0 : 0.25 * law.Survival(m, 1) * Math.Exp(-solver.Types.RatesPerSecond[i] * m);
                    Assert.Equal(2 * (answers[m] + kept), row[m], 1e-12);
                }
            }
            Assert.True(MenuSolver.Solve(market, new(2)).IsUsable, law.Kind);
        }
    }

    [Fact]
    public void A_share_of_nothing_changes_no_bit_and_a_share_of_everything_is_refused()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0.001) { TypeCount = 60 };
        var json = MarketJson.Write(market with { ValueAtCap = 0.125 });
        Assert.Equal(0.125, MarketJson.Read(json).Market!.ValueAtCap);
        Assert.DoesNotContain("valueAtCap", MarketJson.Write(market), StringComparison.Ordinal);
        foreach (var share in new[] { -0.1, 1, double.NaN }) Assert.Equal("valueAtCap", MenuSolver.Solve(market with { ValueAtCap = share }, new()).Fault!.Field);
    }

    [Fact]
    public void What_is_kept_at_the_cap_is_sold_and_earns_more_than_nothing_kept()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0.001) { TypeCount = 60 };
        var profits = new[] { 0, 0.1, 0.3 }.Select(share => MenuSolver.Solve(market with { ValueAtCap = share }, new(3))).ToArray();
        Assert.True(profits[0].Profit < profits[1].Profit && profits[1].Profit < profits[2].Profit);
        Assert.All(profits, p => Assert.True(p.Certificate.Gap <= 0.05 * p.Profit + 0.01, $"{p.Profit} {p.Certificate.Gap}"));
        Assert.Contains(profits[1].Notices, n => n.Contains("between two types", StringComparison.Ordinal));
        var counts = PlanCounts.Of(market with { ValueAtCap = 0.1 }, 3);
        Assert.Equal(profits[1].Profit, counts[2].Profit, 1e-12);
    }
}
