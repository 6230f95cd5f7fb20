using PlanDesign.AnswerTimes;
using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <param name="Kind">Of the answer time: greedy (the aligned one), diffusion or accumulation.</param>
/// <param name="ShareOfAligned">Its profit in parts of the aligned one's; 0 where neither earns anything, null where one of the two menus may not be used.</param>
/// <param name="Menu">Ask <see cref="MenuSolution.IsUsable"/> first: a process may be beyond what the certificate supports.</param>
public sealed record ProcessOutcome(string Kind, double MeanSeconds, double? ShareOfAligned, MenuSolution Menu)
{
    /// <summary>What its best menu earns, costs and leaves to customers; null where that may not be used.</summary>
    public TariffOutcome? Outcome { get; init; }

    /// <summary>
    /// What customers gain or lose when the aligned process and its menu take this one's place; null for the aligned process itself, and where one of the two
    /// menus may not be used.
    /// </summary>
    public SurplusChange? ToAligned { get; init; }
}

/// <summary>
/// The same thresholds, entropy and information budget spent by other processes, each with its own optimal menu: what a model that is not
/// aligned with its users' impatience costs its seller. Aligned ≥ diffusion ≥ accumulation is a theorem without serving cost while the
/// longest cap does not truncate; with cost, aligned ≥ diffusion was checked numerically. Zhong, arXiv 2510.09859. Of n &gt; 2 equally likely
/// answers there is no diffusion here: it would leave the region of doubt anywhere on its edge and not at one of n beliefs, so that it would not
/// take the same time on average; accumulation is at the same mean.
/// </summary>
public static class MisalignedProcesses
{
    private static IEnumerable<Market> Markets(Market market) => Processes(market.AnswerTime).Select(p => market with { AnswerTime = p.Process });

    /// <summary>Aligned first. Empty where the market's answer times do not come from beliefs.</summary>
    /// <param name="refuse">Why a process's market is not solved at all, such as a limit that it exceeds; null from it, or for it, where it is.</param>
    public static IReadOnlyList<ProcessOutcome> Of(Market market, Func<Market, InputFault?>? refuse = null, CancellationToken cancellation = default)
    {
        var processes = Processes(market.AnswerTime);
        var outcomes = new List<ProcessOutcome>();
        (MarketTables Tables, TariffOutcome Outcome)? aligned = null;
        foreach (var (own, (kind, meanSeconds, _)) in Markets(market).Zip(processes))
        {
            var menu = refuse?.Invoke(own) is { } refused ? MenuSolution.Refused(refused) : MenuSolver.Solve(own, new(), null, cancellation);
            var isAligned = outcomes.Count == 0;
            if (!menu.IsUsable)
            {
                outcomes.Add(new(kind, meanSeconds, null, menu));
                continue;
            }
            var tables = new MarketTables(own, own.Grid(cancellation: cancellation), cancellation);
            var outcome = TariffComparison.OfMenu(tables, menu);
            if (isAligned) aligned = (tables, outcome);
            double? share = aligned is { } best ? best.Outcome.Profit > 0 ? outcome.Profit / best.Outcome.Profit : 0 : null;
            outcomes.Add(new(kind, meanSeconds, share, menu)
            {
                Outcome = outcome,
                ToAligned = aligned is { } other && !isAligned ? SurplusChange.Between(other.Tables, outcome, other.Outcome) : null,
            });
        }
        return outcomes;
    }

    /// <summary>A sentence for each process whose menu may not be used, and which has no figures for that.</summary>
    public static IEnumerable<string> WithoutFigures(IEnumerable<ProcessOutcome> outcomes) =>
        from outcome in outcomes
        where !outcome.Menu.IsUsable
        select outcome.Menu.Fault is { } fault ? $"the {outcome.Kind} process has no figures, for it is not solved: {fault}"
            : $"the certificate does not hold for the best menu of the {outcome.Kind} process: it has no figures";

    /// <summary>Where the longest cap cuts a process off, a sentence for each: then another order is possible, and accumulation can win.</summary>
    public static IReadOnlyList<string> Notices(Market market)
    {
        var notices = new List<string>();
        foreach (var (kind, _, process) in Processes(market.AnswerTime))
        {
            var grid = (market with { AnswerTime = process }).Grid();
            var left = process.Survival(grid.CapTokensMax, market.TokensPerSecond);
            if (left * grid.Types.BestDiscountedMass(grid.CapTokensMax / market.TokensPerSecond) < MarketLimits.TailDefault) continue;
            notices.Add(FormattableString.Invariant($"the longest cap, {grid.CapTokensMax} tokens, cuts {(left < 0.0005 ? "less than 0.1" : FormattableString.Invariant($"{left * 100:F1}"))} % of the {kind} process's conversations off: ")
                + "processes are in their order only where it does not");
        }
        return notices;
    }

    private static IReadOnlyList<(string Kind, double MeanSeconds, AnswerTime Process)> Processes(AnswerTime answerTime)
    {
        if (answerTime is EqualAnswersAnswerTime { Answers: > 2 } equal)
            return [(equal.Kind, equal.MeanSeconds, equal), ("accumulation", equal.MeanSeconds, new DeterministicAnswerTime(equal.MeanSeconds))];
        if (Thresholds(answerTime) is not { } thresholds) return [];
        AnswerTime[] processes = [new GreedyAnswerTime(thresholds), new DiffusionAnswerTime(thresholds), new AccumulationAnswerTime(thresholds)];
        return [.. processes.Select(p => (p.Kind, thresholds.MeanSeconds, p))];
    }

    private static BeliefThresholds? Thresholds(AnswerTime answerTime) => answerTime switch
    {
        GreedyAnswerTime g => g.Thresholds,
        DiffusionAnswerTime d => d.Thresholds,
        AccumulationAnswerTime a => a.Thresholds,
        // Two equally likely answers are the binary process with an even prior.
        EqualAnswersAnswerTime { Answers: 2 } e => new(0.5, 1 - e.Confidence, e.Confidence, e.InformationPerSecond),
        _ => null,
    };
}
