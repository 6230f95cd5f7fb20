using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>Markets whose optimum is known in closed form: exponential answer times, value 1, at 20 or more tokens per second.</summary>
public sealed class ClosedFormTests
{
    [Theory]
    [InlineData(1, 0.513039)]
    [InlineData(2, 0.361921)]
    [InlineData(5, 0.206425231)]
    [InlineData(10, 0.127710)]
    [InlineData(14.7, 0.096298)]
    public void Both_ends_of_the_cells_bracket_the_optimum_for_urgency_uniform_on_0_to_1(double meanSeconds, double optimum)
    {
        var solution = MenuSolver.Solve(Uniform(0, 1, meanSeconds, types: 250), new());
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.InRange(optimum, solution.Profit, solution.Certificate.DensityUpperBound);
        Assert.Equal(optimum, solution.Profit, 1e-4 * optimum);
    }

    [Theory]
    [InlineData(0.2, 1.2, 1, 0.4624555898)]
    [InlineData(0.2, 1.2, 5, 0.1593072463)]
    [InlineData(0.05, 0.25, 14.7, 0.2282893044)]
    public void The_same_holds_where_nobody_is_perfectly_patient(double from, double to, double meanSeconds, double optimum)
    {
        var solution = MenuSolver.Solve(Uniform(from, to, meanSeconds, types: 250), new());
        Assert.InRange(optimum, solution.Profit, solution.Certificate.DensityUpperBound);
        Assert.Equal(optimum, solution.Profit, 1e-4 * optimum);
    }

    [Fact]
    public void The_lower_bound_closes_in_four_times_as_fast_as_types_double()
    {
        // Many tokens a second, so that the grid of caps does not blur the grid of types.
        Market Fine(int types) => Uniform(0, 1, 5, types) with { TokensPerSecond = 200, CapTokensMax = 11_000 };
        var profits = new[] { 40, 80, 160, 320 }.Select(n => MenuSolver.Solve(Fine(n), new()).Profit).ToArray();
        Assert.InRange((profits[1] - profits[0]) / (profits[2] - profits[1]), 3.7, 4.4);
        Assert.InRange((profits[2] - profits[1]) / (profits[3] - profits[2]), 3.7, 4.4);
    }

    [Fact]
    public void Log_normal_urgency_reaches_its_closed_form_though_its_most_urgent_cell_is_never_served()
    {
        var market = new Market(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 20, 1, 0) { TypeCount = 400 };
        var solution = MenuSolver.Solve(market, new());
        Assert.InRange(0.259964841, solution.Profit, solution.Certificate.DensityUpperBound);
        Assert.Equal(0.259964841, solution.Profit, 1e-4);
        Assert.Equal(400, solution.CapTokensByType.Count);
        Assert.Equal(0, solution.CapTokensByType[^1]);
        Assert.Equal(0, solution.PriceByType[^1]);
    }

    /// <summary>κ = cost per token × tokens per second × D.</summary>
    [Theory]
    [InlineData(5, 0.1, 0.166855385)]
    [InlineData(5, 0.2, 0.132472404)]
    [InlineData(5, 0.5, 0.054497590)]
    [InlineData(14.7, 0.1, 0.076697445)]
    [InlineData(14.7, 0.5, 0.023782049)]
    public void Serving_cost_lowers_profit_as_the_closed_form_says(double meanSeconds, double kappa, double profit)
    {
        var solution = MenuSolver.Solve(Uniform(0, 1, meanSeconds, 500, kappa / (20 * meanSeconds)), new());
        Assert.InRange(profit, solution.Profit, solution.Certificate.DensityUpperBound);
        Assert.Equal(profit, solution.Profit, 3e-5);
    }

    [Theory]
    [InlineData(0.1, 0.203663509, 1.840406215)]
    [InlineData(0.2, 0.196622486, 1.603752049)]
    [InlineData(0.5, 0.155865476, 1.013678853)]
    public void Serving_cost_lowers_revenue_and_seconds_served_as_the_closed_form_says(double kappa, double revenue, double seconds)
    {
        var solution = MenuSolver.Solve(Uniform(0, 1, 5, 1000, kappa / 100), new());
        Assert.Equal(revenue, solution.Revenue, 1e-4 * revenue);
        Assert.Equal(seconds, solution.Tiers.Sum(t => t.Share * t.ExpectedTokensPerConversation) / 20, 1e-3 * seconds);
    }

