using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// Meters every answer of an <see cref="IChatClient"/>. Before the model is asked, as many tokens are held as it may generate, and it is told
/// no higher limit than was granted; updates are counted as they come, and the answer ends where the grant does. At the end, whichever it is,
/// the provider's own counts are settled.
/// </summary>
public sealed class TokenCapChatClient(IChatClient inner, MeterClient meter, TokenCapOptions cap) : DelegatingChatClient(inner)
{
    /// <summary>In the AdditionalProperties of an answer that its cap has cut: which reason the meter gave.</summary>
    public const string CutByCap = "cut_by_cap";

    /// <exception cref="GenerationDeniedException">nothing may be generated; the model was not asked</exception>
    public override async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<ChatMessage> said = [.. messages];
        var (generation, limited) = await StartAsync(said, options, cancellationToken).ConfigureAwait(false);
        ChatResponse? response = null;
        try
        {
            response = await base.GetResponseAsync(said, limited, cancellationToken).ConfigureAwait(false);
            // A provider that counts nothing is taken by the length of its answer.
            if (response.Usage is null) generation.Count((response.Text.Length + 3) / 4);
            if (WasCut(response.FinishReason, generation)) (response.AdditionalProperties ??= [])[CutByCap] = "cap_reached";
            return response;
        }
        finally
        {
            await SettleAsync(generation, response?.Usage, response is null ? FinishReason.Abort : ReasonOf(response.FinishReason, generation)).ConfigureAwait(false);
        }
    }

    /// <exception cref="GenerationDeniedException">nothing may be generated; the model was not asked</exception>
    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        IReadOnlyList<ChatMessage> said = [.. messages];
        var (generation, limited) = await StartAsync(said, options, cancellationToken).ConfigureAwait(false);
        UsageDetails? usage = null;
        // As long as nothing else is known the consumer has gone away, or the provider has failed.
        var reason = FinishReason.Abort;
        try
        {
            ChatFinishReason? finished = null;
            await foreach (var update in base.GetStreamingResponseAsync(said, limited, cancellationToken).ConfigureAwait(false))
            {
                foreach (var content in update.Contents.OfType<UsageContent>()) (usage ??= new()).Add(content.Details);
                if (!await CountAsync(generation, update, cancellationToken).ConfigureAwait(false))
                {
                    reason = FinishReason.Cap;
                    yield return Cut(update);
                    yield break;
                }
                finished = update.FinishReason ?? finished;
                if (update.FinishReason is not null && WasCut(finished, generation)) (update.AdditionalProperties ??= [])[CutByCap] = "cap_reached";
                yield return update;
            }
            reason = ReasonOf(finished, generation);
        }
        finally
        {
            await SettleAsync(generation, usage, reason).ConfigureAwait(false);
        }
    }

    private async Task<(Generation, ChatOptions)> StartAsync(IReadOnlyList<ChatMessage> messages, ChatOptions? options, CancellationToken ct)
    {
        var caller = cap.Caller(messages, options);
        var limited = options?.Clone() ?? new();
        var wanted = limited.MaxOutputTokens is > 0 and var most ? most : cap.OutputTokensDefault;
        var generation = await meter.StartAsync(new()
        {
            Id = caller.GenerationId,
            Subscription = caller.Subscription,
            Conversation = caller.Conversation,
            Model = limited.ModelId ?? (GetService(typeof(ChatClientMetadata)) as ChatClientMetadata)?.DefaultModelId ?? cap.Model,
            Prompt = new(cap.CountPrompt(messages)),
            OutputTokensMax = wanted,
            TokensWanted = wanted,
        }, ct).ConfigureAwait(false);
        if (await generation.RoomAsync(ct).ConfigureAwait(false) is > 0 and var room)
        {
            limited.MaxOutputTokens = (int)Math.Min(wanted, room);
            return (generation, limited);
        }
        await generation.FinishAsync(FinishReason.Cap, ct).ConfigureAwait(false);
        throw new GenerationDeniedException(generation.StopReason ?? "generation_finished", $"{generation.Id} has no token left to generate", "", null);
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
    }

    /// <summary>The model stopped at the limit that it was told, and that was lower than the one that was asked for.</summary>
    private static bool WasCut(ChatFinishReason? finished, Generation generation) =>
        finished == ChatFinishReason.Length && generation.FirstGrant < generation.Request.OutputTokensMax;

    private static FinishReason ReasonOf(ChatFinishReason? finished, Generation generation) =>
        finished != ChatFinishReason.Length ? FinishReason.Stop : WasCut(finished, generation) ? FinishReason.Cap : FinishReason.Length;

    private static ChatResponseUpdate Cut(ChatResponseUpdate last) => new()
    {
        Role = last.Role,
        ResponseId = last.ResponseId,
        MessageId = last.MessageId,
        ModelId = last.ModelId,
        CreatedAt = last.CreatedAt,
        FinishReason = ChatFinishReason.Length,
        AdditionalProperties = new() { [CutByCap] = "cap_reached" },
    };
}

/// <summary>How the middleware is put in.</summary>
public static class TokenCapExtensions
{
    /// <summary>Meters every answer, and ends it where its subscription's cap does. Put it closest to the model, below caches and retries of others.</summary>
    public static ChatClientBuilder UseTokenCap(this ChatClientBuilder builder, MeterClient meter, TokenCapOptions options) =>
        builder.Use(inner => new TokenCapChatClient(inner, meter, options));
}
