using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// Meters every answer of an <see cref="IChatClient"/>. Before the model is asked, tokens are held: as many as the request may generate, or the
/// first ones if it names no limit. A model that may get less than that is told so; updates are counted as they come, grants are renewed
/// ahead of them, and the answer ends where no more are. At the end, whichever it is, the provider's own counts are settled.
/// </summary>
public sealed class TokenCapChatClient(IChatClient inner, MeterClient meter, TokenCapOptions cap) : DelegatingChatClient(inner)
{
    /// <summary>In the AdditionalProperties of an answer that its cap has cut: which reason the meter gave.</summary>
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
            if (metered.WasCut(response.FinishReason)) (response.AdditionalProperties ??= [])[CutByCap] = "cap_reached";
            return response;
        }
        finally
        {
            // A provider that counts nothing is taken by the length of its answer.
            if (response is { Usage: null }) metered.Guess((response.Text.Length + 3) / 4);
            await SettleAsync(metered.Generation, response?.Usage, response is null ? FinishReason.Abort : metered.ReasonOf(response.FinishReason)).ConfigureAwait(false);
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
        var counts = new ProviderCounts();
        var response = await StreamAsync(said, metered, counts, ct).ToChatResponseAsync(ct).ConfigureAwait(false);
        // The updates' counts were added up, and what is a total may not be.
        response.Usage = counts.Total();
        if (response.Messages.Count > 0 && response.Messages[^1].AdditionalProperties?.TryGetValue(CutByCap, out var why) == true) (response.AdditionalProperties ??= [])[CutByCap] = why;
        return response;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IReadOnlyList<ChatMessage> said, Metered metered, ProviderCounts counts, [EnumeratorCancellation] CancellationToken ct)
    {
        // As long as nothing else is known the consumer has gone away, or the provider has failed.
        var reason = FinishReason.Abort;
        try
        {
            ChatFinishReason? finished = null;
            await foreach (var update in base.GetStreamingResponseAsync(said, metered.Options, ct).ConfigureAwait(false))
            {
                counts.Take(update);
                if (!await CountAsync(metered.Generation, update, ct).ConfigureAwait(false))
                {
                    reason = metered.IsAtLimit ? FinishReason.Length : FinishReason.Cap;
                    yield return Cut(update, byCap: !metered.IsAtLimit);
                    yield break;
                }
                finished = update.FinishReason ?? finished;
                if (update.FinishReason is not null && metered.WasCut(finished)) (update.AdditionalProperties ??= [])[CutByCap] = "cap_reached";
                yield return update;
            }
            reason = metered.ReasonOf(finished);
        }
        finally
        {
            await SettleAsync(metered.Generation, counts.Total(), reason).ConfigureAwait(false);
        }
    }

    private async Task<Metered> StartAsync(IReadOnlyList<ChatMessage> messages, ChatOptions? options, CancellationToken ct)
    {
        var caller = cap.Caller(messages, options);
        var limited = options?.Clone() ?? new();
        var limit = options?.MaxOutputTokens is > 0 and var most ? most : cap.OutputTokensDefault;
        var held = Math.Min(limit ?? cap.TokensHeld, CountMax);
        var generation = await meter.StartAsync(new()
        {
            Id = caller.GenerationId,
            Subscription = caller.Subscription,
            Conversation = caller.Conversation,
            Model = limited.ModelId ?? (GetService(typeof(ChatClientMetadata)) as ChatClientMetadata)?.DefaultModelId ?? cap.Model,
            Prompt = new(cap.CountPrompt(messages)),
            OutputTokensMax = limit is null ? 0 : held,
            TokensWanted = held,
        }, ct).ConfigureAwait(false);
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
        // Less than was asked for, and no more can follow: the cap is in sight. Then the model is told, or what it generates unseen would go beyond it.
        // Otherwise more is granted as it comes, be it that others hold it still or that the meter holds no more at once.
        var wanted = held - generation.Generated;
        var toldLess = room < wanted && generation.IsFinal;
        limited.MaxOutputTokens = toldLess ? (int)room : limit;
        return new(generation, limited, toldLess, HoldsAll: toldLess || (limit is not null && room >= wanted));
    }

    /// <summary>One token for each piece of content that a model generated: streams carry a token in an update, or several, but hardly ever less.</summary>
    private static async ValueTask<bool> CountAsync(Generation generation, ChatResponseUpdate update, CancellationToken ct)
    {
        long output = update.Contents.Count(c => c is TextContent { Text.Length: > 0 } or FunctionCallContent or DataContent);
        long reasoning = update.Contents.Count(c => c is TextReasoningContent { Text.Length: > 0 });
        while (output + reasoning > 0)
        {
            if (await generation.RoomAsync(ct).ConfigureAwait(false) == 0) return false;
            var taken = generation.Count(output, reasoning);
            (output, reasoning) = (output - (taken - Math.Min(taken, reasoning)), reasoning - Math.Min(taken, reasoning));
        }
        return true;
    }

    /// <summary>Whatever becomes of it, the answer is the model's, or its exception is: neither is replaced by what the meter has to say.</summary>
    private async Task SettleAsync(Generation generation, UsageDetails? usage, FinishReason reason)
    {
        using var patience = new CancellationTokenSource(cap.SettleWithin);
        try
        {
            if (usage is null)
            {
                await generation.FinishAsync(reason, patience.Token).ConfigureAwait(false);
                return;
            }
            var counted = DisjointKinds.Of(usage);
            // The prompt was said before the provider had counted it. Without input in its counts it has said nothing about it.
            await generation.SettleAsync(reason, counted.Output, counted.Reasoning, usage.InputTokenCount is null ? null : counted.Prompt, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The client goes on sending; the consumer need not wait for it.
        }
        catch (Exception e) when (e is MeterException or ObjectDisposedException)
        {
            try { cap.NotSettled?.Invoke(generation, e); }
            catch (Exception) { } // nor by what a log has to say
        }
    }

    private static ChatResponseUpdate Cut(ChatResponseUpdate last, bool byCap) => new()
    {
        Role = last.Role,
        ResponseId = last.ResponseId,
        MessageId = last.MessageId,
        ModelId = last.ModelId,
        CreatedAt = last.CreatedAt,
        FinishReason = ChatFinishReason.Length,
        AdditionalProperties = byCap ? new() { [CutByCap] = "cap_reached" } : null,
    };
}

