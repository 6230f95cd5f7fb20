using System.Text.Json;
using PlanDesign.Comparison;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Reports;

/// <summary>
/// Everything that a person asks of a menu before she offers it: the menu and its certificate, each other tariff at its best, the profit by
/// number of plans, other answer processes, and what each rule costs.
/// </summary>
/// <param name="Comparison">Null, with everything after it empty, where the menu may not be used or has no plan.</param>
public sealed record MenuAnalysis(
    Market Market,
    SolveOptions Options,
    MenuSolution Solution,
    TariffComparison? Comparison,
    IReadOnlyList<PlanCount> PlanCounts,
    IReadOnlyList<ProcessOutcome> Processes,
    IReadOnlyList<ConstraintCost> ConstraintCosts)
{
    public const int PlanCountsDefault = 8;

    /// <summary>Where the menu loses to a simpler tariff, or was not what was asked for, and what has no figures; sentences.</summary>
    public IReadOnlyList<string> Notices =>
    [
        .. Solution.Notices, .. Comparison?.Notices ?? [],
        // With value at the cap every number of plans is certified by itself.
        .. Comparison is not null && Market.ValueAtCap > 0 && PlanCounts.Count < PlanCountsAsked
            ? [$"the certificate does not hold for the best menu of every number of plans: those from {PlanCounts.Count + 1} on have no figures"] : Array.Empty<string>(),
        .. Processes.Count > 0 ? MisalignedProcesses.Notices(Market) : [], .. MisalignedProcesses.WithoutFigures(Processes),
    ];

    /// <summary>Up to how many plans the profit was asked for.</summary>
    internal int PlanCountsAsked { get; init; }

    /// <param name="running">The plans on sale today, exact prices per conversation; null or empty for none.</param>
    /// <param name="planCounts">Up to how many plans the profit by number of plans goes.</param>
    /// <param name="refuseProcess">Why another process is not solved (<see cref="MisalignedProcesses"/>).</param>
    public static MenuAnalysis Of(
        Market market, SolveOptions options, IReadOnlyList<PlanOffer>? running = null, int planCounts = PlanCountsDefault,
        IProgress<double>? progress = null, Func<Market, InputFault?>? refuseProcess = null, CancellationToken cancellation = default)
    {
        var (step, steps) = (0, 5);
        var solution = MenuSolver.Solve(market, options, new PartOfProgress(progress, 0, 1.0 / steps), cancellation);
        void Next() => progress?.Report((double)++step / steps);
        if (!solution.IsUsable) return new(market, options, solution, null, [], [], []);
        Next();
        var comparison = TariffComparison.Of(market, solution, running, cancellation);
        Next();
        var counts = PlanDesign.Comparison.PlanCounts.Of(market, planCounts, options.Constraints, cancellation);
        Next();
        var costs = Screening.Constraints.ConstraintCosts.Of(market, options, solution, null, cancellation);
        Next();
        var processes = MisalignedProcesses.Of(market, refuseProcess, cancellation);
        Next();
        return new(market, options, solution, comparison, counts, processes, costs) { PlanCountsAsked = planCounts };
    }
}

/// <summary>What <c>billing menu compare --json</c> prints. Money per conversation of the whole market. Fields may be added, never renamed.</summary>
/// <param name="Tariffs">The menu first, then the menu without limit, then every other.</param>
public sealed record AnalysisReport(
    MenuReport Menu, IReadOnlyList<TariffReport> Tariffs, IReadOnlyList<PlanCount> PlanCounts, IReadOnlyList<ProcessReport>? Processes, IReadOnlyList<string> Notices)
{
    public static AnalysisReport Of(MenuAnalysis analysis, PeriodReport? period = null) => new(
        MenuReport.Of(analysis.Solution, analysis.ConstraintCosts, period),
        analysis.Comparison is { } comparison ? TariffReport.All(comparison) : [],
        analysis.PlanCounts,
        analysis.Processes.Count == 0 ? null : [.. analysis.Processes.Select(p => ProcessReport.Of(p))],
        analysis.Notices);
}

