using Microsoft.Extensions.Options;
using Usage.Host.Owners;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>The shards that this process holds, and their writers.</summary>
public sealed class LedgerWriters(
    UsageStore store, Partitions partitions, BusinessClock clock, UsageMetrics metrics, IOptions<UsageOptions> options, ILogger<LedgerWriters> log) : IDisposable
{
    private readonly SemaphoreSlim _turns = new(options.Value.CommitsAtOnceMax);
    private readonly Tenure?[] _tenures = new Tenure?[options.Value.Shards];

    /// <summary>A shard has a new report to publish.</summary>
    public event Action<int>? ReportCut;

    public int Shards => _tenures.Length;

    /// <summary>Rows decided and not committed, by shard that is held here.</summary>
    public IEnumerable<(int Shard, long Rows)> Waiting() => _tenures.OfType<Tenure>().Select(t => (t.Shard, (long)t.Writer.Waiting));

    /// <summary>The writer of a shard that is held here.</summary>
    /// <exception cref="RefusedException">owner_moved: another process holds it</exception>
    public ShardWriter this[int shard] => Find(shard)?.Writer ?? throw OwnerMoved.AsException();

    public int ShardOf(Guid subscription) => Metering.Shards.Of(subscription, Shards);

    /// <summary>Under which this process may decide for the shard; null if it may not.</summary>
    public Tenure? Find(int shard) => Volatile.Read(ref _tenures[shard]) is { IsOver: false } tenure ? tenure : null;

    /// <param name="committed">told of every commit, on the writer's own task</param>
    /// <param name="giveUp">ends the writer with rows still queued: the last resort of a shutdown</param>
    public Tenure Begin(int shard, long epoch, Action<ShardCommit> committed, CancellationToken giveUp)
    {
        var tenure = new Tenure(shard, epoch);
        tenure.Begin(
            new ShardWriter(
                shard, new LedgerCommit(tenure, store, partitions, clock, metrics, TimeSpan.FromMilliseconds(options.Value.ReportIntervalMs)), _turns, options.Value, commit =>
                {
                    committed(commit);
                    if (commit.ReportCut) ReportCut?.Invoke(shard);
                }, log),
            giveUp);
        Volatile.Write(ref _tenures[shard], tenure);
        return tenure;
    }

    public void Dispose() => _turns.Dispose();

    /// <summary>It is over, and what it had queued is committed or lost.</summary>
    public void Remove(Tenure tenure) => Interlocked.CompareExchange(ref _tenures[tenure.Shard], null, tenure);

    /// <summary>Returns when everything queued here before is committed, or can no longer be.</summary>
    public Task FlushAsync() => Task.WhenAll(_tenures.Select(async tenure =>
    {
        if (tenure is null) return;
        try { await (tenure.IsOver ? tenure.Writing : tenure.Writer.FlushAsync()); }
        catch (Exception e) when (e is EpochLostException or OperationCanceledException || OwnerMoved.Is(e)) { /* Not acknowledged, so its runtime sends it again. */ }
    }));
}
