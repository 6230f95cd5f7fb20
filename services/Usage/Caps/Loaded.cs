using Usage.Metering;

namespace Usage.Caps;

/// <summary>What the tables know of a subscription, one of its conversations and one generation.</summary>
public sealed class Loaded
{
    public SubscriptionTerms? Terms { get; set; }
    public List<(Guid Period, Tally Used)> Periods { get; } = [];
    public List<(OpenWindow Window, Tally Used)> Windows { get; } = [];
    /// <summary>What its last owner had promised, and under which epoch.</summary>
    public (long Epoch, IReadOnlyList<InheritedSlab> Tokens)? Slab { get; set; }
    public Tally ConversationUsed { get; set; }
    public (GenerationHeader Header, RecordedGeneration Recorded)? Generation { get; set; }
    /// <summary>The highest id in the tables, of any subscription, that is not ahead of time; empty if there is none.</summary>
    public Guid LastGeneration { get; set; }
    /// <summary>This subscription's ids that are higher: of runtimes whose clocks are ahead.</summary>
    public List<Guid> GenerationsAhead { get; } = [];
}

/// <summary>What the tables have under the key of a frame that is not the next one of a generation in memory.</summary>
/// <param name="Content">of the row with this key; null if there is none</param>
/// <param name="LastSequence">of the generation; null if it is not in the tables</param>
/// <param name="Subscription">of the generation</param>
public readonly record struct StoredSequence(long? Content, long? LastSequence, FinishReason Finish, Guid Subscription)
{
    /// <summary>Its owner may know better.</summary>
    public bool IsUnfinished => LastSequence is not null && Content is null && Finish == FinishReason.None;

    /// <summary>Why a frame of this content is not counted; null for a repeat of what is recorded, which is acknowledged up to <see cref="LastSequence"/>.</summary>
    public Refusal? Refusing(long content)
    {
        if (LastSequence is null) return new(Reasons.GenerationUnknown, "no such generation; send its Start first");
        if (Content is { } original)
            return original == content ? null : new(Reasons.SequenceReused, "this sequence was sent with other content; the first one counts");
        return Finish != FinishReason.None
            ? new(Reasons.GenerationFinished, "the generation is finished; a new one takes a new id")
            : new(Reasons.GenerationUnknown, "the generation is not running here; send its Start again, then what is not acknowledged");
    }
}
