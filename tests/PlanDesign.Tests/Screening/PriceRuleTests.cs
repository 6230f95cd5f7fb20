using System.Text.Json;
using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;
using PlanDesign.Screening.Rounding;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>Rules on prices at the fees of real invoices: an answer worth 2 dollars, 20 conversations a month, so that a fee is up to 4,000 cents.</summary>
public sealed class PriceRuleTests
{
    private static readonly MinorUnits Cents = new(0.01, 20);

    private static Market Real(int types = 400) => new(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 20, 2, 0.0005) { TypeCount = types };

    public static TheoryData<double?, double?, double?, int?> Rules => new()
    {
        { 0.5, null, null, null }, { null, null, 2, null }, { null, null, 1.5, 3 }, { 0.8, 0.2, 3, null }, { null, 0.4, null, 2 }, { 1.1, null, 4, 2 },
    };

    [Theory, MemberData(nameof(Rules))]
    public void A_menu_of_a_few_caps_is_the_best_that_keeps_the_rules(double? max, double? min, double? ratio, int? plans)
    {
        var rules = new MenuConstraints { AllowedCapTokens = [100, 300, 700, 1500], PriceMax = max, PriceMin = min, PriceRatioMax = ratio };
        var solution = MenuSolver.Solve(Real(), new(plans, Cents) { Constraints = rules });
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        AssertKept(solution, rules);
        Assert.True(solution.Rounding!.UpperBound <= solution.Certificate.DensityUpperBound + 1e-9);
        // A market with a density is judged where customers really stop buying, a little above what its types pay.
        Assert.Equal(solution.Rounding.UpperBoundAtTypes!.Value, solution.Profit, 2e-3 * solution.Profit);
        Assert.True(solution.Profit <= solution.Rounding.UpperBound);
        var free = MenuSolver.Solve(Real(), new(plans, Cents) { Constraints = new() { AllowedCapTokens = rules.AllowedCapTokens } });
        Assert.True(free.Profit >= solution.Profit - 1e-3);
    }

    [Theory, MemberData(nameof(Rules))]
    public void A_menu_of_any_caps_is_the_best_or_within_a_bound_that_is_stated(double? max, double? min, double? ratio, int? plans)
    {
        var rules = new MenuConstraints { PriceMax = max, PriceMin = min, PriceRatioMax = ratio };
        var solution = MenuSolver.Solve(Real(100) with { CapTokensMax = 900 }, new(plans, Cents) { Constraints = rules });
        Assert.Contains(solution.ExitReason, new[] { ExitReason.Optimal, ExitReason.WithinBound });
        AssertKept(solution, rules);
        var bound = solution.Rounding!.UpperBoundAtTypes!.Value;
        Assert.True(solution.Profit <= solution.Rounding.UpperBound);
        Assert.InRange(bound, 0.998 * solution.Profit, 1.001 * solution.Profit);
        if (solution.ExitReason == ExitReason.WithinBound)
            Assert.Contains(solution.Notices, n => n.Contains(solution.Rounding.SearchEnded ? "this is the best, if the search is right" : "too many menus", StringComparison.Ordinal));
        var few = MenuSolver.Solve(Real(100) with { CapTokensMax = 900 }, new(plans, Cents) { Constraints = rules with { AllowedCapTokens = [50, 200, 500, 900] } });
        Assert.True(solution.Profit >= few.Profit);
        Assert.True(bound >= few.Rounding!.UpperBoundAtTypes - 1e-9);
    }

    [Fact]
    public void What_a_rule_on_prices_costs_is_only_about_that_where_a_menu_is_not_proved_best()
    {
        var market = Real(60) with { CapTokensMax = 600 };
        var options = new SolveOptions(3, Cents) { Constraints = new() { AllowedCapTokens = [100, 300, 600], PriceMax = 0.5 } };
        var solution = MenuSolver.Solve(market, options);
        var costs = ConstraintCosts.Of(market, options, solution);
        Assert.Equal(["allowedCapTokens", "priceMax", "all"], costs.Select(c => c.Constraint));
        Assert.All(costs, c => Assert.True(c is { Unknown: null, IsAbout: true } && c.ProfitCost >= -1e-3 * solution.Profit));
        Assert.Equal(JsonNamingPolicy.CamelCase.ConvertName(solution.ExitReason.ToString()), costs[0].ExitReasonWith);
        Assert.Equal(costs[1].ExitReasonWithout, JsonNamingPolicy.CamelCase.ConvertName(MenuSolver.Solve(market, options with { Constraints = new() { AllowedCapTokens = [100, 300, 600] } }).ExitReason.ToString()));
    }

