using Contracts.Usage.V1;
using Usage.Caps;

namespace Usage.Host.Owners;

/// <summary>Whom a generation's answers go to: a stream, or a unary call that waits.</summary>
public abstract class Outlet
{
    private static long _opened;
    private readonly Lock _gate = new();
    private Task _tracked = Task.CompletedTask;

    /// <summary>Counts up: of two outlets the larger is the younger.</summary>
    public long Opened { get; } = Interlocked.Increment(ref _opened);

    /// <summary>Whoever listened is gone, or has heard all that was asked.</summary>
    public abstract bool IsClosed { get; }

    public abstract void Send(MeterFrame frame);

    /// <summary>An answer that is still being looked up.</summary>
    public void Track(Task answer)
    {
        lock (_gate) _tracked = _tracked.IsCompleted ? answer : Task.WhenAll(_tracked, answer);
    }

    public Task TrackedAsync()
    {
        lock (_gate) return _tracked;
    }
}

/// <summary>What the host keeps of a generation beside its owner's state.</summary>
public sealed class Route(OwnerCell cell, Outlet outlet)
{
    public OwnerCell Cell { get; } = cell;
    /// <summary>The youngest open one that spoke for this generation. Read and written inside the cell's gate.</summary>
    public Outlet Outlet { get; set; } = outlet;
}

/// <summary>One subscription's owner in this process. Every turn is taken inside the gate; nothing in it waits.</summary>
public sealed class OwnerCell(SubscriptionOwner owner, int shard)
{
    public Lock Gate { get; } = new();
    public SubscriptionOwner Owner { get; } = owner;
    public int Shard { get; } = shard;
    /// <summary>Consequences of the turn being taken; empty between turns.</summary>
    internal List<Outcome> Outcomes { get; } = [];
    internal bool Loaded { get; set; }
    /// <summary>Calls under way that have read the tables and not yet taken their turn: they must find what they read.</summary>
    internal int Pins { get; set; }
    internal int UncommittedRows { get; set; }
    internal bool Evicted { get; set; }
    internal bool AskingForTerms { get; set; }
    internal DateTimeOffset LastTurn { get; set; }
}
