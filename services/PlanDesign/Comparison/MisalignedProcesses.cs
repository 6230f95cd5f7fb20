using PlanDesign.AnswerTimes;
using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <param name="Kind">Of the answer time: greedy (the aligned one), diffusion or accumulation.</param>
/// <param name="ShareOfAligned">Its profit in parts of the aligned one's; 0 where neither earns anything.</param>
public sealed record ProcessOutcome(string Kind, double MeanSeconds, double ShareOfAligned, MenuSolution Menu);

/// <summary>
/// The same thresholds, entropy and information budget spent by other processes, each with its own optimal menu: what a model that is not
/// aligned with its users' impatience costs its seller. Aligned ≥ diffusion ≥ accumulation is a theorem without serving cost while the
/// longest cap does not truncate; with cost, aligned ≥ diffusion was checked numerically. Zhong, arXiv 2510.09859.
/// </summary>
public static class MisalignedProcesses
{
    /// <summary>Aligned first. Empty where the market's answer times do not come from belief thresholds.</summary>
    public static IReadOnlyList<ProcessOutcome> Of(Market market, CancellationToken cancellation = default)
    {
        if (Thresholds(market.AnswerTime) is not { } thresholds) return [];
        AnswerTime[] processes = [new GreedyAnswerTime(thresholds), new DiffusionAnswerTime(thresholds), new AccumulationAnswerTime(thresholds)];
        var menus = processes.Select(p => MenuSolver.Solve(market with { AnswerTime = p }, new(), null, cancellation)).ToArray();
        return [.. processes.Zip(menus, (process, menu) =>
            new ProcessOutcome(process.Kind, thresholds.MeanSeconds, menus[0].Profit > 0 ? menu.Profit / menus[0].Profit : 0, menu))];
    }

    private static BeliefThresholds? Thresholds(AnswerTime answerTime) => answerTime switch
    {
        GreedyAnswerTime g => g.Thresholds,
        DiffusionAnswerTime d => d.Thresholds,
        AccumulationAnswerTime a => a.Thresholds,
        _ => null,
    };
}
