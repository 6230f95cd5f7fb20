using System.Diagnostics;
using Microsoft.Extensions.Options;
using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Estimation;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Host;

/// <summary>
/// Computes on behalf of callers. What is too large for this service is refused before any work but that of telling, which counts as work too; only so much is computed at once, only so many
/// wait, and none longer than the limit. A caller who goes away stops the computation at its next row.
/// </summary>
public sealed class BoundedSolver : IDisposable
{
    private readonly PlanDesignOptions _limits;
    private readonly SemaphoreSlim _free;
    private readonly PlanDesignMetrics _metrics;
    private int _waiting, _running;

    public BoundedSolver(IOptions<PlanDesignOptions> options, PlanDesignMetrics metrics)
    {
        (_limits, _metrics) = (options.Value, metrics);
        _free = new(_limits.SolvesAtOnceMax);
        metrics.Observe(() => Running, () => Volatile.Read(ref _waiting));
    }

    /// <summary>Computations under way.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <exception cref="RefusedException">market_too_large, market_invalid, solves_too_many or solve_too_long; the detail names the field or the limit.</exception>
    public Task<MenuBesideOthers> SolveAsync(Market market, SolveOptions solve, IProgress<double>? progress, CancellationToken ct)
    {
        if (TooMany(market) is { } refusal) throw refusal.AsException();
        return RunAsync(stop =>
        {
            MustFit(market, solve, SolveWork.CellsCompared, stop);
            var solved = MenuBesideOthers.Of(market, solve, null, progress, stop);
            return solved.Solution.Fault is { } found ? throw new Refusal("market_invalid", found.ToString()).AsException() : solved;
        }, ct);
    }

    /// <inheritdoc cref="SolveAsync"/>
    public Task<MenuAnalysis> AnalyseAsync(Market market, SolveOptions solve, IReadOnlyList<PlanOffer> running, int planCounts, CancellationToken ct)
    {
        if (TooMany(market) is { } refusal) throw refusal.AsException();
        return RunAsync(stop =>
        {
            MustFit(market, solve with { PlansMax = Math.Max(solve.PlansMax ?? 0, planCounts) }, SolveWork.CellsCompared, stop);
            // Another process may have far more panels than the market's own: then it has no figures, and the rest has.
            InputFault? TooLarge(Market process) => (TooMany(process) ?? (process.Check(stop) is null ? TooMuchWork(process, new(), SolveWork.Cells) : null)) is { } tooLarge ? new("processes", tooLarge.Detail) : null;
            var analysis = MenuAnalysis.Of(market, solve, running, planCounts, null, TooLarge, stop);
            return analysis.Solution.Fault is { } found ? throw new Refusal("market_invalid", found.ToString()).AsException() : analysis;
        }, ct);
    }

    /// <inheritdoc cref="SolveAsync"/>
    public Task<FrontierReport> TraceAsync(Market market, SolveOptions solve, Traffic traffic, CancellationToken ct)
    {
        if (TooMany(market) is { } refusal) throw refusal.AsException();
        return RunAsync(stop =>
        {
            MustFit(market, solve, SolveWork.Cells, stop);
            try
            {
                return FrontierReport.Of(market, solve, traffic, null, stop);
            }
            catch (ArgumentException e)
            {
                throw new Refusal("market_invalid", e.Message).AsException();
            }
        }, ct);
    }

    /// <inheritdoc cref="RunAsync{T}(Func{CancellationToken, Task{T}}, CancellationToken)"/>
    public Task<T> RunAsync<T>(Func<CancellationToken, T> work, CancellationToken ct) => RunAsync(stop => Task.FromResult(work(stop)), ct);

