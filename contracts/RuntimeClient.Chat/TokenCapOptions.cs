using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>Whose request it is.</summary>
/// <param name="Subscription">sub_…</param>
/// <param name="Conversation">the seller's own name of it, 1 to 128 bytes</param>
/// <param name="GenerationId">
/// from <see cref="RuntimeClient.GenerationId"/>, one for each call of the model. What is above the middleware and calls again, such as a loop of tools or a retry, makes a call of its own, which is
/// metered by itself: derive the id from the request and the number of the call. The same id again is for whoever comes back after a crash in the middle of that call.
/// </param>
public sealed record TokenCaller(string Subscription, string Conversation, string GenerationId);

/// <summary>How answers are metered.</summary>
public sealed record TokenCapOptions
{
    /// <summary>Says whose request this is; called once for each.</summary>
    public required Func<IReadOnlyList<ChatMessage>, ChatOptions?, TokenCaller> Caller { get; init; }

    /// <summary>
    /// The limit of a request that names no MaxOutputTokens, told to the model. Default none: an answer is as long as its model makes it, more
    /// being granted as it comes, until its cap ends it.
    /// </summary>
    public int? OutputTokensDefault { get; init; }

    /// <summary>
    /// Tokens held from the start of an answer. Default 256: what an answer will need is granted as it comes, so that nobody is refused for what
    /// others might generate and mostly do not. What is not generated is given back when it ends.
    /// </summary>
    public int TokensHeld { get; init; } = 256;

    /// <summary>
    /// Hold all that a request may generate before its model is asked, and tell the model what is left if that is less. Then nothing is generated
    /// beyond a cap unseen, and whole answers need no stream; but requests are refused for what others hold and will not use. Default false.
    /// </summary>
    public bool HoldsLimit { get; init; }

    /// <summary>The model's name where the request has none.</summary>
    public string Model { get; init; } = "unnamed";

    /// <summary>Tokens of a prompt, before the provider has counted them. Default a quarter of its characters; the provider's count corrects it.</summary>
    public Func<IReadOnlyList<ChatMessage>, long> CountPrompt { get; init; } = messages => (messages.Sum(m => (long)m.Text.Length) + 3) / 4;

    /// <summary>How long the end of an answer waits until it is committed. Default 5 s; after that it is sent on in the background.</summary>
    public TimeSpan SettleWithin { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long an answer whose consumer has gone away, or cancelled, is read on in the background: as far as tokens are granted, up to its provider's counts, which alone know of hidden
    /// reasoning. Then the model generates on for nobody, and that is billed as well. Default none: the model is stopped, and what came is settled.
    /// </summary>
    public TimeSpan DrainAbandoned { get; init; }

    /// <summary>
    /// Called when the meter has refused what an answer came to, after the answer was given, be it long after: for a log. The reason is in the exception, a <see cref="MeterException"/>; that is
    /// unacknowledged for what disposing the client has given up, which its request settles if it comes again with the same id, and settled_late for what became known after that had ended it: correct it by hand.
    /// </summary>
    public Action<Generation, Exception>? NotSettled { get; init; }
}
