using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Comparison;

public sealed class OtherTariffTests
{
    [Theory]
    [InlineData(1, 0.1997882), InlineData(5, 0.0497824), InlineData(14.7, 0.0176099)]
    public void A_two_part_tariff_ties_with_the_optimum_where_urgency_is_uniform_and_answers_exponential(double meanSeconds, double fee)
    {
        var market = Uniform(new ExponentialAnswerTime(meanSeconds)) with { TypeCount = 500 };
        var comparison = TariffComparison.Of(market, MenuSolver.Solve(market, new()));
        var twoPart = comparison.TwoPartTariff;
        Assert.Equal(comparison.MenuWithoutLimit!.Profit, twoPart.Profit, 5e-3 * twoPart.Profit);
        Assert.True(comparison.MenuWithoutLimit!.Profit >= twoPart.Profit - 1e-9);
        Assert.Equal(Math.Exp(-1) / meanSeconds, twoPart.Price!.Value * 20, 0.03 * Math.Exp(-1) / meanSeconds);
        Assert.Equal(fee, twoPart.Fee!.Value, 0.03 * fee);
        Assert.Equal(1, twoPart.ShareServed, 1e-12);
    }

    [Fact]
    public void The_menu_without_limit_is_never_beaten_on_the_same_process() =>
        Gen.Select(OracleTests.Small(typesMax: 8, capsMax: 20), Gen.Int[0, 20].Array[4], Gen.Double[0, 1].Array[4], Gen.Double[0, 1.2]).Sample((problem, caps, prices, capacity) =>
        {
            var running = caps.Zip(prices, (cap, price) => new PlanOffer(cap, price * problem.Value)).ToArray();
            var comparison = TariffComparison.Of(problem.Market, MenuSolver.Solve(problem.Market, new()), running);
            foreach (var (name, other, _) in comparison.Others)
                Assert.True(comparison.MenuWithoutLimit!.Profit >= other.Profit - 1e-9 * problem.Value, $"{name}: {other.Profit} > {comparison.MenuWithoutLimit!.Profit}");
            Assert.DoesNotContain(comparison.Notices, n => !n.StartsWith("the two-part tariff is the best one found", StringComparison.Ordinal));
            var tables = new MarketTables(problem.Market, problem.Market.Grid());
            var auction = TokenMarket.Clearing(tables, capacity * tables.ExpectedTokens[^1], default);
            Assert.True(comparison.MenuWithoutLimit!.Profit >= auction.Profit - 1e-9 * problem.Value);
            Assert.True(comparison.TwoPartTariff.Profit >= comparison.PayPerToken.Profit - 1e-9 * problem.Value);
            Assert.True(comparison.TwoPartTariff.Profit >= comparison.FlatFee.Profit - 1e-9 * problem.Value || problem.Cost > 0);
        }, iter: 150);

    /// <summary>Many fees and prices are within a millionth of the best here, and the search for it ends before they are all looked at.</summary>
    [Fact]
    public void A_two_part_tariff_earns_no_less_than_pay_per_token_where_the_search_ends_early()
    {
        double[] probability =
        [
            5.931955818703193E-07, 0.04842472232785283, 0.0006178622714094657, 5.931955818703193E-07, 0.07773764703454, 0.0019304219465366547, 0.5931961750659012,
            0.0044860040225786135, 5.931955818703193E-07, 5.931955818703193E-07, 5.931955818703193E-07, 0.1932481383002788, 0.07732591460535479, 5.931955818703193E-07,
            5.931955818703193E-07, 6.100177543705237E-07, 5.980970442561532E-07, 0.0030277539416762255,
        ];
        double[] rates = [0.23943661971830985, 0.7959648377101327, 1.0446027349759248, 1.1370782973012372, 1.5030771343737959], weights = [0.16285949159490956, 0.3196123251758765, 0.09072399835979585, 0.08985351260408803, 0.3369506722653301];
        var market = new NaiveScreening(rates, weights, probability, 20, 0.05, 0.001).Market;
        var comparison = TariffComparison.Of(market, MenuSolver.Solve(market, new()));
        Assert.NotNull(comparison.TwoPartTariff.ProfitMax);
        Assert.True(comparison.TwoPartTariff.Profit >= comparison.PayPerToken.Profit, $"{comparison.TwoPartTariff.Profit} < {comparison.PayPerToken.Profit}");
    }

