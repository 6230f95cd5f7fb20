using Microsoft.Extensions.Options;
using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Host;

public sealed record SolvedMarket(MenuSolution Solution, TariffComparison? Comparison);

/// <summary>Solves on behalf of callers: a market too large for this service is refused before any work, and only so many are solved at once.</summary>
public sealed class BoundedSolver(IOptions<PlanDesignOptions> options) : IDisposable
{
    private readonly PlanDesignOptions _limits = options.Value;
    private readonly SemaphoreSlim _free = new(options.Value.SolvesAtOnceMax);

    /// <exception cref="RefusedException">market_too_large or market_invalid; the detail names the field.</exception>
    public async Task<SolvedMarket> SolveAsync(Market market, SolveOptions solve, CancellationToken ct)
    {
        if (TooMany(market) is { } refusal) throw refusal.AsException();
        if ((solve.Check() ?? market.Check()) is { } fault) throw new Refusal("market_invalid", fault.ToString()).AsException();
        if (TooMuchWork(market, solve) is { } tooMuch) throw tooMuch.AsException();

        await _free.WaitAsync(ct);
        try
        {
            return await Task.Run(() =>
            {
                var solution = MenuSolver.Solve(market, solve, null, ct);
                if (solution.Fault is { } found) throw new Refusal("market_invalid", found.ToString()).AsException();
                return new SolvedMarket(solution, solution.IsUsable ? TariffComparison.Of(market, solution, ct) : null);
            }, ct);
        }
        finally
        {
            _free.Release();
        }
    }

    public void Dispose() => _free.Dispose();

    /// <summary>Before the market checks itself, which takes time in proportion to its lists.</summary>
    private Refusal? TooMany(Market market) =>
        TooLarge("market.urgency.type_count", Math.Max(market.TypeCount ?? 0, (market.Urgency as DiscreteUrgency)?.RatesPerSecond.Count ?? 0), _limits.TypesMax, nameof(_limits.TypesMax))
        ?? TooLarge("market.answer_time.cap_tokens_max", Math.Max(market.CapTokensMax ?? 0, (market.AnswerTime as DiscreteAnswerTime)?.ProbabilityPerToken.Count ?? 0), _limits.CapTokensMax, nameof(_limits.CapTokensMax))
        ?? TooLarge("market.answer_time.empirical.tokens", (market.AnswerTime as EmpiricalAnswerTime)?.Tokens.Count ?? 0, _limits.ObservationsMax, nameof(_limits.ObservationsMax));

    private Refusal? TooMuchWork(Market market, SolveOptions solve)
    {
        var grid = market.Grid();
        return TooLarge("market.urgency: types", grid.Types.Count, _limits.TypesMax, nameof(_limits.TypesMax))
            ?? TooLarge("market.answer_time: longest cap", grid.CapTokensMax, _limits.CapTokensMax, nameof(_limits.CapTokensMax))
            ?? TooLarge("market: types × caps × (1 + plans)", (long)grid.Types.Count * grid.CapTokensMax * (1 + (solve.PlansMax ?? 0)), _limits.CellsMax, nameof(_limits.CellsMax));
    }

    private static Refusal? TooLarge(string field, long size, long limit, string option) =>
        size <= limit ? null : new Refusal("market_too_large", $"{field} is {size}, this service solves at most {limit} (PlanDesign__{option})");
}
