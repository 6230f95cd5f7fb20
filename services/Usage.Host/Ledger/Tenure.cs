using Usage.Host.Owners;

namespace Usage.Host.Ledger;

/// <summary>Another process has taken this shard: nothing decided here may be committed any more.</summary>
public sealed class EpochLostException(int shard, long mine, long current)
    : Exception($"shard {shard} was taken over by another instance (epoch {current}, this one has {mine})");

/// <summary>
/// The time for which this process holds one shard, under one epoch: its subscriptions are owned here, and here alone their rows and slabs
/// are written. It ends in good order, or because another process has taken a later epoch.
/// </summary>
public sealed class Tenure(int shard, long epoch)
{
    private readonly Lock _gate = new();
    private readonly HashSet<Outlet> _listening = [];
    private ShardWriter? _writer;
    private volatile bool _over;
    private bool _told;

    public int Shard { get; } = shard;
    public long Epoch { get; } = epoch;
    public ShardWriter Writer => _writer!;

    /// <summary>No turn is taken under it any more. Rows that were decided before may still be committed.</summary>
    public bool IsOver => _over;

    /// <summary>Why it was lost; null if it was not.</summary>
    public EpochLostException? Lost { get; private set; }

    /// <summary>Ends when the writer has committed all, or has given up.</summary>
    public Task Writing { get; private set; } = Task.CompletedTask;

    internal void Begin(ShardWriter writer, CancellationToken giveUp)
    {
        _writer = writer;
        Writing = Task.Run(() => writer.RunAsync(giveUp), CancellationToken.None);
        // At once, not when somebody looks: what is decided from here on could never be committed.
        _ = Writing.ContinueWith(
            t => Lose(t.Exception!.InnerException as EpochLostException), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    public void End() => _over = true;

    public void Lose(EpochLostException? why)
    {
        Lost ??= why;
        _over = true;
    }

    /// <exception cref="EpochLostException">Another process has taken the shard since.</exception>
    public void Check(long current)
    {
        if (current != Epoch) throw new EpochLostException(Shard, Epoch, current);
    }

    /// <summary>Whoever spoke when it was over already is told with the others: what was sent before them is acknowledged first.</summary>
    public void Listen(Outlet outlet)
    {
        lock (_gate)
        {
            if (!_told)
            {
                _listening.Add(outlet);
                return;
            }
        }
        outlet.OwnerMoved();
    }

    /// <summary>Tells every runtime that still expects an answer to go on where the owner is now.</summary>
    public void Tell()
    {
        lock (_gate) _told = true;
        foreach (var outlet in _listening) outlet.OwnerMoved();
    }
}