    [Fact]
    public void Between_two_menus_that_are_proved_best_a_rule_costs_what_they_differ_by_and_never_less_than_nothing()
    {
        var market = new Market(new DiscreteUrgency([-Math.Log(0.9), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 4, 0.2);
        var options = new SolveOptions(3, Cents) { Constraints = new() { PriceMax = 2, CapTokensMin = 2 } };
        var costs = ConstraintCosts.Of(market, options, MenuSolver.Solve(market, options));
        Assert.All(costs, c => Assert.True(c is { IsAbout: false, ExitReasonWith: "optimal", ExitReasonWithout: "optimal" } && c.ProfitCost >= -1e-9 * market.ValuePerAnswer));
    }

    [Fact]
    public void A_menu_that_is_not_proved_best_makes_every_cost_of_a_rule_about_that()
    {
        // Fees of up to 12,000 cents are more than separate code can try again.
        var market = new Market(new DiscreteUrgency([0.01, 0.2, 0.8], [0.5, 0.3, 0.2]), new ExponentialAnswerTime(5), 5, 10, 0.01) { CapTokensMax = 60 };
        var options = new SolveOptions(null, Cents) { Constraints = new() { PriceMax = 6 } };
        var solution = MenuSolver.Solve(market, options);
        Assert.Equal(ExitReason.WithinBound, solution.ExitReason);
        Assert.All(ConstraintCosts.Of(market, options, solution), c => Assert.True(c is { IsAbout: true, ExitReasonWith: "withinBound", ExitReasonWithout: "optimal" }));
    }

    [Fact]
    public void Any_price_of_the_budget_bounds_every_menu_and_no_price_is_exact_without_rules() =>
        Check.Sample(OracleTests.Small(typesMax: 6, capsMax: 8), problem =>
        {
            var (unit, caps) = (problem.Value / 40, Enumerable.Range(0, problem.Caps + 1).ToArray());
            var checker = new CheckerTables(problem.Market, problem.Caps);
            foreach (int? plans in new int?[] { null, 2 })
            {
                var rounded = MenuSolver.Solve(problem.Market, new(plans, new(unit, 1)));
                Assert.Equal(rounded.Profit, new WholeUnitBound(checker, caps, unit, plans, PriceRules.None, false).At(0, null, default), 1e-9 * problem.Value);
                var kept = MenuSolver.Solve(problem.Market, new(plans, new(unit, 1)) { Constraints = new() { PriceMax = problem.Value / 3, PriceRatioMax = 2 } });
                var bound = new WholeUnitBound(checker, caps, unit, plans, PriceRules.Of(new() { PriceMax = problem.Value / 3, PriceRatioMax = 2 }, unit), false);
                foreach (var part in new[] { 0, 0.2, 0.5, 0.9 }) Assert.True(bound.At(part * unit, null, default) >= kept.Profit - 1e-9 * problem.Value);
            }
        }, iter: 60);

    [Fact]
    public void Trying_every_price_with_every_budget_finds_what_the_search_found() =>
        Gen.Select(OracleTests.Small(typesMax: 8, capsMax: 12), Gen.Int[0, 1_000_000]).Sample((problem, seed) =>
        {
            var random = new Random(seed);
            var units = new MinorUnits(problem.Value / random.Next(10, 200), 1);
            var rules = new MenuConstraints
            {
                PriceMax = random.Next(2) == 0 ? problem.Value * random.NextDouble() : null, PriceMin = random.Next(3) == 0 ? units.Unit * random.Next(1, 5) : null,
                PriceRatioMax = random.Next(2) == 0 ? 1 + 3 * random.NextDouble() : null, NobodyExcluded = random.Next(4) == 0,
            };
            int? plans = random.Next(5) is > 0 and var k ? k : null;
            if (!rules.OnPrices || rules.PriceMin > rules.PriceMax) return;
            var (capRules, tables, checker) = (CapRules.Of(rules, problem.Market.Grid()).Rules!, new MarketTables(problem.Market, problem.Market.Grid()), new CheckerTables(problem.Market, problem.Caps));
            var found = PriceStates.Search(tables, checker, capRules, rules, units, plans, [0], _ => { }, default);
            var best = PricedMenus.Best(checker, capRules.Caps(problem.Caps), units.UnitPerConversation, plans, PriceRules.Of(rules, units.UnitPerConversation), capRules.MustServe, default);
            var (earned, below) = (found.Fault is null ? 0 : double.NegativeInfinity, 0);
            foreach (var step in found.Steps)
            {
                earned += tables.CumulativeWeights[step.CutoffType] * (step.MinorUnitsPerPeriod * units.Unit - (tables.ServingCost[step.CapTokens] - tables.ServingCost[below]));
                below = step.CapTokens;
            }
            Assert.True(found.IsBest);
            Assert.True(best == earned || Math.Abs(best!.Value - earned) <= 1e-9 * problem.Value, $"{best} {earned}");
            Assert.True(found.UpperBound >= earned - 1e-9 * problem.Value);
        }, iter: 300);

    [Fact]
    public void What_only_the_search_says_is_not_called_optimal()
    {
        var rules = new MenuConstraints { PriceMax = 0.5 };
        var solution = MenuSolver.Solve(Real(60) with { CapTokensMax = 400 }, new(3, Cents) { Constraints = rules });
        Assert.Equal((ExitReason.WithinBound, true), (solution.ExitReason, solution.Rounding!.SearchEnded));
        Assert.True(solution.Rounding.UpperBoundAtTypes > 0.99 * solution.Profit);
        Assert.Contains(solution.Notices, n => n.Contains("if the search is right", StringComparison.Ordinal));
        // The same over four caps is few enough to be tried again.
        var few = MenuSolver.Solve(Real(60) with { CapTokensMax = 400 }, new(3, Cents) { Constraints = rules with { AllowedCapTokens = [50, 100, 200, 400] } });
        Assert.Equal(ExitReason.Optimal, few.ExitReason);
    }

    private static void AssertKept(MenuSolution solution, MenuConstraints rules)
    {
        var prices = solution.Tiers.Select(t => t.PricePerConversation).ToArray();
        Assert.NotEmpty(prices);
        Assert.All(prices, p => Assert.InRange(p, (rules.PriceMin ?? 0) - 1e-12, (rules.PriceMax ?? 1e9) + 1e-12));
        Assert.True(prices.Max() <= (rules.PriceRatioMax ?? 1e9) * prices.Min() + 1e-9);
        Assert.All(solution.Tiers, t => Assert.NotNull(t.PriceMinorUnitsPerPeriod));
        Assert.InRange(solution.Certificate.MaxIncentiveViolation, 0, 1e-9);
    }
}
