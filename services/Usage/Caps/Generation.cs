using Usage.Metering;

namespace Usage.Caps;

public enum CountMode { Cumulative = 0, Increment = 1 }

/// <summary>Why a generation ended, as the runtime says it. None while it runs.</summary>
public enum FinishReason { None = 0, Stop = 1, Length = 2, Cap = 3, Abort = 4 }

/// <summary>What a Start says. Two Starts of one id must say the same.</summary>
public sealed record GenerationHeader(
    Guid Id, Guid Subscription, string Conversation, string Model, Tally Prompt, long OutputTokensMax, CountMode Mode)
{
    public long Content { get; } = ContentDigest.OfStart(Subscription, Conversation, Model, Prompt, OutputTokensMax, Mode);
}

/// <summary>Where a generation stands in the tables.</summary>
/// <param name="Reported">generated tokens by kind as the runtime counts them, overrun included</param>
public readonly record struct RecordedGeneration(long LastSequence, Tally Reported, Tally Counted, long OverrunTokens, FinishReason Finish);

/// <summary>Why a generation is granted no more.</summary>
/// <param name="Window">of the cap that is reached, if that is why</param>
public readonly record struct Ending(Refusal Why, CapWindow? Window = null);

/// <summary>One generation and the reservation it holds. Changed by its owner only.</summary>
public sealed class Generation
{
    private readonly Queue<long> _undurable = new();

    /// <param name="inherited">a lost owner may have granted it tokens that are not known here</param>
    public Generation(GenerationHeader header, Conversation conversation, bool inherited) =>
        (Header, Conversation, NextSequence, DurableSequence, Inherited) = (header, conversation, 1, -1, inherited);

    /// <summary>As it stands in the tables, after its owner was lost: what had been granted is no longer known.</summary>
    public Generation(GenerationHeader header, Conversation conversation, in RecordedGeneration recorded)
    {
        (Header, Conversation, Inherited, Started) = (header, conversation, true, true);
        (NextSequence, DurableSequence) = (recorded.LastSequence + 1, recorded.LastSequence);
        (Reported, Counted, OverrunTokens, Finish) = (recorded.Reported, recorded.Counted, recorded.OverrunTokens, recorded.Finish);
    }

    public GenerationHeader Header { get; }
    public Conversation Conversation { get; }
    public Guid Id => Header.Id;

    /// <summary>Whom the host answers; the owner never looks at it.</summary>
    public object? Route { get; set; }

    public long NextSequence { get; private set; }
    /// <summary>Everything up to here is committed; -1 before the prompt's own row.</summary>
    public long DurableSequence { get; private set; }
    public bool AllDurable => _undurable.Count == 0;

    /// <summary>Generated tokens by kind as the runtime counts them, overrun included.</summary>
    public Tally Reported { get; internal set; }
    public Tally Counted { get; internal set; }
    public long OverrunTokens { get; internal set; }
    public long GeneratedTokens => Counted.Generated + OverrunTokens;

    /// <summary>Granted and not yet reported: what this generation reserves in every window.</summary>
    public long Held { get; internal set; }
    /// <summary>What the last grant that went out allowed, counted from the beginning.</summary>
    public long Told { get; internal set; }
    /// <summary>Granted once, released when the lease ended. A late report may still claim it where room is left.</summary>
    public long Lapsed { get; internal set; }
    public DateTimeOffset ExpiresAt { get; internal set; }
    /// <summary>Reserved but not told yet: the slab that must cover it is not durable.</summary>
    public bool Withheld { get; internal set; }
    /// <summary>Wants more than could be granted so far.</summary>
    public bool Waiting { get; internal set; }
    public long Wanted { get; internal set; }
    /// <summary>Why no further grant will come, once that is decided.</summary>
    public Ending? Ended { get; internal set; }
    public bool IsEnded => Ended is not null;
    /// <summary>All that was asked for is granted, or no more can be.</summary>
    public bool IsFinal => IsEnded || IsAllGranted;
    public bool IsAllGranted => Header.OutputTokensMax > 0 && GeneratedTokens + Held >= Header.OutputTokensMax;
    public bool Stopped { get; internal set; }
    /// <summary>Tokens of its prompt that a successor would have to know of, until they are committed.</summary>
    public long ExposedPrompt { get; internal set; }
    /// <summary>Recorded with the first grant; null once it is in the tables, where it was loaded from.</summary>
    public UsageRow? PromptRow { get; internal set; }
    /// <summary>Its first grant went out, and with it the row of its prompt.</summary>
    public bool Started { get; internal set; }
    public bool Inherited { get; }
    /// <summary>The tables have another generation of this id: none of its rows counts.</summary>
    public bool IsTaken { get; internal set; }
    public FinishReason Finish { get; internal set; }
    public bool Finished => Finish != FinishReason.None;

    internal void Sent(long content)
    {
        _undurable.Enqueue(content);
        NextSequence++;
    }

    internal void SentPrompt(long content)
    {
        _undurable.Enqueue(content);
        Started = true;
    }

    /// <summary>The content of a sequence that is decided and not yet committed; null for one that is committed.</summary>
    public long? UndurableContent(long sequence)
    {
        var index = sequence - DurableSequence - 1;
        if (index < 0) return null;
        foreach (var content in _undurable)
            if (index-- == 0) return content;
        return null;
    }

    internal void Durable(long sequence)
    {
        for (; DurableSequence < sequence; DurableSequence++) _undurable.Dequeue();
    }
}
