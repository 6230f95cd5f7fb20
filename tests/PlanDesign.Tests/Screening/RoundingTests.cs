using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.ReferenceCases;
using PlanDesign.Screening.Rounding;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

public sealed class RoundingTests
{
    [Theory]
    [InlineData("random-irregular-0", 0.4, 14.221527211)]
    [InlineData("random-irregular-0", 0.04, 14.249613645)]
    [InlineData("random-irregular-2", 0.4, 7.251741948)]
    [InlineData("random-irregular-2", 0.04, 7.302869563)]
    [InlineData("exponential-uniform", 0.01, 0.249166667)]
    [InlineData("bimodal-weibull", 0.01, 1.228613762)]
    [InlineData("azure-2023-conversation", 0.001, 0.024090120)]
    [InlineData("single-type", 0.01, 0.6595)]
    public void The_best_menu_in_minor_units_earns_what_was_found_independently(string name, double unit, double profit)
    {
        var solution = MenuSolver.Solve(ReferenceCase.MarketOf(name), new(MinorUnits: new(unit, ConversationsPerPeriod: 1)));
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.Equal(RoundingRoute.AllCaps, solution.Rounding!.Route);
        Assert.Equal(profit, solution.Profit, 9);
    }

    [Fact]
    public void The_unit_is_that_of_the_fee_invoiced_not_of_the_price_per_conversation()
    {
        var market = ReferenceCase.MarketOf("exponential-uniform");
        var solution = MenuSolver.Solve(market, new(3, new(Unit: 0.01, ConversationsPerPeriod: 20)));
        Assert.Equal(MenuSolver.Solve(market, new(3, new(0.0005, 1))).Profit, solution.Profit, 12);
        foreach (var tier in solution.Tiers)
            Assert.Equal(tier.PriceMinorUnitsPerPeriod!.Value, tier.PricePerConversation * 20 / 0.01, 1e-9);
    }

    [Fact]
    public void No_whole_price_earns_more_whatever_the_plans_and_customers_choose_as_they_please() =>
        OracleTests.Small(typesMax: 3, capsMax: 4).Sample(problem =>
        {
            var unit = problem.Value / 7;
            foreach (int? plans in new int?[] { 1, 2, null })
            {
                var solution = MenuSolver.Solve(problem.Market, new(plans, new(unit, 1)));
                Assert.Equal(BestInWholeUnits(problem, unit, plans ?? problem.Caps), solution.Profit, 1e-9 * problem.Value);
            }
        }, iter: 60);

    [Fact]
    public void A_rounded_menu_is_what_customers_choose_and_never_earns_more_than_the_exact_one() =>
        OracleTests.Small(typesMax: 8, capsMax: 20).Sample(problem =>
        {
            foreach (var parts in new[] { 3, 50, 1000 })
            {
                var solution = MenuSolver.Solve(problem.Market, new(3, new(problem.Value / parts, 1)));
                Assert.True(solution.IsUsable);
                Assert.InRange(solution.Profit, 0, solution.Rounding!.ProfitAtExactPrices + 1e-9 * problem.Value);
                Assert.InRange(solution.Certificate.MaxIncentiveViolation, 0, 1e-9 * problem.Value);
                Assert.InRange(solution.Certificate.MaxParticipationViolation, 0, 1e-9 * problem.Value);
                Assert.True(solution.Tiers.Count <= 3);
            }
        }, iter: 60);

