namespace Billing.Operations;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
/// <summary>What somebody ordered of the service itself. One stream in a deployment.</summary>
public abstract record OperationEvent : AttributedEvent;

/// <summary>A parked message was to be taken again. Written before it is tried: what it brought, if it was taken, is in the streams that it speaks of.</summary>
/// <param name="Reason">why it was parked</param>
public sealed record ReplayOrdered(string MessageId, string Reason, DateTimeOffset At) : OperationEvent;

/// <summary>A shard of usage that had stopped takes reports again.</summary>
/// <param name="Stopped">why it had stopped</param>
public sealed record ShardResumed(int Shard, string Stopped, DateTimeOffset At) : OperationEvent;

/// <summary>Nothing is decided on what was ordered before.</summary>
public sealed record OperationsState(long Version)
{
    public static readonly string StreamId = Ids.Derive("ops", DateTimeOffset.UnixEpoch, "operations");
    public static OperationsState Initial { get; } = new(0);

    public static OperationsState Evolve(OperationsState state, OperationEvent e) => e switch
    {
        ReplayOrdered or ShardResumed => new(state.Version + 1),
        _ => throw new System.Diagnostics.UnreachableException($"{e.GetType().Name} has no place among the operations"),
    };
}