/// <summary>One way of charging, as well as it can be set, and what customers gain or lose when the menu takes its place.</summary>
/// <param name="Kind">menu, menuWithoutLimit, onePlan, payPerToken, twoPartTariff, flatFee, tokenMarket or runningMenu</param>
/// <param name="Price">Per conversation (onePlan, flatFee) or per token (payPerToken, twoPartTariff, tokenMarket); absent for a menu of several plans.</param>
/// <param name="Fee">Per conversation, beside the price per token (twoPartTariff).</param>
/// <param name="MenuEarnsMore">The menu's profit less this tariff's; negative where the menu loses.</param>
/// <param name="ShareBetter">Of the whole market: who keeps more under the menu, by <paramref name="MeanGain"/> on average.</param>
/// <param name="ShareWorse">Who keeps less, by <paramref name="MeanLoss"/> on average.</param>
/// <param name="GainByType">In ascending order of urgency, one for each served type; in a market with a density its most urgent member.</param>
public sealed record TariffReport(
    string Kind, double Profit, double Revenue, double ServingCost, double ShareServed, double ConsumerSurplus, double Tokens,
    double? Price, double? Fee, int? CapTokens, double MenuEarnsMore,
    double? ShareBetter, double? ShareWorse, double? MeanGain, double? MeanLoss, IReadOnlyList<double>? GainByType)
{
    /// <summary>Of all customers, where <see cref="ShareServed"/> is of conversations, because customers differ in how many they have; else absent.</summary>
    public double? ShareOfCustomersServed { get; init; }

    public static IReadOnlyList<TariffReport> All(TariffComparison comparison) =>
    [
        Of("menu", comparison, comparison.Menu, null),
        .. comparison.MenuWithoutLimit is { } unlimited ? [Of("menuWithoutLimit", comparison, unlimited, null)] : Array.Empty<TariffReport>(),
        .. comparison.Others.Select(o => Of(KindOf(o.Name), comparison, o.Outcome, o.ToMenu)),
    ];

    /// <summary>"pay per token" is payPerToken.</summary>
    public static string KindOf(string name)
    {
        var words = name.Split(' ', '-');
        return words[0] + string.Concat(words.Skip(1).Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
    }

    private static TariffReport Of(string kind, TariffComparison comparison, TariffOutcome o, SurplusChange? change) => new(
        kind, o.Profit, o.Revenue, o.ServingCost, o.ShareServed, o.ConsumerSurplus, o.Tokens, o.Price, o.Fee, o.CapTokens, comparison.Menu.Profit - o.Profit,
        change?.ShareBetter, change?.ShareWorse, change?.MeanGainOfBetter, change?.MeanLossOfWorse, change?.GainByType)
    {
        ShareOfCustomersServed = comparison.CustomersServed(o),
    };
}

/// <summary>The best menu of another way to spend the same information. Where its certificate does not hold, or it was not solved for its size, by <paramref name="ExitReason"/>, every figure is absent.</summary>
/// <param name="ShareBetter">Of the whole market: who keeps more once the aligned process takes this one's place, by <paramref name="MeanGain"/> on average.</param>
/// <param name="ShareWorse">Who keeps less, by <paramref name="MeanLoss"/> on average.</param>
/// <param name="GainByType">In ascending order of urgency, one for each served type.</param>
public sealed record ProcessReport(
    string Kind, double MeanSeconds, string ExitReason, double? Profit, double? ShareOfAligned, double? Revenue, double? ServingCost, double? ShareServed, double? ConsumerSurplus, double? Tokens,
    double? ShareBetter, double? ShareWorse, double? MeanGain, double? MeanLoss, IReadOnlyList<double>? GainByType)
{
    public static ProcessReport Of(ProcessOutcome p) => new(
        p.Kind, p.MeanSeconds, JsonNamingPolicy.CamelCase.ConvertName(p.Menu.ExitReason.ToString()), p.Outcome?.Profit, p.ShareOfAligned,
        p.Outcome?.Revenue, p.Outcome?.ServingCost, p.Outcome?.ShareServed, p.Outcome?.ConsumerSurplus, p.Outcome?.Tokens,
        p.ToAligned?.ShareBetter, p.ToAligned?.ShareWorse, p.ToAligned?.MeanGainOfBetter, p.ToAligned?.MeanLossOfWorse, p.ToAligned?.GainByType);
}
