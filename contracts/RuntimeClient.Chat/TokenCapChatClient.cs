using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// Meters every answer of an <see cref="IChatClient"/>. Before the model is asked, its first tokens are held. A model that can get no more than
/// those is told so; updates are counted as they come, grants are renewed ahead of them, and the answer ends where no more are. At the end,
/// whichever it is, the provider's own counts are settled, with room for what was generated unseen.
/// </summary>
public sealed class TokenCapChatClient(IChatClient inner, MeterClient meter, TokenCapOptions cap) : DelegatingChatClient(inner)
{
    /// <summary>In the AdditionalProperties of an answer that its cap has cut: the meter's reason, such as cap_reached or subscription_paused.</summary>
    public const string CutByCap = "cut_by_cap";

    // The most that the meter takes for a count. A limit above it is none that a model could reach.
    private const int CountMax = 1_000_000_000;

    /// <exception cref="GenerationDeniedException">nothing may be generated; the model was not asked</exception>
    public override async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<ChatMessage> said = [.. messages];
        var metered = await StartAsync(said, options, cancellationToken).ConfigureAwait(false);
        // Of an answer that comes whole no more can be granted on the way, and none of it cut off: unless all of it is held, it is had as a stream.
        if (!metered.HoldsAll) return await GatherAsync(said, metered, cancellationToken).ConfigureAwait(false);
        ChatResponse? response = null;
        try
        {
            response = await base.GetResponseAsync(said, metered.Options, cancellationToken).ConfigureAwait(false);
            if (metered.WasCut(response.FinishReason)) (response.AdditionalProperties ??= [])[CutByCap] = metered.WhyCut;
            return response;
        }
        finally
        {
            var counts = new AnswerCounts();
            if (response is not null) foreach (var message in response.Messages) counts.Take(message.Contents);
            await SettleAsync(metered.Generation, counts, response?.Usage, response is null ? FinishReason.Abort : metered.ReasonOf(response.FinishReason), cut: false).ConfigureAwait(false);
        }
    }

    /// <exception cref="GenerationDeniedException">nothing may be generated; the model was not asked</exception>
    public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        StreamAsync([.. messages], options, cancellationToken);

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(IReadOnlyList<ChatMessage> said, ChatOptions? options, [EnumeratorCancellation] CancellationToken ct = default)
    {
        var metered = await StartAsync(said, options, ct).ConfigureAwait(false);
        await foreach (var update in StreamAsync(said, metered, new(), ct).ConfigureAwait(false)) yield return update;
    }

    private async Task<ChatResponse> GatherAsync(IReadOnlyList<ChatMessage> said, Metered metered, CancellationToken ct)
    {
        var counts = new AnswerCounts();
        var response = await StreamAsync(said, metered, counts, ct).ToChatResponseAsync(ct).ConfigureAwait(false);
        // The updates' counts were added up, and what is a total may not be.
        response.Usage = counts.Usage;
        if (response.Messages.Count > 0 && response.Messages[^1].AdditionalProperties?.TryGetValue(CutByCap, out var why) == true) (response.AdditionalProperties ??= [])[CutByCap] = why;
        return response;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IReadOnlyList<ChatMessage> said, Metered metered, AnswerCounts counts, [EnumeratorCancellation] CancellationToken ct)
    {
        // As long as nothing else is known the consumer has gone away, or the provider has failed.
        var (reason, cut) = (FinishReason.Abort, false);
        try
        {
            ChatFinishReason? finished = null;
            await foreach (var update in base.GetStreamingResponseAsync(said, metered.Options, ct).ConfigureAwait(false))
            {
                if (!await CountAsync(metered, counts, update, isLast: (finished ?? update.FinishReason) is not null, ct).ConfigureAwait(false))
                {
                    (reason, cut) = (metered.IsAtLimit ? FinishReason.Length : FinishReason.Cap, true);
                    yield return Cut(update, metered.IsAtLimit ? null : metered.WhyCut);
                    yield break;
                }
                finished = update.FinishReason ?? finished;
                if (update.FinishReason is not null && metered.WasCut(finished)) (update.AdditionalProperties ??= [])[CutByCap] = metered.WhyCut;
                yield return update;
            }
            reason = metered.ReasonOf(finished);
        }
        finally
        {
            await SettleAsync(metered.Generation, counts, counts.Usage, reason, cut).ConfigureAwait(false);
        }
    }

    private async Task<Metered> StartAsync(IReadOnlyList<ChatMessage> messages, ChatOptions? options, CancellationToken ct)
    {
        var caller = cap.Caller(messages, options);
        var limited = options?.Clone() ?? new();
        var limit = options?.MaxOutputTokens is > 0 and var asked ? asked : cap.OutputTokensDefault;
        var most = Math.Min(limit ?? CountMax, CountMax);
        var held = cap.HoldsLimit && limit is not null ? most : Math.Min(cap.TokensHeld, most);
        var generation = await meter.StartAsync(new()
        {
            Id = caller.GenerationId,
            Subscription = caller.Subscription,
            Conversation = caller.Conversation,
            Model = limited.ModelId ?? (GetService(typeof(ChatClientMetadata)) as ChatClientMetadata)?.DefaultModelId ?? cap.Model,
            Prompt = new(cap.CountPrompt(messages)),
            OutputTokensMax = limit is null ? 0 : most,
            TokensWanted = held,
        }, ct).ConfigureAwait(false);
        // A producer that comes back has generated some of it.
        var before = generation.Generated;
        long room;
        try
        {
            room = await generation.RoomAsync(ct).ConfigureAwait(false);
        }
        catch
        {
            // It has begun, so it must end: nobody else knows of it.
            generation.Finish(FinishReason.Abort);
            throw;
        }
        if (room == 0)
        {
            await generation.FinishAsync(ct: ct).ConfigureAwait(false);
            throw new GenerationDeniedException(generation.StopReason ?? "generation_finished", $"{generation.Id} has no token left to generate", "", null);
        }
        // No more can follow than is held, which is less than it may generate: the cap is in sight. Then the model is told, or what it generates
        // unseen would go beyond it. Otherwise more is granted as it comes, be it that others hold it still or that nobody has asked for it yet.
        var wanted = most - before;
        var toldLess = room < wanted && generation.IsFinal;
        limited.MaxOutputTokens = toldLess ? (int)room : limit - (int)before;
        return new(generation, before, limited, toldLess, HoldsAll: toldLess || (limit is not null && room >= wanted));
    }

    /// <summary>Counts what an update has, and keeps room for what it may have.</summary>
    /// <param name="isLast">The model is done: what its provider says now is settled, and cuts off nothing that was generated.</param>
    private static ValueTask<bool> CountAsync(Metered metered, AnswerCounts counts, ChatResponseUpdate update, bool isLast, CancellationToken ct)
    {
        var generated = counts.Take(update);
        metered.Generation.Expect(metered.Before + counts.Expected - metered.Generation.Generated);
        if (!generated) return new(true);
        var (output, reasoning) = isLast ? counts.Seen : counts.SoFar;
        return metered.Generation.CountToAsync(output, reasoning, ct);
    }

    /// <summary>Whatever becomes of it, the answer is the model's, or its exception is: neither is replaced by what the meter has to say.</summary>
    private async Task SettleAsync(Generation generation, AnswerCounts counts, UsageDetails? usage, FinishReason reason, bool cut)
    {
        // What was cut off is given to nobody; only its provider may know better.
        var (output, reasoning) = cut ? counts.Said(usage) : counts.AtTheEnd(usage, interrupted: reason == FinishReason.Abort);
        // The prompt was said before the provider had counted it. Without input in its counts it has said nothing about it.
        PromptTokens? prompt = usage?.InputTokenCount is null ? null : DisjointKinds.Of(usage).Prompt;
        using var patience = new CancellationTokenSource(cap.SettleWithin);
        // The consumer need not wait longer than that. The client goes on sending, and what is refused yet is told.
        await Task.WhenAny(SettledAsync(patience.Token), Task.Delay(Timeout.Infinite, patience.Token)).ConfigureAwait(false);

        async Task SettledAsync(CancellationToken ct)
        {
            try
            {
                await generation.SettleAsync(reason, output, reasoning, prompt, ct).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                try { cap.NotSettled?.Invoke(generation, e); }
                catch (Exception) { } // nor by what a log has to say
            }
        }
    }

    private static ChatResponseUpdate Cut(ChatResponseUpdate last, string? why) => new()
    {
        Role = last.Role,
        ResponseId = last.ResponseId,
        MessageId = last.MessageId,
        ModelId = last.ModelId,
        CreatedAt = last.CreatedAt,
        FinishReason = ChatFinishReason.Length,
        AdditionalProperties = why is null ? null : new() { [CutByCap] = why },
    };
}

