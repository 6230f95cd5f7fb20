using System.Text.Json.Serialization;

namespace Billing.Operations;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
/// <summary>What somebody ordered of the service itself. One stream in a deployment.</summary>
public abstract record OperationEvent : AttributedEvent;

/// <summary>A parked message was to be taken again. Written before it is tried: what it brought, if it was taken, is in the streams that it speaks of.</summary>
/// <param name="Reason">why it was parked</param>
public sealed record ReplayOrdered(string MessageId, string Reason, DateTimeOffset At) : OperationEvent;

/// <summary>A parked message that nothing waits for is not listed any more. It is kept where it was.</summary>
/// <param name="Reason">why it was parked</param>
public sealed record MessageSetAside(string MessageId, string Reason, DateTimeOffset At) : OperationEvent;

/// <summary>A shard of usage that had stopped takes reports again.</summary>
/// <param name="Stopped">why it had stopped</param>
public sealed record ShardResumed(int Shard, string Stopped, DateTimeOffset At) : OperationEvent;

/// <summary>An API key was to be let in by billing. Written before it is; that it was is in the list of keys.</summary>
/// <param name="Name">by which it calls, as the actor where none is said</param>
/// <param name="CustomerId">whose own it sees; null where it is nobody's</param>
public sealed record KeyRegistrationOrdered(
    string KeyId, string Name, ValueList<string> Scopes, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? CustomerId, DateTimeOffset At) : OperationEvent;

/// <summary>An API key was to be let in no more. Written before it is.</summary>
public sealed record KeyRevocationOrdered(string KeyId, DateTimeOffset At) : OperationEvent;

/// <summary>Every view was made again from the events. In the same transaction.</summary>
/// <param name="Events">that were folded</param>
/// <param name="At">by the clock of the machine, for no service ran</param>
public sealed record ViewsRebuilt(long Events, DateTimeOffset At) : OperationEvent;

/// <summary>These books were raised from an export: everything before this was written elsewhere. In the same transaction, after it.</summary>
/// <param name="Events">that were imported</param>
/// <param name="LastSequence">of the last of them</param>
/// <param name="At">by the clock of the machine, for no service ran</param>
/// <param name="UnsealedEvents">of the events, those after the last page of seals that came with them: they are sealed here, and nothing vouches for what they were before. Null of an import that did not count them</param>
public sealed record BooksImported(
    long Events, long LastSequence, DateTimeOffset At, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? UnsealedEvents = null) : OperationEvent;

/// <summary>What was published begins again at the first event, when the service is started next. In the same transaction.</summary>
/// <param name="Publishers">by their names in the progress of the daemon</param>
/// <param name="At">by the clock of the machine, for no service ran</param>
public sealed record PublishingRestarted(ValueList<string> Publishers, DateTimeOffset At) : OperationEvent;

/// <summary>Nothing is decided on what was ordered before.</summary>
public sealed record OperationsState(long Version)
{
    public static readonly string StreamId = Ids.Derive("ops", DateTimeOffset.UnixEpoch, "operations");
    public static OperationsState Initial { get; } = new(0);

    public static OperationsState Evolve(OperationsState state, OperationEvent e) => e switch
    {
        ReplayOrdered or MessageSetAside or ShardResumed or KeyRegistrationOrdered or KeyRevocationOrdered or ViewsRebuilt or BooksImported or PublishingRestarted => new(state.Version + 1),
        _ => throw new System.Diagnostics.UnreachableException($"{e.GetType().Name} has no place among the operations"),
    };
}
