using CsCheck;
using PlanDesign.Screening.Certificates;

namespace PlanDesign.Screening;

public sealed class OracleTests
{
    [Fact]
    public void Enumerating_every_menu_finds_nothing_better_and_nothing_else() => Small(typesMax: 4, capsMax: 6).Sample(problem =>
    {
        for (var plans = 1; plans <= 4; plans++) Agree(problem.BestByEnumeration(plans), MenuSolver.Solve(problem.Market, new(plans)), problem.Value);
        Agree(problem.BestByEnumeration(int.MaxValue), MenuSolver.Solve(problem.Market, new()), problem.Value);
    }, iter: 150);

    [Fact]
    public void Trying_every_predecessor_gives_the_same_optimum() => Small(typesMax: 12, capsMax: 30).Sample(problem =>
        Agree(problem.BestByPlainRecursion(), MenuSolver.Solve(problem.Market, new()), problem.Value), iter: 300);

    [Fact]
    public void Caps_enough_for_whole_vectors_and_a_rest_change_nothing() => Gen.Select(Small(typesMax: 6, capsMax: 260), Gen.Int[1, 4]).Sample((problem, plans) =>
    {
        Agree(problem.BestByPlainRecursion(), MenuSolver.Solve(problem.Market, new()), problem.Value);
        Agree(problem.BestByPlainRecursion(plans), MenuSolver.Solve(problem.Market, new(plans)), problem.Value);
    }, iter: 100);

    [Fact]
    public void What_the_menu_earns_by_its_prices_is_what_the_recursion_of_prices_says() => Small(typesMax: 12, capsMax: 30).Sample(problem =>
    {
        var solution = MenuSolver.Solve(problem.Market, new());
        Assert.Equal(problem.Profit(solution.CapTokensByType), solution.Profit, 1e-10 * problem.Value);
    }, iter: 100);

    [Fact]
    public void No_type_prefers_another_plan_or_none() => Small(typesMax: 10, capsMax: 20).Sample(problem =>
    {
        var solution = MenuSolver.Solve(problem.Market, new(3));
        for (var i = 0; i < problem.Rates.Length; i++)
        {
            var own = problem.V(i, solution.CapTokensByType[i]) - solution.PriceByType[i];
            Assert.True(own >= -1e-10 * problem.Value);
            foreach (var tier in solution.Tiers)
                Assert.True(problem.V(i, tier.CapTokens) - tier.PricePerConversation <= own + 1e-10 * problem.Value);
        }
    }, iter: 100);

    [Fact]
    public void More_plans_never_earn_less_and_as_many_as_types_earn_all_there_is() => Small(typesMax: 6, capsMax: 20).Sample(problem =>
    {
        var best = MenuSolver.Solve(problem.Market, new());
        var last = 0.0;
        for (var plans = 1; plans <= problem.Rates.Length; plans++)
        {
            var solution = MenuSolver.Solve(problem.Market, new(plans));
            Assert.True(solution.Profit >= last - 1e-12 * problem.Value);
            Assert.Equal(best.Profit, solution.ProfitWithoutLimit, 1e-12 * problem.Value);
            last = solution.Profit;
        }
        Assert.Equal(best.Profit, last, 1e-12 * problem.Value);
    }, iter: 100);

    [Fact]
    public void Any_potential_however_wrong_still_gives_a_valid_bound() =>
        Gen.Select(Small(typesMax: 6, capsMax: 12), Gen.Double[-2, 2].Array[2000], Gen.Bool).Sample((problem, noise, limited) =>
        {
            int? plans = limited ? Math.Min(2, Math.Min(problem.Rates.Length, problem.Caps)) : null;
            var optimum = MenuSolver.Solve(problem.Market, new(plans));
            var bound = new PotentialBound(new CheckerTables(problem.Market, problem.Caps), plans);
            var n = 0;
            for (var i = 0; i < problem.Rates.Length; i++)
                bound.Take([.. Enumerable.Range(0, (plans ?? 1) * (problem.Caps + 1)).Select(_ => problem.Value * noise[n++ % noise.Length])]);
            Assert.True(bound.Upper >= optimum.Profit - 1e-9 * problem.Value, $"{bound.Upper} < {optimum.Profit}");
        }, iter: 300);