/// <summary>A generation, and what the model is asked for it.</summary>
/// <param name="Before">tokens of an earlier attempt</param>
/// <param name="ToldLess">its limit is lower than the request's own</param>
/// <param name="HoldsAll">all that it may generate is granted</param>
internal sealed record Metered(Generation Generation, long Before, ChatOptions Options, bool ToldLess, bool HoldsAll)
{
    /// <summary>It has generated as much as the request allows, whatever its cap has left.</summary>
    public bool IsAtLimit => Generation.Request.OutputTokensMax is > 0 and var most && Generation.Generated >= most;

    /// <summary>The model stopped at the limit that it was told, and that was lower than the one that was asked for.</summary>
    public bool WasCut(ChatFinishReason? finished) => ToldLess && finished == ChatFinishReason.Length;

    /// <summary>The meter's reason. Meters that are older than it say none with a final grant.</summary>
    public string WhyCut => Generation.FinalReason ?? "cap_reached";

    public FinishReason ReasonOf(ChatFinishReason? finished) =>
        finished != ChatFinishReason.Length ? FinishReason.Stop : ToldLess ? FinishReason.Cap : FinishReason.Length;
}

/// <summary>How the middleware is put in.</summary>
public static class TokenCapExtensions
{
    /// <summary>Meters every answer, and ends it where its subscription's cap does. Put it closest to the model, below caches, retries and loops of tools: each call that they make has a generation of its own.</summary>
    public static ChatClientBuilder UseTokenCap(this ChatClientBuilder builder, MeterClient meter, TokenCapOptions options) =>
        builder.Use(inner => new TokenCapChatClient(inner, meter, options));
}
