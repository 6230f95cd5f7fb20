using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// Meters every answer of an <see cref="IChatClient"/>. Before the model is asked, its first tokens are held. A model that can get no more than
/// those is told so; updates are counted as they come, grants are renewed ahead of them, and the answer ends where no more are. At the end,
/// whichever it is, the provider's own counts are settled, with room for what was generated unseen.
/// </summary>
public sealed partial class TokenCapChatClient(IChatClient inner, MeterClient meter, TokenCapOptions cap) : DelegatingChatClient(inner)
{
    /// <summary>In the AdditionalProperties of an answer that its cap has cut: the meter's reason, such as cap_reached or subscription_paused; or client_closed.</summary>
    public const string CutByCap = "cut_by_cap";

    // The most that the meter takes for a count. A limit above it is none that a model could reach.
    private const int CountMax = 1_000_000_000;

    /// <exception cref="GenerationDeniedException">nothing may be generated; the model was not asked</exception>
    public override async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<ChatMessage> said = [.. messages];
        var metered = await StartAsync(said, options, cancellationToken).ConfigureAwait(false);
        // Of an answer that comes whole no more can be granted on the way, and none of it cut off: unless all of it is held, it is had as a stream.
        return await (metered.HoldsAll ? WholeAsync(said, metered, cancellationToken) : GatherAsync(said, metered, cancellationToken)).ConfigureAwait(false);
    }

    /// <exception cref="GenerationDeniedException">nothing may be generated; the model was not asked</exception>
    public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        StreamAsync([.. messages], options, cancellationToken);

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(IReadOnlyList<ChatMessage> said, ChatOptions? options, [EnumeratorCancellation] CancellationToken ct = default)
    {
        var metered = await StartAsync(said, options, ct).ConfigureAwait(false);
        await foreach (var update in StreamAsync(said, new Answer(metered), ct).ConfigureAwait(false)) yield return update;
    }

    private async Task<ChatResponse> GatherAsync(IReadOnlyList<ChatMessage> said, Metered metered, CancellationToken ct)
    {
        var answer = new Answer(metered);
        var response = await StreamAsync(said, answer, ct).ToChatResponseAsync(ct).ConfigureAwait(false);
        // The updates' counts were added up, and what is a total may not be.
        response.Usage = answer.Counts.Usage;
        if (response.Messages.Count > 0 && response.Messages[^1].AdditionalProperties?.TryGetValue(CutByCap, out var why) == true) (response.AdditionalProperties ??= [])[CutByCap] = why;
        return response;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(IReadOnlyList<ChatMessage> said, Answer answer, [EnumeratorCancellation] CancellationToken ct)
    {
        if (cap.DrainAbandoned <= TimeSpan.Zero)
        {
            try
            {
                await foreach (var update in ReadAsync(said, answer, ct).ConfigureAwait(false)) yield return update;
            }
            finally
            {
                await SettleAsync(answer).ConfigureAwait(false);
            }
            yield break;
        }
        // Whoever cancels ends his own wait, and not yet the model.
        var drain = new CancellationTokenSource();
        var updates = ReadAsync(said, answer, drain.Token).GetAsyncEnumerator(CancellationToken.None);
        var next = Task.FromResult(true);
        try
        {
            while (true)
            {
                ct.ThrowIfCancellationRequested();
                next = updates.MoveNextAsync().AsTask();
                if (!await next.WaitAsync(ct).ConfigureAwait(false)) break;
                yield return updates.Current;
            }
        }
        finally
        {
            var isLeft = !next.IsCompleted || next is { IsCompletedSuccessfully: true, Result: true };
            // Who leaves after the model's last word was answered: only its counts come after that.
            answer.IsAbandoned = isLeft && answer is { Finished: null, IsCut: false };
            // What is over is settled before its consumer goes on; who has gone away waits for nothing.
            if (isLeft) _ = Task.Run(() => DrainAsync(answer, updates, next, drain), CancellationToken.None);
            else await DrainAsync(answer, updates, next, drain).ConfigureAwait(false);
        }
    }

    /// <summary>Counts updates as they come and ends where no more is granted.</summary>
    private async IAsyncEnumerable<ChatResponseUpdate> ReadAsync(IReadOnlyList<ChatMessage> said, Answer answer, [EnumeratorCancellation] CancellationToken ct)
    {
        var metered = answer.Metered;
        await foreach (var update in base.GetStreamingResponseAsync(said, metered.Options, ct).ConfigureAwait(false))
        {
            if (answer.IsSettled) yield break;
            if (!await CountAsync(answer, update, ct).ConfigureAwait(false))
            {
                (answer.Reason, answer.IsCut) = (metered.IsAtLimit ? FinishReason.Length : FinishReason.Cap, true);
                yield return Cut(update, metered.IsAtLimit ? null : metered.WhyCut);
                yield break;
            }
            answer.Finished = update.FinishReason ?? answer.Finished;
            if (update.FinishReason is not null && metered.WasCut(answer.Finished)) (update.AdditionalProperties ??= [])[CutByCap] = metered.WhyCut;
            yield return update;
        }
        answer.Reason = metered.ReasonOf(answer.Finished);
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
    private static ValueTask<bool> CountAsync(Answer answer, ChatResponseUpdate update, CancellationToken ct)
    {
        var (metered, counts) = (answer.Metered, answer.Counts);
        var generated = counts.Take(update);
        metered.Generation.Expect(metered.Before + counts.Expected - metered.Generation.Generated);
        if (!generated) return new(true);
        // The model is done: what its provider says now is settled, and cuts off nothing that was generated.
        var (output, reasoning) = (answer.Finished ?? update.FinishReason) is not null ? counts.Seen : counts.SoFar;
        return metered.Generation.CountToAsync(output, reasoning, ct);
    }

    private Task SettleAsync(Answer answer)
    {
        answer.IsSettled = true;
        var (counts, usage) = (answer.Counts, answer.Counts.Usage);
        var interrupted = answer.Reason == FinishReason.Abort;
        // What was cut off is given to nobody; only its provider may know better.
        var (output, reasoning) = answer.IsCut ? counts.Said(usage) : counts.AtTheEnd(usage, interrupted);
        var isWhole = !answer.IsCut && !interrupted && usage?.OutputTokenCount is not null && counts.IsCountedAtTheEnd;
        return SettleAsync(answer.Metered.Generation, answer.IsAbandoned ? FinishReason.Abort : answer.Reason, output, reasoning, usage, isWhole);
    }

    /// <summary>Whatever becomes of it, the answer is the model's, or its exception is: neither is replaced by what the meter has to say.</summary>
    private async Task SettleAsync(Generation generation, FinishReason reason, long output, long reasoning, UsageDetails? usage, bool isWhole)
    {
        // The prompt was said before the provider had counted it. Without input in its counts it has said nothing about it.
        PromptTokens? prompt = usage?.InputTokenCount is null ? null : DisjointKinds.Of(usage).Prompt;
        using var patience = new CancellationTokenSource(cap.SettleWithin);
        // The consumer need not wait longer than that. The client goes on sending, and what is refused yet is told.
        await Task.WhenAny(SettledAsync(patience.Token), Task.Delay(Timeout.Infinite, patience.Token)).ConfigureAwait(false);

        async Task SettledAsync(CancellationToken ct)
        {
            try
            {
                await generation.SettleAsync(reason, output, reasoning, prompt, isWhole, ct).ConfigureAwait(false);
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

/// <summary>What has come of an answer, and how it has ended as far as is known.</summary>
internal sealed class Answer(Metered metered)
{
    public Metered Metered { get; } = metered;
    public AnswerCounts Counts { get; } = new();

    /// <summary>The model's own word that it is done.</summary>
    public ChatFinishReason? Finished { get; set; }

    /// <summary>As long as nothing else is known nobody reads on, or the provider has failed.</summary>
    public FinishReason Reason { get; set; } = FinishReason.Abort;

    public bool IsCut { get; set; }

    /// <summary>Whoever asked had not all of it.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>What comes yet is too late.</summary>
    public bool IsSettled { get; set; }
}

/// <summary>How the middleware is put in.</summary>
public static class TokenCapExtensions
{
    /// <summary>Meters every answer, and ends it where its subscription's cap does. Put it closest to the model, below caches, retries and loops of tools: each call that they make has a generation of its own.</summary>
    public static ChatClientBuilder UseTokenCap(this ChatClientBuilder builder, MeterClient meter, TokenCapOptions options) =>
        builder.Use(inner => new TokenCapChatClient(inner, meter, options));
}
