using Microsoft.Extensions.Options;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>The writers of all shards. Started once the database has answered.</summary>
public sealed class LedgerWriters(
    UsageStore store, Epochs epochs, Partitions partitions, BusinessClock clock, UsageMetrics metrics, IOptions<UsageOptions> options, ILogger<LedgerWriters> log)
{
    private ShardWriter[] _writers = [];
    private Task _running = Task.CompletedTask;

    /// <summary>A shard has a new report to publish.</summary>
    public event Action<int>? ReportCut;

    public int Shards => _writers.Length;
    public ShardWriter this[int shard] => _writers[shard];

    /// <summary>Rows decided and not committed, by shard.</summary>
    public IEnumerable<(int Shard, long Rows)> Waiting() => _writers.Select((w, shard) => (shard, (long)w.Waiting));

    public int ShardOf(Guid subscription) => Metering.Shards.Of(subscription, _writers.Length);

    /// <param name="committed">told of every commit, on the writer's own task</param>
    /// <param name="giveUp">ends the writers with rows still queued: the last resort of a shutdown</param>
    public Task StartAsync(Action<ShardCommit> committed, CancellationToken giveUp)
    {
        _writers = [.. Enumerable.Range(0, epochs.Shards).Select(shard => new ShardWriter(
            shard, new LedgerCommit(shard, store, epochs, partitions, clock, metrics), options.Value, commit =>
            {
                committed(commit);
                if (commit.ReportCut) ReportCut?.Invoke(shard);
            }, log))];
        _running = Task.WhenAll(_writers.Select(w => Task.Run(() => w.RunAsync(giveUp), CancellationToken.None)));
        return _running;
    }

    /// <summary>The heads of all shards, after a report that covers everything queued before the call.</summary>
    public Task<ShardHead[]> CutAsync() =>
        _writers.Length == 0 ? throw new StoreNotReadyException() : Task.WhenAll(_writers.Select(w => w.FlushAsync(cut: true)));

    /// <summary>Commits and reports what is queued, then ends.</summary>
    public async Task DrainAsync()
    {
        foreach (var writer in _writers) writer.Complete();
        await _running;
    }
}