/// <summary>A generation, and what the model is asked for it.</summary>
/// <param name="ToldLess">its limit is lower than the request's own</param>
/// <param name="HoldsAll">all that it may generate is granted</param>
internal sealed record Metered(Generation Generation, ChatOptions Options, bool ToldLess, bool HoldsAll)
{
    /// <summary>It has generated as much as the request allows, whatever its cap has left.</summary>
    public bool IsAtLimit => Generation.Request.OutputTokensMax is > 0 and var most && Generation.Generated >= most;

    /// <summary>The model stopped at the limit that it was told, and that was lower than the one that was asked for.</summary>
    public bool WasCut(ChatFinishReason? finished) => ToldLess && finished == ChatFinishReason.Length;

    public FinishReason ReasonOf(ChatFinishReason? finished) =>
        finished != ChatFinishReason.Length ? FinishReason.Stop : ToldLess ? FinishReason.Cap : FinishReason.Length;

    public void Guess(int output)
    {
        try
        {
            Generation.Count(output);
        }
        catch (MeterException)
        {
            // It is said again when the generation is settled.
        }
    }
}

/// <summary>How the middleware is put in.</summary>
public static class TokenCapExtensions
{
    /// <summary>Meters every answer, and ends it where its subscription's cap does. Put it closest to the model, below caches, retries and loops of tools: each call that they make has a generation of its own.</summary>
    public static ChatClientBuilder UseTokenCap(this ChatClientBuilder builder, MeterClient meter, TokenCapOptions options) =>
        builder.Use(inner => new TokenCapChatClient(inner, meter, options));
}