    [Theory]
    [InlineData(1, 1, 0.5), InlineData(1, 2, 0.5104405), InlineData(1, 3, 0.5119604), InlineData(1, 5, 0.5126697)]
    [InlineData(5, 1, 0.1666667), InlineData(5, 2, 0.1969083), InlineData(5, 3, 0.2023990), InlineData(5, 5, 0.2050406)]
    [InlineData(14.7, 1, 0.0636943), InlineData(14.7, 2, 0.0866078), InlineData(14.7, 3, 0.0920310), InlineData(14.7, 5, 0.0948048)]
    public void Few_plans_earn_what_the_continuous_solution_says(double meanSeconds, int plans, double profit)
    {
        var solution = MenuSolver.Solve(Uniform(0, 1, meanSeconds, types: 500), new(plans));
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.Equal(plans, solution.Tiers.Count);
        Assert.Equal(profit, solution.Profit, 5e-6);
    }

    [Fact]
    public void Three_plans_have_the_cutoffs_caps_and_prices_of_the_continuous_solution()
    {
        var tiers = MenuSolver.Solve(Uniform(0, 1, 5, types: 1000), new(3)).Tiers;
        Assert.Equal([0.387090, 0.237099, 0.139109], tiers.Select(t => t.PricePerConversation), new Within(2e-3));
        Assert.Equal([0.149303, 0.41735, 1], tiers.Select(t => t.UrgencyToPerSecond), new Within(2e-3));
        Assert.Equal([3.834955, 1.499751], tiers.Skip(1).Select(t => t.CapTokens / 20.0), new Within(0.05));
    }

    /// <summary>p(1) of the most urgent, whose cap is a second, and p(∞) of the perfectly patient.</summary>
    [Theory]
    [InlineData(5, 0.116467631, 0.417661843), InlineData(14.7, 0.041803448, 0.385489317)]
    public void Prices_rise_along_the_menu_from_the_first_to_the_last_of_the_closed_form(double meanSeconds, double first, double last)
    {
        var prices = new[] { 500, 1000 }.Select(types => MenuSolver.Solve(Uniform(0, 1, meanSeconds, types), new()).PriceByType).ToArray();
        Assert.Equal(first, prices[1][^1], 5e-4);
        // The most patient cell shrinks to nobody as types double, and its price comes half as near each time.
        Assert.Equal(last, 2 * prices[1][0] - prices[0][0], 1e-3);
    }

    [Fact]
    public void The_cap_at_urgency_r_is_one_over_r_where_urgency_is_uniform_from_0()
    {
        var solution = MenuSolver.Solve(Uniform(0, 1, 5, types: 1000), new());
        foreach (var tier in solution.Tiers.Where(t => t.UrgencyToPerSecond > 0.2))
            Assert.Equal(1 / tier.UrgencyToPerSecond, tier.CapTokens / 20.0, 0.1);
    }

    /// <summary>
    /// ln G of ½U[0,0.2] + ½U[1,1.2] is not concave: its least concave majorant goes straight from (0.2, ln ½) to (1.2, 0), so that all of [1,1.2], and nobody
    /// else, has the slope of that line as her cap, ln 2 seconds.
    /// </summary>
    [Fact]
    public void All_of_an_urgent_crowd_apart_from_the_patient_get_one_cap_of_ln_2_seconds()
    {
        var market = new Market(new MixtureUrgency([new UniformUrgency(0, 0.2), new UniformUrgency(1, 1.2)], [0.5, 0.5]), new ExponentialAnswerTime(5), 100, 1, 0) { TypeCount = 400, CapTokensMax = 400 };
        var (solution, rates) = (MenuSolver.Solve(market, new()), market.Grid().Types.RatesPerSecond);
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        var crowd = rates.Select((rate, i) => (rate, Cap: solution.CapTokensByType[i])).ToLookup(t => t.rate > 0.9, t => t.Cap);
        Assert.Equal(200, crowd[true].Count());
        var cap = Assert.Single(crowd[true].Distinct());
        Assert.Equal(Math.Log(2), cap / 100.0, 1.0 / 100);
        Assert.All(crowd[false], patient => Assert.True(patient > cap));
    }

    private sealed class Within(double tolerance) : IEqualityComparer<double>
    {
        public bool Equals(double x, double y) => Math.Abs(x - y) <= tolerance;
        public int GetHashCode(double x) => 0;
    }

    private static Market Uniform(double from, double to, double meanSeconds, int types, double costPerToken = 0) =>
        new(new UniformUrgency(from, to), new ExponentialAnswerTime(meanSeconds), 20, 1, costPerToken) { TypeCount = types };
}
