using Usage.Metering;

namespace Usage.Caps;

/// <summary>Both clocks at one decision: leases live in real time, windows and periods in business time.</summary>
public readonly record struct Moment(DateTimeOffset Real, DateTimeOffset Business)
{
    /// <summary>
    /// The latest time, not after <see cref="Real"/>, at which the owner is known to have been the owner. What a lease that has ended since
    /// then reserved stays reserved: if another owner has taken over unnoticed, it may have been used there, and must not be granted again here.
    /// </summary>
    public DateTimeOffset Confirmed { get; init; } = Real;
}

public enum OutcomeKind
{
    /// <summary>The runtime may generate up to <see cref="Outcome.Number"/> tokens in all, until <see cref="Outcome.When"/>.</summary>
    Granted,
    /// <summary>The generation may not start.</summary>
    Denied,
    /// <summary>Generate no further token.</summary>
    Stopped,
    /// <summary>The frame with sequence <see cref="Outcome.Number"/> was not counted.</summary>
    Rejected,
    /// <summary>A row for the ledger.</summary>
    Recorded,
    /// <summary>A committed sequence came again: compare <see cref="Outcome.Content"/> with the table and acknowledge, or refuse.</summary>
    Repeated,
    /// <summary>Already known, and committed up to <see cref="Outcome.Number"/>.</summary>
    Acknowledged,
    /// <summary>The same in answer to a Start: whoever comes back goes on where the generation stands.</summary>
    Resumed,
    /// <summary>Make a slab of <see cref="Outcome.Number"/> tokens durable until <see cref="Outcome.When"/> (real time), beside what the owner has inherited; then say so.</summary>
    SlabNeeded,
    /// <summary>The periods known have run out: ask billing, then change the terms or say that none came.</summary>
    TermsNeeded,
}

/// <summary>One consequence of a decision, for the host to carry out in order.</summary>
public readonly record struct Outcome(OutcomeKind Kind)
{
    public Generation? Generation { get; init; }
    public long Number { get; init; }
    public long Content { get; init; }
    public DateTimeOffset? When { get; init; }
    public bool Final { get; init; }
    /// <summary>Why not; of a final grant why no more will follow, and none if that is because all that was asked for is granted.</summary>
    public Refusal Why { get; init; }
    public CapWindow? Window { get; init; }
    public UsageRow? Row { get; init; }

    /// <summary>The grant of a generation as it stands.</summary>
    /// <param name="tokens">allowed from its beginning</param>
    public static Outcome Granting(Generation generation, long tokens, DateTimeOffset until) => new(OutcomeKind.Granted)
    {
        Generation = generation, Number = tokens, When = until, Final = generation.IsFinal,
        Why = generation.IsAllGranted ? default : generation.Ended?.Why ?? default, Window = generation.IsAllGranted ? null : generation.Ended?.Window,
    };
}

/// <summary>How grants and leases are cut.</summary>
/// <param name="ChunkTokens">a grant; it is renewed when less than half of it is unspent</param>
/// <param name="GrantTokensMax">the most that one generation holds at once</param>
/// <param name="Lease">how long a grant lives without a word from its runtime, real time</param>
/// <param name="GenerationsMax">running at once, for one subscription</param>
public sealed record MeterLimits(int ChunkTokens, long GrantTokensMax, TimeSpan Lease, int GenerationsMax)
{
    /// <summary>A slab lives two leases, and is renewed when one is left: a busy subscription writes one slab per lease.</summary>
    public TimeSpan SlabLease => Lease * 2;
    public const int SlabChunksMin = 4;

    /// <summary>Thresholds of caps per conversation are announced too; there may be very many.</summary>
    public bool AnnounceConversations { get; init; }

    /// <summary>One kind in one generation; more is a mistake of the runtime's.</summary>
    public const long CountMax = 1_000_000_000;
}
