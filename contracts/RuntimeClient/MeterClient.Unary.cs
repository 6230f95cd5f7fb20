using Contracts.Usage.V1;
using Grpc.Core;

namespace RuntimeClient;

/// <summary>What is asked beside the stream. Each is tried again until it is answered: all of it is keyed by the generation.</summary>
public sealed partial class MeterClient
{
    /// <summary>The first grant as large as was asked for, or what is left: only the unary call says so at once.</summary>
    private async Task HoldAsync(Generation generation, CancellationToken ct)
    {
        for (var pause = Options.PauseMin; !Heard(generation, await AskAsync(() => AuthorizeAsync(generation, ct), ct).ConfigureAwait(false)); pause = Longer(pause))
            await Task.Delay(Scattered(pause), Options.Time, ct).ConfigureAwait(false);
    }

    /// <summary>Whoever waits for the answer may go away. It is awaited even then, for what is held must be known to be given back.</summary>
    private async Task<AuthorizeResponse> AuthorizeAsync(Generation generation, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var request = new AuthorizeRequest { Start = generation.NextStart().Start, TokensWanted = generation.Request.TokensWanted };
        var asked = _meter.AuthorizeAsync(request, deadline: TimeProvider.System.GetUtcNow().UtcDateTime + Options.SilenceMax, cancellationToken: CancellationToken.None).ResponseAsync;
        try
        {
            return await asked.WaitAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            _ = GiveBackAsync(generation, asked);
            throw;
        }
    }

    private async Task GiveBackAsync(Generation generation, Task<AuthorizeResponse> asked)
    {
        generation.AwaitsHold = true;
        try
        {
            var answer = await asked.ConfigureAwait(false);
            // Its end is said on the stream, which has not heard of it yet.
            if (answer.Grant is not null || answer.Stop is not null) Speak(generation);
            // What was not decided holds nothing.
            if (!Heard(generation, answer)) Forget(generation);
        }
        catch (RpcException)
        {
            // If it holds anything, its lease ends that.
            Forget(generation);
        }
        finally
        {
            generation.AwaitsHold = false;
        }
    }

    /// <summary>A denial that says nothing about the subscription: the meter, or what it asks, is not there or full, and will be again.</summary>
    internal static bool Passes(string reason) => reason is "store_unavailable" or "lookups_too_many";

    /// <returns>false if it is no answer: ask again</returns>
    private static bool Heard(Generation generation, AuthorizeResponse answer)
    {
        if (answer.Reported is { } reported) generation.Heard(new Ack { Sequence = answer.DurableSequence, TakenSequence = answer.TakenSequence, Reported = reported });
        if (answer.Grant is { } grant) generation.Heard(grant);
        else if (answer.Stop is { } stop) generation.Heard(stop);
        else if (answer.Deny is { } deny && !Passes(deny.Reason)) generation.Heard(deny);
        else return false;
        return true;
    }