    [Fact]
    public void A_potential_spoiled_in_one_cell_loosens_the_bound_but_never_breaks_it() =>
        Gen.Select(Small(typesMax: 6, capsMax: 12), Gen.Int[0, 1000], Gen.Double[-1, 1]).Sample((problem, where, by) =>
        {
            var (grid, tables) = (problem.Market.Grid(), new CheckerTables(problem.Market, problem.Caps));
            var (bound, plans) = (new PotentialBound(tables, null), new UnlimitedPlans(grid.Types.Count, grid.CapTokensMax));
            var rows = new VirtualSurplusRows(new MarketTables(problem.Market, grid));
            for (var cell = 0; rows.MoveToMorePatient();)
            {
                plans.Take(rows.Type, rows.Surplus);
                bound.Take([.. plans.Potential.Select(d => cell++ == where ? d + by * problem.Value : d)]);
            }
            Assert.True(bound.Upper >= plans.Value - 1e-12 * problem.Value);
        }, iter: 300);

    [Fact]
    public void A_potential_that_is_not_a_number_or_not_complete_proves_nothing()
    {
        var problem = new NaiveScreening([0.1, 0.2], [0.5, 0.5], [0.5, 0.5], 1, 1, 0);
        var (incomplete, notANumber) = (new PotentialBound(new CheckerTables(problem.Market, 2), null), new PotentialBound(new CheckerTables(problem.Market, 2), null));
        incomplete.Take([1, 1, 1]);
        Assert.Equal(double.PositiveInfinity, incomplete.Upper);
        notANumber.Take([1, double.NaN, 1]);
        notANumber.Take([1, 1, 1]);
        Assert.Equal(double.PositiveInfinity, notANumber.Upper);
    }

    [Fact]
    public void Where_a_lottery_on_caps_would_earn_more_the_best_menu_without_one_is_still_found()
    {
        // The linear programme over lotteries earns 0.0264410060 here; a menu cannot.
        var problem = new NaiveScreening([0.2, 1.5, 1.55], [0.04, 0.66, 0.30], [0.125, 0.875], 1, 1, 0.023);
        var solution = MenuSolver.Solve(problem.Market, new());
        Assert.Equal(0.0261871983, solution.Profit, 10);
        Assert.Equal(0.026187198, solution.Certificate.TokenBound, 9);
        Assert.Equal(0.029073171, solution.Certificate.TypeBound, 9);
    }

    [Theory]
    [InlineData("random-irregular-0", 14.267928816, 14.942283905)]
    [InlineData("random-irregular-2", 7.339184392, 7.807126082)]
    [InlineData("bimodal-weibull", 1.232805775, 1.387921243)]
    [InlineData("azure-2023-conversation", 0.024462866, 0.024760030)]
    public void Selling_every_token_or_every_type_by_itself_bounds_the_menu(string name, double byTokens, double byTypes)
    {
        var certificate = MenuSolver.Solve(ReferenceCases.ReferenceCase.MarketOf(name), new()).Certificate;
        Assert.Equal(byTokens, certificate.TokenBound, 9);
        Assert.Equal(byTypes, certificate.TypeBound, 9);
    }

    internal static Gen<NaiveScreening> Small(int typesMax, int capsMax) =>
        from types in Gen.Int[1, typesMax]
        from caps in Gen.Int[1, capsMax]
        from steps in Gen.Double[0.01, 0.6].Array[types]
        from masses in Gen.Double[0.02, 1].Array[types]
        from likely in Gen.Double[0, 1].Array[caps]
        from answered in Gen.Double[0.3, 1]
        from speed in Gen.OneOf(1.0, 5, 20)
        from value in Gen.OneOf(0.05, 1.0, 40)
        from cost in Gen.OneOf(0.0, 0.001, 0.02, 0.2)
        select new NaiveScreening(
            [.. steps.Select((_, i) => steps.Take(i + 1).Sum())], [.. masses.Select(m => m / masses.Sum())],
            [.. likely.Select(p => (p * p + 1e-6) / likely.Sum(q => q * q + 1e-6) * answered)], speed, value, cost * value);

    private static void Agree(double expected, MenuSolution solution, double value)
    {
        Assert.True(solution.IsUsable, solution.ExitReason.ToString());
        Assert.Equal(expected, solution.Profit, 1e-10 * value);
    }
}