    [Fact]
    public void The_menu_without_limit_is_never_beaten_whatever_the_laws_of_the_market() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 6], Gen.Double[0.05, 1], Gen.Double[0.1, 1], Gen.Double[0, 0.04], Gen.Int[2, 15]).Sample((urgency, time, a, b, cost, types) =>
        {
            UrgencyModel law = urgency switch
            {
                0 => new UniformUrgency(a * b, a),
                1 => new LogNormalUrgency(Math.Log(a), b),
                2 => new GammaUrgency(4 * b, a),
                3 => new MixtureUrgency([new UniformUrgency(0, a / 4), new UniformUrgency(a, 2 * a)], [0.5 * b, 1 - 0.5 * b]),
                4 => new EmpiricalUrgency([0, a, 2 * a], [a / 2, 2 * a, double.PositiveInfinity], [0.5, 0.3, 0.2]),
                _ => new DiscreteUrgency([a / 2, a, 3 * a], [0.2, 0.5, 0.3]),
            };
            var thresholds = new BeliefThresholds(0.15 + 0.7 * b, 0.1, 0.9, 0.2);
            AnswerTime answers = time switch
            {
                0 => new ExponentialAnswerTime(10 * a),
                1 => new PiecewiseHazardAnswerTime([1, 4], [0.05, a, 0.1]),
                2 => new DeterministicAnswerTime(7 * b),
                3 => new GreedyAnswerTime(thresholds),
                4 => new DiffusionAnswerTime(thresholds),
                5 => new EmpiricalAnswerTime([3, 9, 9, 14, 22, 30], [false, false, true, false, true, false]),
                _ => new EqualAnswersAnswerTime(5, 0.9, 0.3),
            };
            var market = new Market(law, answers, 3, 1, cost) { TypeCount = urgency > 3 ? null : types, CapTokensMax = 60 };
            if (market.Check() is not null) return;
            var solution = MenuSolver.Solve(market, new());
            var comparison = TariffComparison.Of(market, solution, [new(10, 0.2 * b), new(30, 0.4 * a)]);
            foreach (var (name, other, _) in comparison.Others)
            {
                // A menu on sale is judged where customers of a density really stop buying, not at the types that stand for them.
                var most = name == "running menu" ? solution.Certificate.DensityUpperBound : comparison.MenuWithoutLimit!.Profit;
                Assert.True(most >= other.Profit - 1e-9, $"{law.Kind} {answers.Kind} {name}: {other.Profit} > {most}");
            }
        }, iter: 60);

    [Fact]
    public void No_fee_and_price_on_a_fine_grid_earn_more_than_those_found() => OracleTests.Small(typesMax: 4, capsMax: 8).Sample(problem =>
    {
        var tables = new MarketTables(problem.Market, problem.Market.Grid());
        var best = TwoPartTariff.Best(tables, PayPerToken.Best(tables, default), default);
        var tokens = Enumerable.Range(0, problem.Caps + 1).Select(m => Enumerable.Range(0, m).Sum(k => 1 - problem.Probability.Take(k).Sum())).ToArray();
        var values = problem.Rates.Select((_, i) => Enumerable.Range(0, problem.Caps + 1).Select(m => problem.V(i, m)).ToArray()).ToArray();
        for (var price = problem.Cost; price <= problem.Value; price += problem.Value / 200)
        {
            var stops = problem.Rates.Select((_, i) =>
            {
                var surplus = tokens.Select((t, m) => values[i][m] - price * t).ToArray();
                var most = surplus.Max();
                var stop = Array.FindLastIndex(surplus, s => s >= most - 1e-12 * problem.Value);
                return (Surplus: surplus[stop], Tokens: tokens[stop]);
            }).ToArray();
            foreach (var fee in stops.Select(s => s.Surplus))
            {
                var earned = stops.Zip(problem.Weights).Where(t => t.First.Surplus >= fee && t.First.Tokens > 0)
                    .Sum(t => t.Second * (fee + (price - problem.Cost) * t.First.Tokens));
                Assert.True(earned <= best.Profit + 1e-9 * problem.Value, $"{earned} > {best.Profit}");
            }
        }
    }, iter: 60);

    [Fact]
    public void A_token_market_sells_the_capacity_and_no_more_at_the_price_where_demand_meets_it() => OracleTests.Small(typesMax: 6, capsMax: 15).Sample(problem =>
    {
        var tables = new MarketTables(problem.Market, problem.Market.Grid());
        var capacity = 0.4 * tables.ExpectedTokens[^1];
        var auction = TokenMarket.Clearing(tables, capacity, default);
        if (auction == TariffOutcome.Nothing) return;
        Assert.True(auction.Tokens <= capacity + 1e-9);
        Assert.True(auction.Price >= problem.Cost);
        // Unless the reserve price binds, any dearer token would leave capacity unsold.
        if (auction.Price > problem.Cost + 1e-9 * problem.Value) Assert.Equal(capacity, auction.Tokens, 1e-9);
        var above = 0.0;
        TokenDemand.ForEachType(tables, [auction.Price!.Value * (1 + 1e-8)], (i, bought, _) => above += problem.Weights[i] * bought[0], default);
        Assert.True(above <= capacity + 1e-9);
    }, iter: 100);

    [Fact]
    public void A_menu_that_runs_earns_what_its_solution_promised_and_keeps_the_same_surplus() => OracleTests.Small(typesMax: 8, capsMax: 20).Sample(problem =>
    {
        var solution = MenuSolver.Solve(problem.Market, new(2));
        var comparison = TariffComparison.Of(problem.Market, solution, [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))]);
        if (solution.Tiers.Count == 0) return;
        // A tie may go to the longer plan, which is never worse for the customer and earns within the tolerance of ties.
        Assert.Equal(comparison.Menu.ConsumerSurplus, comparison.RunningMenu!.ConsumerSurplus, 1e-7 * problem.Value);
        Assert.Equal(0, comparison.Others.Single(o => o.Name == "running menu").ToMenu.ShareWorse, 1e-12);
    }, iter: 100);

    [Theory]
    [InlineData(null), InlineData(0.01)]
    public void The_same_menu_earns_the_same_whether_it_is_new_or_on_sale_already(double? unit)
    {
        var market = new Market(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 5, 1, 0.001) { TypeCount = 40 };
        var options = new SolveOptions(3, unit is { } u ? new(u, 1) : null);
        var solution = MenuSolver.Solve(market, options);
        PlanOffer[] offers = [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
        var comparison = TariffComparison.Of(market, solution, offers);
        Assert.Equal(comparison.Menu.Profit, comparison.RunningMenu!.Profit, 1e-9);
        Assert.Equal(comparison.Menu.Tokens, comparison.RunningMenu.Tokens, 1e-7);
        Assert.Equal(solution.Profit, RunningMenu.Of(market, offers).Profit, 1e-9);
    }

    [Fact]
    public void The_number_of_plans_is_priced_under_the_rules_that_the_menu_keeps()
    {
        var market = Uniform(new ExponentialAnswerTime(5)) with { TypeCount = 60, CapTokensMax = 400, ServingCostPerToken = 0.001 };
        foreach (var rules in new Screening.Constraints.MenuConstraints[] { new() { AllowedCapTokens = [10, 40, 90] }, new() { NobodyExcluded = true, CapTokensMin = 30 }, new() { FreeTierCapTokens = 20 } })
        {
            var counts = PlanCounts.Of(market, 4, rules);
            foreach (var count in counts) Assert.Equal(MenuSolver.Solve(market, new(count.Plans) { Constraints = rules }).Profit, count.Profit, 1e-12);
            var optimum = MenuSolver.Solve(market, new() { Constraints = rules }).ProfitWithoutLimit;
            Assert.All(counts, c => Assert.True(c.Profit <= optimum + 1e-12));
        }
    }

    [Fact]
    public void A_two_part_tariff_that_was_not_found_for_certain_says_what_the_best_may_earn() => OracleTests.Small(typesMax: 4, capsMax: 8).Sample(problem =>
    {
        var tables = new MarketTables(problem.Market, problem.Market.Grid());
        var best = TwoPartTariff.Best(tables, PayPerToken.Best(tables, default), default);
        Assert.True(best.ProfitMax is null || best.ProfitMax > best.Profit);
    }, iter: 30);

    [Fact]
    public void Surplus_and_profit_make_up_what_the_customers_value_less_what_it_costs()
    {
        var market = Uniform(new ExponentialAnswerTime(5)) with { TypeCount = 40, CapTokensMax = 300, ServingCostPerToken = 0.002 };
        var solution = MenuSolver.Solve(market, new());
        var comparison = TariffComparison.Of(market, solution);
        var tables = new MarketTables(market, market.Grid());
        var row = tables.NewRow();
        var worth = 0.0;
        for (var i = 0; i < 40; i++)
        {
            tables.FillValue(i, row);
            worth += row[solution.CapTokensByType[i]] / 40;
        }
        Assert.Equal(worth - comparison.Menu.ServingCost, comparison.Menu.Welfare, 1e-12);
        Assert.Equal(40, comparison.FlatFee.SurplusByType.Count);
        foreach (var (_, outcome, change) in comparison.Others)
        {
            Assert.InRange(change.ShareBetter + change.ShareWorse, 0, 1 + 1e-12);
            Assert.Equal(comparison.Menu.ConsumerSurplus - outcome.ConsumerSurplus, change.GainByType.Sum() / 40, 1e-12);
        }
    }

    [Fact]
    public void Where_a_menu_of_one_plan_loses_to_a_simpler_tariff_the_comparison_says_so()
    {
        var market = Uniform(new ExponentialAnswerTime(14.7)) with { TypeCount = 200 };
        var comparison = TariffComparison.Of(market, MenuSolver.Solve(market, new(1)));
        var ahead = Assert.Single(comparison.Notices, n => n.StartsWith("earning more per conversation than this menu: ", StringComparison.Ordinal));
        Assert.Contains("pay per token (", ahead, StringComparison.Ordinal);
        Assert.Contains("two-part tariff (", ahead, StringComparison.Ordinal);
        Assert.DoesNotContain("flat fee", ahead, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0), InlineData(0.001)]
    public void The_aligned_process_earns_most_and_a_fixed_time_least(double costPerToken)
    {
        var thresholds = new BeliefThresholds(0.2, 0.1, 0.9, 0.011926);
        var market = Uniform(new DiffusionAnswerTime(thresholds)) with { TypeCount = 60, ServingCostPerToken = costPerToken };
        var outcomes = MisalignedProcesses.Of(market);
        Assert.Equal(["greedy", "diffusion", "accumulation"], outcomes.Select(o => o.Kind));
        Assert.Equal(1, outcomes[0].ShareOfAligned);
        Assert.True(outcomes[0].Menu.Profit > outcomes[1].Menu.Profit && outcomes[1].Menu.Profit > outcomes[2].Menu.Profit);
        Assert.All(outcomes, o => Assert.Equal(14.7, o.MeanSeconds, 1e-3));
        Assert.Empty(MisalignedProcesses.Of(Uniform(new ExponentialAnswerTime(5))));
        foreach (var outcome in outcomes)
        {
            Assert.Equal(outcome.Menu.Profit, outcome.Outcome!.Revenue - outcome.Outcome.ServingCost, 1e-12);
            Assert.InRange(outcome.Outcome.ShareServed, 0.01, 1 + 1e-12);
            Assert.True(outcome.Outcome.ConsumerSurplus > 0 && outcome.Outcome.Tokens > 0);
        }
        Assert.Null(outcomes[0].ToAligned);
        foreach (var change in outcomes.Skip(1).Select(o => o.ToAligned!))
        {
            Assert.Equal(60, change.GainByType.Count);
            Assert.InRange(change.ShareBetter + change.ShareWorse, 0.01, 1 + 1e-12);
        }
        Assert.Empty(MisalignedProcesses.Notices(market));
    }

    [Fact]
    public void Where_the_longest_cap_cuts_processes_off_their_order_is_not_promised()
    {
        var thresholds = new BeliefThresholds(0.2, 0.1, 0.9, 0.011926);
        var market = Uniform(new GreedyAnswerTime(thresholds)) with { TypeCount = 30, CapTokensMax = 200 };
        var notices = MisalignedProcesses.Notices(market);
        Assert.Equal(3, notices.Count);
        Assert.Contains("cuts 100.0 % of the accumulation process's conversations off", notices[2], StringComparison.Ordinal);
    }

    [Fact]
    public void Equally_likely_answers_are_compared_with_accumulation_and_two_of_them_with_diffusion_too()
    {
        var many = MisalignedProcesses.Of(Uniform(new EqualAnswersAnswerTime(5, 0.9, 0.3)) with { TypeCount = 40 });
        Assert.Equal(["equalAnswers", "accumulation"], many.Select(o => o.Kind));
        Assert.True(many[0].Menu.Profit > many[1].Menu.Profit);
        Assert.Equal(many[0].MeanSeconds, many[1].MeanSeconds);
        var two = MisalignedProcesses.Of(Uniform(new EqualAnswersAnswerTime(2, 0.9, 0.3)) with { TypeCount = 40 });
        Assert.Equal(["greedy", "diffusion", "accumulation"], two.Select(o => o.Kind));
        Assert.Equal(MenuSolver.Solve(Uniform(new EqualAnswersAnswerTime(2, 0.9, 0.3)) with { TypeCount = 40 }, new()).Profit, two[0].Menu.Profit, 1e-7);
    }

    [Theory]
    [InlineData(1, 0.017), InlineData(5, 0.16), InlineData(14.7, 0.37)]
    public void The_number_of_plans_has_a_price_that_falls_with_its_square(double meanSeconds, double lossTimesSquare)
    {
        var counts = PlanCounts.Of(Uniform(new ExponentialAnswerTime(meanSeconds)) with { TypeCount = 500 }, 8);
        Assert.Equal(8, counts.Count);
        Assert.All(counts.Zip(counts.Skip(1)), pair => Assert.True(pair.Second.Profit > pair.First.Profit && pair.Second.GainOfOneMore < pair.First.GainOfOneMore));
        Assert.Equal(lossTimesSquare, (1 - counts[7].ShareOfOptimum) * 64, 0.05 * lossTimesSquare);
        Assert.Equal(MenuSolver.Solve(Uniform(new ExponentialAnswerTime(meanSeconds)) with { TypeCount = 500 }, new(3)).Profit, counts[2].Profit, 1e-15);
    }

    private static Market Uniform(AnswerTime answerTime) => new(new UniformUrgency(0, 1), answerTime, 20, 1, 0);
}