    /// <summary>Completes when the generation is committed, and is what the provider says.</summary>
    /// <param name="generated">null if what was counted stands</param>
    internal Task SettledAsync(Task ended, Generation generation, PromptTokens prompt, (long Output, long Reasoning)? generated)
    {
        var settled = AfterAsync();
        if (settled.IsCompleted) return settled;
        _settling.TryAdd(settled, generation);
        _ = settled.ContinueWith(t => (t.Exception, _settling.TryRemove(t, out _)), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return settled;

        async Task AfterAsync()
        {
            await ended.ConfigureAwait(false);
            var late = generation.SettledLate();
            try
            {
                if (prompt != generation.Request.Prompt || generated is not null) await CorrectAsync(generation, prompt, generated, _closing.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                throw late ?? new MeterException("unacknowledged", $"{generation.Id} was not corrected to its provider's counts before its client was closed: it stands as it was said", e);
            }
            if (late is not null) throw late;
        }
    }

    private async Task CorrectAsync(Generation generation, PromptTokens prompt, (long Output, long Reasoning)? generated, CancellationToken ct)
    {
        var (said, rows) = (generation.Request.Prompt, await RowsAsync(generation, ct).ConfigureAwait(false));
        if (prompt != said)
        {
            // Whatever was counted later, the prompt was counted first: in the period and plan of row 0.
            var first = rows.FirstOrDefault(r => r.Sequence == 0);
            var deltas = new TokenCounts { Input = prompt.Input - said.Input, CachedInput = prompt.CachedInput - said.CachedInput, CacheCreation = prompt.CacheCreation - said.CacheCreation };
            await AmendAsync(generation, "prompt", first?.PeriodId ?? "", first?.PlanId ?? "", deltas, "the provider counted the prompt", ct).ConfigureAwait(false);
        }
        if (generated is not (var output, var reasoning)) return;
        (output, reasoning) = (output - rows.Sum(r => r.Tokens.Output), reasoning - rows.Sum(r => r.Tokens.Reasoning));
        // What is above it is overrun, then, and was never billed.
        if (output + reasoning >= 0) return;
        var places = rows.OrderByDescending(r => r.Sequence).GroupBy(r => (r.PeriodId, r.PlanId));
        foreach (var (number, place) in places.Index())
        {
            // What was counted last is taken back first, in the period and plan where it was counted.
            var deltas = new TokenCounts { Output = Math.Max(output, -place.Sum(r => r.Tokens.Output)), Reasoning = Math.Max(reasoning, -place.Sum(r => r.Tokens.Reasoning)) };
            (output, reasoning) = (output - deltas.Output, reasoning - deltas.Reasoning);
            if (deltas is { Output: 0, Reasoning: 0 }) continue;
            await AmendAsync(generation, $"answer:{number}", place.Key.PeriodId, place.Key.PlanId, deltas, "the provider counted the answer", ct).ConfigureAwait(false);
        }
    }

    private Task<CorrectUsageResponse> AmendAsync(Generation generation, string what, string period, string plan, TokenCounts deltas, string reason, CancellationToken ct)
    {
        var request = new AmendUsageRequest { GenerationId = generation.Id, PeriodId = period, PlanId = plan, Deltas = deltas, Author = "runtime", Reason = reason };
        var headers = new Metadata { { "idempotency-key", $"{generation.Id}:{what}" } };
        return AskAsync(async () => await _corrections.AmendUsageAsync(request, headers, cancellationToken: ct).ConfigureAwait(false), ct);
    }

    private Task<List<EventRow>> RowsAsync(Generation generation, CancellationToken ct) => AskAsync(async () =>
    {
        var rows = new List<EventRow>();
        using var call = _ledger.ListEvents(new() { SubscriptionId = generation.Request.Subscription, GenerationId = generation.Id }, cancellationToken: ct);
        await foreach (var row in call.ResponseStream.ReadAllAsync(ct).ConfigureAwait(false))
            if (row.Kind is not RowKind.Correction and not RowKind.Archived) rows.Add(row);
        return rows;
    }, ct);

    /// <exception cref="MeterException">asking again would not help</exception>
    private async Task<T> AskAsync<T>(Func<Task<T>> ask, CancellationToken ct)
    {
        for (var pause = Options.PauseMin; ; pause = Longer(pause))
        {
            TimeSpan? told = null;
            try
            {
                return await ask().ConfigureAwait(false);
            }
            catch (RpcException e) when (!ct.IsCancellationRequested)
            {
                Announce(e);
                if (RefusedForGood(e) is { } refused) throw refused;
                told = RetryDelayOf(e);
            }
            catch (RpcException) when (ct.IsCancellationRequested)
            {
                throw new OperationCanceledException(ct);
            }
            await Task.Delay(told ?? Scattered(pause), Options.Time, ct).ConfigureAwait(false);
        }
    }
}
