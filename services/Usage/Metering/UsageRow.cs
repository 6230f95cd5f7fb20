using Usage.Caps;

namespace Usage.Metering;

/// <summary>
/// One decided chunk on its way to the ledger: sequence 0 carries the prompt, 1 and up what was generated. Decided once and never
/// changed, so that a retried commit writes the same bytes.
/// </summary>
public sealed class UsageRow
{
    public required Generation Generation { get; init; }
    public required long Sequence { get; init; }
    /// <summary>Increments that count as used, by kind.</summary>
    public required Tally Tokens { get; init; }
    /// <summary>Generated beyond any grant: recorded, never billed, never used.</summary>
    public required long OverrunTokens { get; init; }
    /// <summary>Generated tokens of the whole generation by kind after this row, overrun included.</summary>
    public required Tally Reported { get; init; }
    public required TermPeriod Period { get; init; }
    public required Guid Plan { get; init; }
    /// <summary>The runtime's time, or the time of receipt if it gave none; whole microseconds, as the table keeps them.</summary>
    public required DateTimeOffset At { get; init; }
    /// <summary>Business time of receipt: decides window and period.</summary>
    public required DateTimeOffset ReceivedAt { get; init; }
    public required long Content { get; init; }
    /// <summary>What a crash before the commit would make a successor forget: it must be covered by the slab.</summary>
    public required long ExposedTokens { get; init; }
    public FinishReason Finish { get; init; }
    public OpenWindow? FiveHours { get; init; }
    public OpenWindow? Week { get; init; }
    /// <summary>Thresholds of caps that were passed since the row before; set when the row goes to the ledger.</summary>
    public IReadOnlyList<ThresholdCrossing> Crossed { get; internal set; } = [];

    public static DateTimeOffset WholeMicroseconds(DateTimeOffset at) => new(at.UtcTicks - at.UtcTicks % TimeSpan.TicksPerMicrosecond, TimeSpan.Zero);
}
