namespace RuntimeClient;

/// <summary>Tokens of a prompt, in disjoint kinds: <paramref name="Input"/> is without what a cache served or stored.</summary>
public readonly record struct PromptTokens(long Input, long CachedInput = 0, long CacheCreation = 0);

/// <summary>What is said once, when a generation starts. The same id with other content is refused.</summary>
public sealed record GenerationRequest
{
    /// <summary>gen_…, from <see cref="GenerationId"/>: minted once, kept over every retry.</summary>
    public required string Id { get; init; }

    /// <summary>sub_…</summary>
    public required string Subscription { get; init; }

    /// <summary>The seller's own name of the conversation, 1 to 128 bytes.</summary>
    public required string Conversation { get; init; }

    /// <summary>1 to 128 bytes.</summary>
    public required string Model { get; init; }

    public PromptTokens Prompt { get; init; }

    /// <summary>The most that this request may generate, output and reasoning; 0 is no limit of its own.</summary>
    public long OutputTokensMax { get; init; }

    /// <summary>Hold so many tokens from the start, or what is left; 0 is the meter's chunk. For a model that must be told its limit before it begins.</summary>
    public long TokensWanted { get; init; }

    /// <summary>
    /// An earlier attempt with this id was granted tokens, as far as its producer knows: say it when a request comes back after a crash. If the meter was lost as well and there is no room any
    /// more, the generation is then not denied but begins without room, so that what was generated can be settled.
    /// </summary>
    public bool WasGranted { get; init; }
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model was done: the user is answered.</summary>
    Stop = 1,

    /// <summary>The request's or the model's own limit.</summary>
    Length = 2,

    /// <summary>No further token was granted.</summary>
    Cap = 3,

    /// <summary>The client went away, or the runtime failed.</summary>
    Abort = 4,
}
