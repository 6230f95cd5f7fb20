using Usage.Host.Cluster;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>An instance that was told that it is alone has met another one. To take the shard back would go on for ever.</summary>
public sealed class NotAloneException(string how) : Exception($"{how}, and this one was told that it is alone: to run several, set Usage__Cluster__Mode=Postgres for each");

/// <summary>
/// Brings what this process holds and what is its home together: takes every shard whose home it is, before anybody asks for it, so that
/// rows are reported and reports published though their instance has died; and hands over, in good order, one that has a new home.
/// </summary>
public sealed class ShardKeeper(
    ShardHolders holders, LedgerWriters ledger, OwnerDirectory owners, SlabWriter slabs, UsagePublisher publisher, Instances instances, ILogger<ShardKeeper> log) : IDisposable
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100), ConfirmEvery = TimeSpan.FromSeconds(1);
    // A holder that lives and does not leave has lost its database or its mind; its epoch keeps it from doing harm.
    private static readonly TimeSpan WaitsForHolder = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PublishRestWithin = TimeSpan.FromSeconds(3);
    private readonly CancellationTokenSource _giveUp = new();

    /// <summary>All shards whose home this is are held.</summary>
    public bool HoldsItsOwn => Enumerable.Range(0, ledger.Shards).All(shard => !instances.IsHome(shard) || ledger.Find(shard) is not null);

    /// <summary>Ends writers with rows still queued: the last resort of a shutdown.</summary>
    public void GiveUp() => _giveUp.Cancel();

    public void Dispose() => _giveUp.Dispose();

    /// <summary>Runs until stopped, then leaves every shard in good order.</summary>
    /// <param name="failed">told at once when a shard cannot be kept: NotAloneException by a lone instance that has met another</param>
    public Task RunAsync(Action<Exception> failed, CancellationToken stopping) => Task.WhenAll(Enumerable.Range(0, ledger.Shards).Select(shard => Task.Run(async () =>
    {
        try { await KeepAsync(shard, stopping); }
        catch (Exception e) { failed(e); }
    }, CancellationToken.None)));

    private async Task KeepAsync(int shard, CancellationToken stopping)
    {
        var waitingSince = TimeSpan.Zero;
        for (var backoff = Backoff.Start; !stopping.IsCancellationRequested;)
        {
            try
            {
                var asked = TimeProvider.System.GetUtcNow();
                if (!instances.IsHome(shard)) waitingSince = TimeSpan.Zero;
                else if (await holders.TakeAsync(shard, instances.Me, holder => waitingSince < WaitsForHolder && instances.MayLive(holder), stopping) is { } epoch)
                {
                    waitingSince = TimeSpan.Zero;
                    await HoldAsync(shard, epoch, asked, stopping);
                }
                else waitingSince += LookAgain;
                backoff = Backoff.Start;
                await Task.Delay(LookAgain, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            // A call that was broken off by nobody here is one that did not come through.
            catch (Exception e) when (StoreFailure.Is(e) || e is OperationCanceledException)
            {
                log.LogWarning("shard {Shard} waits for the database: {Cause}", shard, StoreFailure.Cause(e));
                await Task.Delay(backoff.Delay, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                backoff = backoff.Next;
            }
        }
    }

    private async Task HoldAsync(int shard, long epoch, DateTimeOffset asked, CancellationToken stopping)
    {
        var tenure = ledger.Begin(shard, epoch, owners.Committed, _giveUp.Token);
        tenure.Confirm(asked);
        using var ended = new CancellationTokenSource();
        var confirming = ConfirmAsync(tenure, ended.Token);
        var publishing = publisher.RunAsync(shard, ended.Token);
        log.LogInformation("shard {Shard} is held here, epoch {Epoch}", shard, epoch);
        while (!stopping.IsCancellationRequested && instances.IsHome(shard) && !tenure.IsOver)
            await Task.Delay(LookAgain, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // From here on Pin finds nobody: new turns are taken elsewhere. Evicting waits for those that are being taken.
        tenure.End();
        var evicted = owners.Evict(tenure);
        tenure.Writer.Complete();
        try { await LeaveAsync(tenure, evicted, publishing, ended, stopping.IsCancellationRequested); }
        catch (Exception e) when (tenure.Lost is not null || e is EpochLostException) { tenure.Lose(e as EpochLostException); }
        catch (Exception e) when (StoreFailure.Is(e) || e is OperationCanceledException)
        {
            log.LogWarning("shard {Shard} was left in disorder: {Cause}; what is not acknowledged will be sent again, slabs end with their leases", shard, e.Message);
        }
        finally
        {
            await ended.CancelAsync();
            await confirming;
            owners.Release(tenure);
            ledger.Remove(tenure);
        }
        if (tenure.Lost is not { } lost) return;
        if (!instances.IsClustered) throw new NotAloneException(lost.Message);
        log.LogWarning("{Cause}: it is let go here", lost.Message);
        await instances.RefreshAsync();
    }

    /// <summary>
    /// Asks whether the shard is still held here. Leases end for its owners only as far as that is known; and a process that slept while
    /// another one held the shard learns of it even if nothing is written.
    /// </summary>
    private async Task ConfirmAsync(Tenure tenure, CancellationToken ended)
    {
        while (!ended.IsCancellationRequested && !tenure.IsOver)
        {
            await Task.Delay(ConfirmEvery, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                var asked = TimeProvider.System.GetUtcNow();
                tenure.Check(await holders.EpochAsync(tenure.Shard, ended));
                tenure.Confirm(asked);
            }
            catch (EpochLostException e) { tenure.Lose(e); }
            catch (Exception e) when (StoreFailure.Is(e) || e is OperationCanceledException)
            {
                // Asked again soon. Until then what leases reserved stays reserved.
            }
            catch (Exception e)
            {
                // Whatever it is: were it not asked again, no lease of this shard would ever end.
                log.LogError(e, "shard {Shard}: it could not be asked who holds it; asked again", tenure.Shard);
            }
        }
    }

    /// <summary>Commits, reports, and leaves behind exactly what is out, so that a successor need not count a whole slab as reserved.</summary>
    private async Task LeaveAsync(Tenure tenure, IReadOnlyList<OwnerCell> evicted, Task publishing, CancellationTokenSource ended, bool stopping)
    {
        if (tenure.Lost is null) await tenure.Writing;
        await ended.CancelAsync();
        await publishing;
        if (tenure.Lost is not null) return;
        // A slab that was asked for before must not be written after what is left of it.
        await slabs.FlushAsync().WaitAsync(_giveUp.Token);
        await slabs.LeaveAsync(tenure, owners.Remainders(evicted), _giveUp.Token);
        await holders.LeaveAsync(tenure, _giveUp.Token);
        if (stopping) await PublishRestAsync(tenure.Shard);
        log.LogInformation("shard {Shard} was left in good order", tenure.Shard);
    }

    private async Task PublishRestAsync(int shard)
    {
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(_giveUp.Token);
        soon.CancelAfter(PublishRestWithin);
        try { await publisher.PublishRestAsync(shard, soon.Token); }
        catch (Exception e) { log.LogWarning("while stopping: {Cause}; reports of shard {Shard} are durable and will be published at the next start", e.Message, shard); }
    }
}
