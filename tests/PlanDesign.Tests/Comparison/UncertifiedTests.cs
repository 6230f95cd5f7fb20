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
    }
}
