using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>Answers that come whole, and those whose consumer has gone away: read on for a while, for the sake of their provider's counts.</summary>
public sealed partial class TokenCapChatClient
{
    /// <summary>How long a provider may take to heed that it is cancelled, before it is waited for no more.</summary>
    private static readonly TimeSpan HeedsWithin = TimeSpan.FromSeconds(1);

    private async Task<ChatResponse> WholeAsync(IReadOnlyList<ChatMessage> said, Metered metered, CancellationToken ct)
    {
        // Whoever cancels ends his own wait, and not yet the model.
        var drain = cap.DrainAbandoned > TimeSpan.Zero ? new CancellationTokenSource() : null;
        var asked = AskAsync();
        try
        {
            var response = await (drain is null ? asked : asked.WaitAsync(ct)).ConfigureAwait(false);
            if (metered.WasCut(response.FinishReason)) (response.AdditionalProperties ??= [])[CutByCap] = metered.WhyCut;
            return response;
        }
        finally
        {
            if (drain is null || asked.IsCompleted) await SettleAsync(metered, asked, isAbandoned: false).ConfigureAwait(false);
            else _ = DrainAsync(drain);
        }

        async Task<ChatResponse> AskAsync()
        {
            using (drain) return await base.GetResponseAsync(said, metered.Options, drain?.Token ?? ct).ConfigureAwait(false);
        }

        async Task DrainAsync(CancellationTokenSource time)
        {
            await ((Task)asked).WaitAsync(cap.DrainAbandoned, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            End(time);
            await SettleAsync(metered, asked, isAbandoned: true).ConfigureAwait(false);
        }
    }

    private Task SettleAsync(Metered metered, Task<ChatResponse> asked, bool isAbandoned)
    {
        var response = asked.IsCompletedSuccessfully ? asked.Result : null;
        var counts = new AnswerCounts();
        foreach (var message in response?.Messages ?? []) counts.Take(message.Contents);
        var reason = response is null || isAbandoned ? FinishReason.Abort : metered.ReasonOf(response.FinishReason);
        var (output, reasoning) = counts.AtTheEnd(response?.Usage, interrupted: response is null);
        return SettleAsync(metered.Generation, reason, output, reasoning, response?.Usage, isWhole: false);
    }

    /// <summary>Reads to the end, or as long as may be, and settles what has come by then. Nothing that happens meanwhile is anybody's exception.</summary>
    private async Task DrainAsync(Answer answer, IAsyncEnumerator<ChatResponseUpdate> updates, Task<bool> next, CancellationTokenSource drain)
    {
        var read = ReadOnAsync();
        await read.WaitAsync(cap.DrainAbandoned, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!read.IsCompleted)
        {
            End(drain);
            await read.WaitAsync(HeedsWithin, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await SettleAsync(answer).ConfigureAwait(false);

        async Task ReadOnAsync()
        {
            try
            {
                using (drain)
                await using (updates.ConfigureAwait(false))
                    while (await next.ConfigureAwait(false)) next = updates.MoveNextAsync().AsTask();
            }
            catch (Exception)
            {
                // Whoever reads has had it; and if nobody does, what came before it is settled.
            }
        }
    }

    private static void End(CancellationTokenSource drain)
    {
        try { drain.Cancel(); }
        catch (Exception e) when (e is ObjectDisposedException or AggregateException) { } // it is over, or whom it tells has failed
    }
}