    /// <summary>Work of any kind, what it reads first included, within the limits of number and time.</summary>
    public async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken ct)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limited.CancelAfter(TimeSpan.FromSeconds(_limits.SolveSecondsMax));
        try
        {
            await EnterAsync(limited.Token);
            var (since, outcome) = (Stopwatch.GetTimestamp(), "refused");
            try
            {
                Interlocked.Increment(ref _running);
                var result = await Task.Run(() => work(limited.Token), limited.Token);
                outcome = "solved";
                return result;
            }
            catch (OperationCanceledException)
            {
                outcome = ct.IsCancellationRequested ? "abandoned" : "too_long";
                throw;
            }
            finally
            {
                _metrics.Solved(Stopwatch.GetElapsedTime(since), outcome);
                Interlocked.Decrement(ref _running);
                _free.Release();
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new Refusal("solve_too_long", FormattableString.Invariant($"waiting and computing took more than {_limits.SolveSecondsMax} seconds (PlanDesign__SolveSecondsMax): ask for fewer types, shorter caps or fewer plans")).AsException();
        }
    }

    public void Dispose() => _free.Dispose();

    private async Task EnterAsync(CancellationToken ct)
    {
        if (_free.Wait(0, CancellationToken.None)) return;
        if (Interlocked.Increment(ref _waiting) > _limits.SolvesWaitingMax)
        {
            Interlocked.Decrement(ref _waiting);
            throw new Refusal("solves_too_many", $"{_limits.SolvesAtOnceMax} are computed and {_limits.SolvesWaitingMax} wait (PlanDesign__SolvesAtOnceMax, PlanDesign__SolvesWaitingMax): try again later").AsException();
        }
        try
        {
            await _free.WaitAsync(ct);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    /// <summary>Within the limits of size, work and memory; for a market that was learned meanwhile, and before it is solved.</summary>
    /// <exception cref="RefusedException">market_too_large or market_invalid; the detail names the field and the limit.</exception>
    public void MustFit(Market market, SolveOptions solve, CancellationToken stop = default) => MustFit(market, solve, SolveWork.Cells, stop);

    private void MustFit(Market market, SolveOptions solve, Func<Market, MarketGrid, SolveOptions, long> work, CancellationToken stop)
    {
        if (TooMany(market) is { } refusal) throw refusal.AsException();
        if ((solve.Check() ?? market.Check(stop)) is { } fault) throw new Refusal("market_invalid", fault.ToString()).AsException();
        if (TooMuchWork(market, solve, work) is { } tooMuch) throw tooMuch.AsException();
    }

    /// <summary>What is kept of every draw, within the limit of memory.</summary>
    /// <exception cref="RefusedException">market_too_large</exception>
    public void MustFit(MarketObservations observed, int draws)
    {
        if (TooLarge("draws × distinct lengths: megabytes needed", MarketEstimation.Bytes(observed, draws) >> 20, _limits.MemoryMegabytesMax, nameof(_limits.MemoryMegabytesMax)) is { } refusal)
            throw refusal.AsException();
    }

    /// <summary>Before the market checks itself, which takes time in proportion to its lists.</summary>
    private Refusal? TooMany(Market market) =>
        TooLarge("market.urgency.type_count", Math.Max(market.TypeCount ?? 0, market.Urgency switch
        {
            DiscreteUrgency d => d.RatesPerSecond.Count,
            EmpiricalUrgency e => e.Weights.Count,
            _ => 0,
        }), _limits.TypesMax, nameof(_limits.TypesMax))
        // A type of a mixture is looked for in every law of it.
        ?? TooLarge("market.urgency.mixture: laws × type_count", (market.Urgency as MixtureUrgency)?.Parts.Count * (long)(market.TypeCount ?? MarketLimits.TypesDefault) ?? 0, (long)PlanDesignOptions.LawsOfAllTypes * _limits.TypesMax, nameof(_limits.TypesMax))
        ?? TooLarge("market.answer_time.cap_tokens_max", Math.Max(market.CapTokensMax ?? 0, (market.AnswerTime as DiscreteAnswerTime)?.ProbabilityPerToken.Count ?? 0), _limits.CapTokensMax, nameof(_limits.CapTokensMax))
        ?? TooLarge("market.answer_time.empirical.tokens", (market.AnswerTime as EmpiricalAnswerTime)?.Tokens.Count ?? 0, _limits.ObservationsMax, nameof(_limits.ObservationsMax));

    private Refusal? TooMuchWork(Market market, SolveOptions solve, Func<Market, MarketGrid, SolveOptions, long> work)
    {
        var grid = market.Grid();
        return TooLarge("market.urgency: types", grid.Types.Count, _limits.TypesMax, nameof(_limits.TypesMax))
            ?? TooLarge("market.answer_time: longest cap", grid.CapTokensMax, _limits.CapTokensMax, nameof(_limits.CapTokensMax))
            ?? TooLarge("market: types × caps × (1 + plans), with the panels of its answer times, the steps in minor units and the menus without each rule", work(market, grid, solve), _limits.CellsMax, nameof(_limits.CellsMax))
            ?? TooLarge("market: megabytes needed", SolveMemory.Bytes(market, grid, solve) >> 20, _limits.MemoryMegabytesMax, nameof(_limits.MemoryMegabytesMax));
    }

    private static Refusal? TooLarge(string field, long size, long limit, string option) =>
        size <= limit ? null : new Refusal("market_too_large", $"{field} is {size}, this service takes at most {limit} (PlanDesign__{option})");
}
