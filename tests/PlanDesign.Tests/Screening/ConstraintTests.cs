using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Reports;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

public sealed class ConstraintTests
{
    [Fact]
    public void Rules_on_caps_give_the_best_of_the_menus_that_keep_them() =>
        Gen.Select(OracleTests.Small(typesMax: 4, capsMax: 6), Gen.Int[1, 6], Gen.Int[1, 6], Gen.Int[1, 63], Gen.Bool, Gen.Int[1, 3]).Sample((problem, min, max, list, all, plans) =>
        {
            var allowed = Enumerable.Range(1, problem.Caps).Where(m => m >= min && m <= max && (list >> (m - 1) & 1) == 1).ToHashSet();
            var rules = new MenuConstraints
            {
                CapTokensMin = min, CapTokensMax = max, NobodyExcluded = all, AllowedCapTokens = [.. Enumerable.Range(1, 6).Where(m => (list >> (m - 1) & 1) == 1)],
            };
            foreach (int? plansMax in new int?[] { null, plans })
            {
                var solution = MenuSolver.Solve(problem.Market, new(plansMax) { Constraints = rules });
                if (allowed.Count == 0)
                {
                    Assert.Equal(min > max || min > problem.Caps ? "constraints.capTokensMin" : "constraints.allowedCapTokens", solution.Fault!.Field);
                    continue;
                }
                var best = problem.Assignments().Where(a => a.All(c => c == 0 ? !all : allowed.Contains(c))
                    && a.Where(c => c > 0).Distinct().Count() <= (plansMax ?? 99)).Max(problem.Profit);
                Assert.True(solution.IsUsable, solution.ExitReason.ToString());
                Assert.Equal(best, solution.Profit, 1e-10 * problem.Value);
                Assert.Equal(best, solution.Certificate.UpperBound, 1e-9 * problem.Value);
            }
        }, iter: 200);

    [Fact]
    public void A_free_tier_is_the_best_menu_of_longer_caps_less_what_the_most_urgent_keep() =>
        Gen.Select(OracleTests.Small(typesMax: 4, capsMax: 6), Gen.Int[1, 6], Gen.Int[1, 3]).Where((p, m, _) => m <= p.Caps).Sample((problem, free, plans) =>
        {
            foreach (int? plansMax in new int?[] { null, plans })
            {
                var solution = MenuSolver.Solve(problem.Market, new(plansMax) { Constraints = new() { FreeTierCapTokens = free } });
                var kept = problem.V(problem.Rates.Length - 1, free);
                var best = problem.Assignments().Where(a => a.All(c => c >= free)
                    && a.Where(c => c > free).Distinct().Count() <= (plansMax ?? 99)).Max(a => problem.Profit(a) - kept);
                Assert.Equal(ExitReason.Optimal, solution.ExitReason);
                Assert.Equal(best, solution.Profit, 1e-10 * problem.Value);
                var tier = solution.Tiers.Single(t => t.CapTokens == free);
                Assert.Equal(0, tier.PricePerConversation);
                Assert.Equal(1, solution.Tiers.Sum(t => t.Share), 1e-9);
            }
        }, iter: 200);

    [Fact]
    public void Nothing_shorter_than_the_free_tier_is_sold_even_where_that_would_earn_more()
    {
        // Who is cut off keeps 0.3 of an answer's worth, discounted as at the cap: to the urgent type one token is worth 0.025, and three hardly anything.
        var problem = new NaiveScreening([0.17, 2.6], [0.5, 0.5], [0.05, 0.15, 0.8], 1, 1, 0.05) { ValueAtCap = 0.3 };
        var (free, sold) = (problem.V(1, 3), problem.V(1, 1));
        Assert.True(sold > free + 0.019);
        // So one token sold to her at what it is worth beyond the free three, and it costs less to generate, would earn more than giving three away to both.
        Assert.True(0.5 * (sold - free - problem.C(1)) - 0.5 * problem.C(3) > -problem.C(3) + 0.04);
        foreach (var units in new[] { null, new MinorUnits(0.01, 20) })
        {
            var menu = MenuSolver.Solve(problem.Market, new(null, units) { Constraints = new() { FreeTierCapTokens = 3 } });
            Assert.Equal(ExitReason.Optimal, menu.ExitReason);
            var tier = Assert.Single(menu.Tiers);
            Assert.Equal((3, 0, 1), (tier.CapTokens, tier.PricePerConversation, tier.Share));
            Assert.Equal(-0.1375, menu.Profit, 1e-12);
        }
        foreach (var longest in new[] { 1, 2 })
            Assert.All(MenuSolver.Solve(problem.Market, new() { Constraints = new() { FreeTierCapTokens = longest } }).Tiers, t => Assert.True(t.PricePerConversation == 0 ? t.CapTokens == longest : t.CapTokens > longest));
    }