    [Fact]
    public void The_caps_of_the_exact_menu_and_some_between_are_tried_where_all_are_too_many()
    {
        Assert.True(CutoffPath.CanSearch(1000, 1000, 3));
        Assert.False(CutoffPath.CanSearch(1000, 4096, 3));
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 1000, 1, 0.0) { TypeCount = 40, CapTokensMax = 20_000 };
        var solution = MenuSolver.Solve(market, new(3, new(0.01, 20)));
        Assert.Equal(ExitReason.RoundedOnMenuCaps, solution.ExitReason);
        Assert.Equal(RoundingRoute.MenuCaps, solution.Rounding!.Route);
        Assert.Contains("too large", Assert.Single(solution.Notices));
        Assert.InRange(solution.Profit, 0.99 * solution.Rounding.ProfitAtExactPrices, solution.Certificate.UpperBound);
    }

    [Fact]
    public void The_caps_that_are_tried_are_thinned_where_even_the_menu_has_too_many()
    {
        int[] caps = [.. Enumerable.Range(1, 9_000).Reverse()];
        var tried = CutoffPath.CapsToSearch([.. Enumerable.Range(0, 9_001)], [0, .. caps], caps.Length, null);
        Assert.Equal((0, 9_000), (tried[0], tried[^1]));
        Assert.True(CutoffPath.CanSearch(caps.Length, tried.Length, null));
        Assert.InRange(tried.Length, 500, 1000);
    }

    /// <summary>With all caps of the exact menu nothing is lost against flooring its steps; with every second of them it may be.</summary>
    [Fact]
    public void No_cap_of_the_exact_menu_is_left_out_for_the_sake_of_others_between()
    {
        int[] ofMenu = [0, .. Enumerable.Range(0, 1_900).Select(n => 3 * n + 1)];
        var tried = CutoffPath.CapsToSearch([.. Enumerable.Range(0, 9_001)], ofMenu, 2_000, null);
        Assert.Empty(ofMenu.Except(tried));
        Assert.Equal(9_000, tried[^1]);
        Assert.True(CutoffPath.CanSearch(2_000, tried.Length - 1, null));
        Assert.InRange(tried.Length, 1_930, 2_001);
    }

    /// <summary>
    /// Nobody gains from more than 100 tokens at exact prices, and those 100 are worth less than one unit, to the urgent less than they cost; but the unit is worth
    /// charging for 188. On a market small enough to try every cap that is found and proved.
    /// </summary>
    [Fact]
    public void Where_no_cap_of_the_exact_menu_is_worth_a_unit_a_longer_one_is_found()
    {
        var (few, many) = (MenuSolver.Solve(WorthAUnitLater(50), new(MinorUnits: new(0.01, 1))), MenuSolver.Solve(WorthAUnitLater(10_000), new(MinorUnits: new(0.01, 1))));
        Assert.Equal((ExitReason.Optimal, 188), (few.ExitReason, Assert.Single(few.Tiers).CapTokens));
        Assert.Equal(ExitReason.RoundedOnMenuCaps, many.ExitReason);
        Assert.InRange(many.Profit, 0.99 * few.Profit, few.Profit);
    }

    [Fact]
    public void That_none_of_some_caps_earns_anything_is_no_proof_that_none_does()
    {
        var solution = MenuSolver.Solve(WorthAUnitLater(10_000, capTokensMax: 2_000, valuePerAnswer: 0.0099), new(3, new(0.01, 1)));
        Assert.Empty(solution.Tiers);
        Assert.Equal(ExitReason.RoundedOnMenuCaps, solution.ExitReason);
        Assert.Contains(solution.Notices, n => n.Contains("none of the caps that were tried earns anything in this one, and another may", StringComparison.Ordinal));
    }

    private static Market WorthAUnitLater(int types, int capTokensMax = 1_000, double valuePerAnswer = 0.02) => new(
        new DiscreteUrgency([.. Enumerable.Range(0, types).Select(i => 1e-4 + 1e-5 * i / types)], [.. Enumerable.Repeat(1.0 / types, types)]),
        new PiecewiseHazardAnswerTime([100], [0.0064435701639051325, 0.0006217953199282473]), 1, valuePerAnswer, 1.616667831813443e-05) { CapTokensMax = capTokensMax };

    [Fact]
    public void A_density_is_judged_by_its_cutoffs_so_every_buyer_is_counted_where_she_really_stops_buying()
    {
        var market = new Market(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 20, 1, 0.001) { TypeCount = 60 };
        var solution = MenuSolver.Solve(market, new(3, new(0.01, 1)));
        PlanOffer[] offers = [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
        const int customers = 20_000;
        var bought = Enumerable.Range(0, customers)
            .Select(n => BestResponse.Of(market, market.Urgency.Quantile((n + 0.5) / customers), offers).PlanIndex)
            .Where(p => p is not null).Select(p => solution.Tiers[p!.Value]).ToArray();
        Assert.Equal(solution.Revenue, bought.Sum(t => t.PricePerConversation) / customers, 2e-4 * solution.Revenue);
        Assert.Equal(solution.ServingCost, bought.Sum(t => t.ServingCostPerConversation) / customers, 2e-4 * solution.ServingCost);
        Assert.Equal(solution.Tiers.Skip(1).Select(t => t.UrgencyFromPerSecond), solution.Tiers.SkipLast(1).Select(t => t.UrgencyToPerSecond));
        Assert.True(solution.Profit <= solution.Certificate.DensityUpperBound);
    }

    [Fact]
    public void In_a_density_the_bound_in_minor_units_is_that_of_the_market_and_not_of_its_types()
    {
        Market Of(int count) => new(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 5, 1, 0.001) { TypeCount = count, CapTokensMax = 300 };
        SolveOptions cents = new(3, new(0.01, 1));
        var (solution, finer) = (MenuSolver.Solve(Of(30), cents), MenuSolver.Solve(Of(400), cents));
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        // Customers between the types pay more than the types do, and a finer search finds a better menu.
        Assert.True(solution.Rounding!.UpperBoundAtTypes < solution.Profit);
        Assert.True(finer.Profit > solution.Profit && finer.Profit <= solution.Rounding.UpperBound);
        Assert.InRange(solution.Rounding.UpperBound!.Value, solution.Profit, solution.Certificate.DensityUpperBound);
        Assert.Contains(solution.Notices, n => n.StartsWith($"urgency is continuous and the best menu in this unit was searched for at {Of(30).Grid().Types.Count} types", StringComparison.Ordinal));
    }

    /// <summary>Half of the customers may be almost infinitely more patient than the urgent end of their interval, and would then pay twice as much.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(6.0)]
    public void Where_urgency_is_known_by_intervals_the_bound_in_minor_units_is_that_of_their_patient_ends(double? priceMax)
    {
        Market Of(UrgencyModel urgency) => new(urgency, new ExponentialAnswerTime(5), 5, 10, 0.01) { CapTokensMax = 60 };
        var options = new SolveOptions(null, new(0.01, 1)) { Constraints = priceMax is { } max ? new() { PriceMax = max } : null };
        var solution = MenuSolver.Solve(Of(new EmpiricalUrgency([0.01, 0.2, 0.8], [0.2, 0.8, double.PositiveInfinity], [0.5, 0.3, 0.2])), options);
        var patient = MenuSolver.Solve(Of(new DiscreteUrgency([0.01, 0.2, 0.8], [0.5, 0.3, 0.2])), options);
        Assert.Equal(ExitReason.Optimal, patient.ExitReason);
        Assert.InRange(patient.Profit, 1.5 * solution.Profit, solution.Rounding!.UpperBound!.Value + 1e-9);
        Assert.Equal(solution.Profit, solution.Rounding.UpperBoundAtTypes!.Value, 1e-2);
        Assert.Contains(solution.Notices, n => n.StartsWith("urgency is known by intervals only", StringComparison.Ordinal));
    }

    [Fact]
    public void A_unit_above_every_value_leaves_nothing_to_sell_and_says_so()
    {
        var solution = MenuSolver.Solve(ReferenceCase.MarketOf("single-type"), new(MinorUnits: new(1, 1)));
        Assert.Equal(ExitReason.NotWorthServing, solution.ExitReason);
        Assert.Equal(0, solution.Profit);
        Assert.Contains("smaller unit", Assert.Single(solution.Notices));
    }

    /// <summary>
    /// Every set of caps and every whole price for each; customers indifferent by a hair take what earns the seller most.
    /// </summary>
    private static double BestInWholeUnits(NaiveScreening problem, double unit, int plansMax)
    {
        var best = 0.0;
        void Try(int cap, List<(int Cap, double Price)> menu)
        {
            best = Math.Max(best, Earned(menu));
            if (menu.Count == plansMax) return;
            for (var next = cap; next <= problem.Caps; next++)
                for (var units = 0; units * unit <= problem.V(0, next) + 1e-9 * problem.Value; units++)
                    Try(next + 1, [.. menu, (next, units * unit)]);
        }

        double Earned(List<(int Cap, double Price)> menu)
        {
            var sum = 0.0;
            for (var i = 0; i < problem.Rates.Length; i++)
            {
                var choices = menu.Select(p => (Surplus: problem.V(i, p.Cap) - p.Price, Profit: p.Price - problem.C(p.Cap))).Append((Surplus: 0, Profit: 0)).ToArray();
                var top = choices.Max(c => c.Surplus);
                sum += problem.Weights[i] * choices.Where(c => c.Surplus >= top - 1e-9 * problem.Value).Max(c => c.Profit);
            }
            return sum;
        }

        Try(1, []);
        return best;
    }
}
