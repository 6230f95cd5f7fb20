using PlanDesign.AnswerTimes;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Comparison;

/// <summary>What the certificate does not support has no figures anywhere, and a sentence says so.</summary>
public sealed class UncertifiedTests
{
    /// <summary>So near to its threshold that the diffusion is beyond the certificate's method.</summary>
    private static readonly BeliefThresholds NearThreshold = new(0.102, 0.1, 0.9, 0.01);

    private static readonly Market Greedy = new(new UniformUrgency(0, 1), new GreedyAnswerTime(NearThreshold), 500, 1, 0) { TypeCount = 8, CapTokensMax = 20 };

    [Fact]
    public void A_process_whose_menu_is_not_certified_is_compared_without_figures()
    {
        var analysis = MenuAnalysis.Of(Greedy, new(), planCounts: 1);
        Assert.Equal([ExitReason.Optimal, ExitReason.NotCertified, ExitReason.NotWorthServing], analysis.Processes.Select(p => p.Menu.ExitReason));
        var diffusion = analysis.Processes[1];
        Assert.Equal((null, null, null), (diffusion.ShareOfAligned, diffusion.Outcome, diffusion.ToAligned));
        Assert.Contains("the certificate does not hold for the best menu of the diffusion process: it has no figures", analysis.Notices);
        var reported = AnalysisReport.Of(analysis).Processes![1];
        Assert.Equal(new ProcessReport("diffusion", reported.MeanSeconds, "notCertified", null, null, null, null, null, null, null, null, null, null, null, null), reported);
        // The others keep theirs: nothing is answered at once within the longest cap.
        Assert.Equal(1, analysis.Processes[0].ShareOfAligned);
        Assert.NotNull(analysis.Processes[2].ToAligned);
    }

    [Fact]
    public void Numbers_of_plans_are_counted_only_as_far_as_their_menus_are_certified() =>
        Assert.Empty(PlanCounts.Of(Greedy with { AnswerTime = new DiffusionAnswerTime(NearThreshold), ValueAtCap = 0.1 }, 1));

    [Fact]
    public void A_tariff_whose_menu_is_not_certified_is_left_out_and_named()
    {
        // The menu of another answer time stands for one that is certified while those beside it are not.
        var market = Greedy with { AnswerTime = new DiffusionAnswerTime(NearThreshold) };
        var menu = MenuSolver.Solve(Greedy, new());
        var comparison = TariffComparison.Of(market, menu);
        Assert.Equal((null, null), (comparison.MenuWithoutLimit, comparison.OnePlan));
        Assert.DoesNotContain(TariffReport.All(comparison), t => t.Kind is "menuWithoutLimit" or "onePlan");
        Assert.Contains("the certificate does not hold for the best menu of one plan: it has no figures", comparison.Notices);
        Assert.Equal(
            [
                ("menuWithoutLimit", "the certificate does not hold for the best menu of any number of plans: it has no figures"),
                ("onePlan", "the certificate does not hold for the best menu of one plan: it has no figures"),
            ],
            comparison.WithoutFigures);
    }

    /// <summary>Certified while tokens are cheap, and not where a token costs three hundredths of an answer.</summary>
    private static readonly Market Cheap = Greedy with { AnswerTime = new DiffusionAnswerTime(new(0.125, 0.1, 0.9, 0.1)), ServingCostPerToken = 0.02 };

    private static readonly SolveOptions EverybodyServed = new() { Constraints = new() { NobodyExcluded = true } };

    [Fact]
    public void A_capacity_whose_menus_are_not_certified_has_no_figures_and_is_named()
    {
        var report = FrontierReport.Of(Cheap, EverybodyServed, new(ConversationsPerSecond: 100, TokensPerSecondOfGpu: 500));
        Assert.Equal(MenuSolver.Solve(Cheap, EverybodyServed).Profit, report.Capacity[^1].Profit!.Value, 1e-12);
        var without = report.Capacity.Where(r => r.Profit is null).ToArray();
        Assert.NotEmpty(without);
        Assert.All(without, r => Assert.Equal((null, null, null, null, null), (r.ShadowPricePerToken, r.Revenue, r.ServingCost, r.ShareServed, r.ProfitPerSecond)));
        Assert.All(without, r => Assert.Equal(r.ShareOfDemand * report.Capacity[^1].TokensPerConversation!.Value, r.TokensPerConversation!.Value, 1e-9));
        Assert.Equal(without.Length, report.Notices.Count(n => n.StartsWith("the certificate does not hold for the best menus of a capacity of ", StringComparison.Ordinal)));
        Assert.Contains(report.Gpus, g => (g.Utilisation, g.ProfitPerSecond, g.OneLessCostsPerSecond) == (null, null, null));
        Assert.DoesNotContain("NaN", ReportJson.Write(report), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_even_what_the_market_would_take_is_not_certified_no_capacity_has_figures()
    {
        var report = FrontierReport.Of(Greedy with { AnswerTime = new DiffusionAnswerTime(NearThreshold), ServingCostPerToken = 0.01 }, new(), new());
        Assert.Equal(11, report.Capacity.Count);
        Assert.All(report.Capacity, r => Assert.Null(r.Profit));
        Assert.Contains("the certificate does not hold for the best menu without a limit on capacity: no capacity has figures", report.Notices);
        Assert.Contains("the certificate does not hold for the best menu where a token costs 0.01: it has no figures", report.Notices);
        Assert.Contains(report.TokenCosts, c => c.Profit is null);
    }

    [Fact]
    public void A_market_that_is_not_as_assumed_and_not_certified_has_no_figures_and_is_named()
    {
        var points = Sensitivity.Of(Cheap, EverybodyServed, MenuSolver.Solve(Cheap, EverybodyServed));
        var named = Sensitivity.WithoutFigures(points).ToArray();
        Assert.Contains("the certificate does not hold for the best menu of a market that is not as assumed (a token costs twice): it has no figures", named);
        Assert.Equal(named.Length, points.Count(p => p.ProfitAdapted is null));
    }
}