    [Theory]
    [InlineData(5, 1, 0.089957600), InlineData(5, 2, 0.051678241), InlineData(5, 5, 0.016141368)]
    [InlineData(14.7, 1, 0.054494191), InlineData(14.7, 2, 0.038766179), InlineData(14.7, 5, 0.020382544)]
    public void A_free_tier_leaves_the_revenue_that_its_closed_form_says(double meanSeconds, int seconds, double revenue)
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(meanSeconds), 20, 1, 0) { TypeCount = 500 };
        var solution = MenuSolver.Solve(market, new() { Constraints = new() { FreeTierCapTokens = 20 * seconds } });
        Assert.InRange(revenue, solution.Profit, solution.Certificate.DensityUpperBound);
        Assert.Equal(revenue, solution.Profit, 2e-5);
    }

    [Fact]
    public void Rules_on_prices_give_the_best_of_all_menus_in_whole_units_that_keep_them() =>
        Gen.Select(OracleTests.Small(typesMax: 3, capsMax: 3), Gen.Int[1, 9], Gen.Int[0, 3], Gen.Double[1, 4], Gen.Int[0, 7], Gen.Bool, Gen.Int[1, 4]).Sample((problem, max, min, ratio, which, all, plans) =>
        {
            var unit = problem.Value / 12;
            var rules = new MenuConstraints
            {
                PriceMax = (which & 1) != 0 ? max * unit : null, PriceMin = (which & 2) != 0 ? min * unit : null, PriceRatioMax = (which & 4) != 0 ? ratio : null,
                NobodyExcluded = all,
            };
            if (!rules.OnPrices) return;
            var solution = MenuSolver.Solve(problem.Market, new(plans > 3 ? null : plans, new(unit, 1)) { Constraints = rules });
            var best = Menus(problem.Caps, 12).Where(m => m.Count(p => p is not null) <= plans && m.All(p => p is null || Keeps(p.Value, m))).Select(Earned).Max();
            if (rules.PriceMin > rules.PriceMax) Assert.Equal("constraints.priceMin", solution.Fault!.Field);
            else if (double.IsNegativeInfinity(best)) Assert.Equal("constraints.nobodyExcluded", solution.Fault!.Field);
            else
            {
                Assert.Equal(best, solution.Profit, 1e-9 * problem.Value);
                Assert.Equal(best, solution.Rounding!.UpperBound!.Value, 1e-9 * problem.Value);
                Assert.NotEqual(ExitReason.WithinBound, solution.ExitReason);
            }

            bool Keeps(int price, int?[] menu) =>
                (rules.PriceMax is null || price <= max) && (rules.PriceMin is null || price >= min)
                && (rules.PriceRatioMax is null || (price > 0 && price <= ratio * menu.Min()!.Value + 1e-9));

            double Earned(int?[] menu)
            {
                var (profit, bought) = (0.0, new HashSet<int>());
                for (var i = 0; i < problem.Rates.Length; i++)
                {
                    var (cap, surplus) = (0, 0.0);
                    for (var m = 1; m <= menu.Length; m++)
                        if (menu[m - 1] is { } p && problem.V(i, m) - p * unit >= surplus - 1e-12 * problem.Value) (cap, surplus) = (m, problem.V(i, m) - p * unit);
                    if (cap == 0 && all) return double.NegativeInfinity;
                    if (cap > 0) profit += problem.Weights[i] * (menu[cap - 1]!.Value * unit - problem.C(cap));
                    bought.Add(cap);
                }
                // A plan that nobody takes is not a plan, and rules do not ask about it.
                return profit;
            }
        }, iter: 150);

    [Fact]
    public void Rules_with_minor_units_are_kept_and_prices_are_whole()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0.0005) { TypeCount = 60, CapTokensMax = 200 };
        var rules = new MenuConstraints { AllowedCapTokens = [20, 40, 80, 160], NobodyExcluded = true, PriceMax = 0.3 };
        var solution = MenuSolver.Solve(market, new(null, new(0.01, 1)) { Constraints = rules });
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.All(solution.Tiers, t => Assert.Contains(t.CapTokens, rules.AllowedCapTokens));
        Assert.All(solution.Tiers, t => Assert.InRange(t.PricePerConversation, 0, 0.3 + 1e-12));
        Assert.Equal(1, solution.Tiers.Sum(t => t.Share), 1e-9);
        var free = MenuSolver.Solve(market, new(2, new(0.01, 1)) { Constraints = new() { FreeTierCapTokens = 30, CapTokensMin = 50 } });
        Assert.Equal(0, free.Tiers[^1].PriceMinorUnitsPerPeriod);
        Assert.Equal(30, free.Tiers[^1].CapTokens);
        Assert.InRange(free.Tiers.Count, 2, 3);
        Assert.True(free.Profit <= MenuSolver.Solve(market, new(2) { Constraints = new() { FreeTierCapTokens = 30, CapTokensMin = 50 } }).Certificate.DensityUpperBound);
    }

    [Fact]
    public void Each_rule_has_a_price_and_brings_customers_or_drives_them_away()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0.002) { TypeCount = 100 };
        var options = new SolveOptions { Constraints = new() { NobodyExcluded = true, AllowedCapTokens = [1, 60] } };
        var solution = MenuSolver.Solve(market, options);
        var costs = ConstraintCosts.Of(market, options, solution);
        Assert.Equal(["allowedCapTokens", "nobodyExcluded", "all"], costs.Select(c => c.Constraint));
        Assert.All(costs, c => Assert.True(c.ProfitCost >= 0));
        Assert.True(costs[2].ProfitCost >= costs[0].ProfitCost && costs[2].ProfitCost >= costs[1].ProfitCost);
        Assert.Equal(MenuSolver.Solve(market, new()).Profit - solution.Profit, costs[2].ProfitCost!.Value, 1e-15);
        Assert.True(costs[1].ShareServedGain >= 0);
    }

    [Fact]
    public void What_a_rule_brings_in_is_customers_also_where_some_have_more_conversations_than_others()
    {
        // The worked menu of the README, sold to customers with 100, 10 and 1 conversations: 30, 5 and 0.2 of 35.2 are theirs. Alone the patient buy.
        var customers = new Market(new DiscreteUrgency([Math.Log(10 / 9.0), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2);
        var market = Conversations.OfTypes([100, 10, 1]).OfConversations(customers);
        var options = new SolveOptions { Constraints = new() { NobodyExcluded = true } };
        var cost = ConstraintCosts.Of(market, options, MenuSolver.Solve(market, options)).Single(c => c.Constraint == "nobodyExcluded");
        Assert.Equal(0.7, cost.ShareServedGain!.Value, 1e-12);
        Assert.Equal(5.2 / 35.2, cost.ConversationsServedGain!.Value, 1e-12);

        // Where all have as many, conversations are customers: the urgent fifth is won.
        var same = ConstraintCosts.Of(customers, options, MenuSolver.Solve(customers, options)).Single(c => c.Constraint == "nobodyExcluded");
        Assert.Equal(0.2, same.ShareServedGain!.Value, 1e-12);
        Assert.Null(same.ConversationsServedGain);
    }

    [Fact]
    public void A_tariff_says_how_many_customers_it_serves_beside_how_many_conversations()
    {
        var customers = new Market(new DiscreteUrgency([Math.Log(10 / 9.0), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2);
        var market = Conversations.OfTypes([100, 10, 1]).OfConversations(customers);
        var tariffs = TariffReport.All(TariffComparison.Of(market, MenuSolver.Solve(market, new()), [new(1, 1)])).ToDictionary(t => t.Kind, t => (t.ShareServed, t.ShareOfCustomersServed));
        Assert.Equal(30 / 35.2, tariffs["menu"].ShareServed, 1e-12);
        Assert.Equal(0.3, tariffs["menu"].ShareOfCustomersServed!.Value, 1e-12);
        // The plan on sale is worth 4 to the urgent and costs 1: everybody buys it.
        Assert.Equal(1, tariffs["runningMenu"].ShareServed, 1e-12);
        Assert.Equal(1, tariffs["runningMenu"].ShareOfCustomersServed!.Value, 1e-12);
        Assert.All(TariffReport.All(TariffComparison.Of(customers, MenuSolver.Solve(customers, new()))), t => Assert.Null(t.ShareOfCustomersServed));
    }

    [Fact]
    public void A_rule_without_which_there_is_no_menu_has_no_price_instead_of_a_false_one()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 30, CapTokensMax = 100 };
        var options = new SolveOptions { Constraints = new() { FreeTierCapTokens = 10, AllowedCapTokens = [10], CapTokensMin = 50 } };
        var costs = ConstraintCosts.Of(market, options, MenuSolver.Solve(market, options)).ToDictionary(c => c.Constraint);
        Assert.Null(costs["freeTierCapTokens"].ProfitCost);
        Assert.Contains("has no cap from 50 to 100 tokens", costs["freeTierCapTokens"].Unknown, StringComparison.Ordinal);
        Assert.True(costs["all"].ProfitCost > 0 && costs["all"].Unknown is null);
    }

    [Fact]
    public void A_price_floor_that_nobody_meets_is_named_and_not_the_unit()
    {
        var market = new Market(new DiscreteUrgency([0.1, 0.5], [0.5, 0.5]), new DiscreteAnswerTime([0.5, 0.5]), 1, 1, 0.01);
        var solution = MenuSolver.Solve(market, new(null, new(0.01, 1)) { Constraints = new() { PriceMin = 5 } });
        Assert.Equal(ExitReason.NotWorthServing, solution.ExitReason);
        Assert.Contains("rules on prices", Assert.Single(solution.Notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nobodyExcluded"), InlineData("freeTierCapTokens"), InlineData("priceMax"), InlineData("priceRatioMax"), InlineData("capTokensMin")]
    public void A_rule_that_cannot_be_kept_is_named(string field)
    {
        var market = new Market(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 30, CapTokensMax = 100 };
        MenuConstraints rules = field switch
        {
            "nobodyExcluded" => new() { NobodyExcluded = true },
            "freeTierCapTokens" => new() { FreeTierCapTokens = 101 },
            "priceMax" => new() { PriceMax = 1 },
            "priceRatioMax" => new() { PriceRatioMax = 0.5 },
            _ => new() { CapTokensMin = 0 },
        };
        Assert.Equal($"constraints.{field}", MenuSolver.Solve(market, new() { Constraints = rules }).Fault!.Field);
    }

    [Fact]
    public void A_free_tier_keeps_the_rules_on_caps_too_but_may_be_shorter_than_what_is_sold()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 30, CapTokensMax = 400 };
        InputFault? Fault(MenuConstraints rules) => MenuSolver.Solve(market, new() { Constraints = rules }).Fault;
        Assert.Equal(new("constraints.freeTierCapTokens", "is 100, above capTokensMax 50"), Fault(new() { FreeTierCapTokens = 100, CapTokensMax = 50 }));
        Assert.Equal(new("constraints.freeTierCapTokens", "is 77, which is none of allowedCapTokens"), Fault(new() { FreeTierCapTokens = 77, AllowedCapTokens = [50, 400] }));
        Assert.Null(Fault(new() { FreeTierCapTokens = 50, AllowedCapTokens = [50, 400] }));
        Assert.Null(Fault(new() { FreeTierCapTokens = 50, CapTokensMin = 100 }));
    }

    [Fact]
    public void Rules_that_contradict_each_other_or_the_market_name_the_one_at_fault()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 30, CapTokensMax = 400 };
        InputFault? Fault(MenuConstraints rules) => MenuSolver.Solve(market, new(null, new(0.01, 1)) { Constraints = rules }).Fault;
        Assert.Equal(new("constraints.priceMin", "is 0.5, above priceMax 0.1"), Fault(new() { PriceMin = 0.5, PriceMax = 0.1 }));
        Assert.Equal(new("constraints.capTokensMin", "is 300, above capTokensMax 200"), Fault(new() { CapTokensMin = 300, CapTokensMax = 200 }));
        Assert.Equal(new("constraints.capTokensMin", "is 500, above the largest cap of this market, 400 tokens"), Fault(new() { CapTokensMin = 500 }));
        Assert.Equal(new("constraints.allowedCapTokens", "has no cap from 1 to 400 tokens, the largest of this market"), Fault(new() { AllowedCapTokens = [500] }));
        Assert.Equal(new("constraints.allowedCapTokens", "has no cap from 60 to 90 tokens, capTokensMax"), Fault(new() { AllowedCapTokens = [50, 100], CapTokensMin = 60, CapTokensMax = 90 }));
    }

    [Fact]
    public void A_listed_cap_that_the_market_does_not_have_is_named_and_the_others_are_tried()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 30, CapTokensMax = 400 };
        var solution = MenuSolver.Solve(market, new() { Constraints = new() { AllowedCapTokens = [100, 99_999] } });
        Assert.Equal([100], solution.Tiers.Select(t => t.CapTokens));
        Assert.Contains("constraints.allowedCapTokens: 99999 is above the largest cap of this market, 400 tokens, and not tried", solution.Notices);
    }

    /// <summary>Every price from 0 to so many units, or none, at every cap.</summary>
    private static IEnumerable<int?[]> Menus(int caps, int unitsMax) =>
        caps == 0 ? [[]] : Menus(caps - 1, unitsMax).SelectMany(m => Enumerable.Range(-1, unitsMax + 2).Select(p => (int?[])[.. m, p < 0 ? null : p]));
}
