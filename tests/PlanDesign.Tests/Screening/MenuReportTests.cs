using PlanDesign.Reports;
using System.Text.Json;
using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

public sealed class MenuReportTests
{
    /// <summary>The worked menu of services/PlanDesign/README.md, whose sums a reader can check by hand.</summary>
    private static readonly Market Worked = new(
        new DiscreteUrgency([Math.Log(10 / 9.0), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2);

    [Fact]
    public void The_worked_menu_of_the_README_is_what_the_solver_finds()
    {
        var solution = MenuSolver.Solve(Worked, new());
        Assert.Equal(ExitReason.Optimal, solution.ExitReason);
        Assert.Equal([2, 1, 0], solution.CapTokensByType);
        Assert.Equal([26.2, 10, 0], solution.PriceByType, (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Equal((12.86, 1.9, 10.96), (Math.Round(solution.Revenue, 12), Math.Round(solution.ServingCost, 12), Math.Round(solution.Profit, 12)));
        Assert.Equal(9.6, MenuSolver.Solve(Worked, new(PlansMax: 1)).Profit, 12);
        Assert.Equal([(2, 0.3), (1, 0.5)], solution.Tiers.Select(t => (t.CapTokens, t.Share)));
    }

    [Fact]
    public void The_report_has_the_fields_that_programs_read()
    {
        using var json = JsonDocument.Parse(MenuReport.Of(MenuSolver.Solve(Worked, new())).ToJson());
        var root = json.RootElement;
        Assert.Equal(10.96, root.GetProperty("profit").GetDouble(), 12);
        Assert.Equal(12.86, root.GetProperty("revenue").GetDouble(), 12);
        Assert.Equal(1.9, root.GetProperty("servingCost").GetDouble(), 12);
        var first = root.GetProperty("tiers")[0];
        Assert.Equal((2, 0.3), (first.GetProperty("capTokens").GetInt32(), first.GetProperty("share").GetDouble()));
        Assert.Equal(26.2, first.GetProperty("price").GetDouble(), 12);
        Assert.Equal(Math.Log(10 / 9.0), first.GetProperty("urgencyFrom").GetDouble());
        Assert.Equal(Math.Log(10 / 9.0), first.GetProperty("urgencyTo").GetDouble());
        Assert.Equal([2, 1, 0], root.GetProperty("capTokensByType").EnumerateArray().Select(e => e.GetInt32()));
        Assert.Equal(3, root.GetProperty("priceByType").GetArrayLength());
        foreach (var name in new[] { "upperBound", "gap", "maxIncentiveViolation", "maxParticipationViolation" })
            Assert.Equal(JsonValueKind.Number, root.GetProperty("certificate").GetProperty(name).ValueKind);
        Assert.Equal("optimal", root.GetProperty("exitReason").GetString());
        Assert.False(root.TryGetProperty("rounding", out _));
    }

    [Fact]
    public void A_rounded_report_says_the_fee_in_minor_units_and_how_it_was_found()
    {
        using var json = JsonDocument.Parse(MenuReport.Of(MenuSolver.Solve(Worked, new(MinorUnits: new(0.5, 1)))).ToJson());
        Assert.Equal([52, 20], json.RootElement.GetProperty("tiers").EnumerateArray().Select(t => t.GetProperty("priceMinorUnitsPerPeriod").GetInt64()));
        Assert.Equal("allCaps", json.RootElement.GetProperty("rounding").GetProperty("route").GetString());
    }

    [Fact]
    public void Progress_runs_from_nothing_to_done_and_a_solve_can_be_cancelled()
    {
        var seen = new Recorder();
        MenuSolver.Solve(Worked, new(2, new(0.5, 1)), seen);
        Assert.Equal(seen.Values.Order(), seen.Values);
        Assert.Equal(1, seen.Values[^1]);
        Assert.Throws<OperationCanceledException>(() => MenuSolver.Solve(Worked, new(), null, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void Progress_counts_what_a_menu_is_compared_with_and_the_menus_without_each_rule()
    {
        var (seen, options) = (new Recorder(), new SolveOptions(2, new(0.5, 1)) { Constraints = new() { CapTokensMax = 1, NobodyExcluded = true } });
        var solved = MenuBesideOthers.Of(Worked, options, null, seen, CancellationToken.None);
        Assert.Equal((true, 3), (solved.Comparison is not null, solved.ConstraintCosts.Count));
        Assert.Equal(seen.Values.Order(), seen.Values);
        Assert.Equal(1, seen.Values[^1], 1e-12);
        // The menu, a comparison as long as two, and three menus without a rule or without all.
        var alone = new Recorder();
        MenuSolver.Solve(Worked, options, alone);
        Assert.Equal(1.0 / 6, seen.Values[alone.Values.Count - 1], 1e-12);
        Assert.All(seen.Values.Skip(alone.Values.Count), v => Assert.InRange(v, 0.5 - 1e-12, 1 + 1e-12));

        var refused = MenuBesideOthers.Of(Worked with { ValuePerAnswer = -1 }, options, null, null, CancellationToken.None);
        Assert.Equal((ExitReason.InvalidInput, true), (refused.Solution.ExitReason, refused.Comparison is null));
    }

    private sealed class Recorder : IProgress<double>
    {
        public List<double> Values { get; } = [];
        public void Report(double value) => Values.Add(value);
    }
}
