using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>The writer of one shard, as in the host: what is queued, then what queued meanwhile, over the real <see cref="ShardLedger"/>.</summary>
internal sealed class ShardWriting(World world, Hold hold)
{
    private const int ReportIntervalMs = 500, BackoffMaxMs = 2_000;
    private static readonly Dictionary<(Guid, long), long> NotLookedUp = [];
    private readonly ShardLedger _ledger = new();
    private readonly List<UsageRow> _queue = [];
    private readonly List<UsageRow> _rows = [];
    private bool _writing, _waitingForCut, _draining;
    private long _lastCutMs = world.Schedule.NowMs;
    private TaskCompletionSource? _drained;

    public void Add(UsageRow row)
    {
        _queue.Add(row);
        Kick();
    }

    public void Kick()
    {
        if (_writing) return;
        _writing = true;
        hold.Run(WriteAsync);
    }

    /// <summary>Returns when everything queued is committed and reported.</summary>
    public async Task DrainAsync()
    {
        _draining = true;
        _drained = new TaskCompletionSource();
        Kick();
        await _drained.Task;
    }

    private async Task WriteAsync()
    {
        await hold.Pause(0);
        while (true)
        {
            var take = Math.Min(_queue.Count, world.Draw.Int(1, 12));
            _rows.AddRange(_queue.Take(take));
            _queue.RemoveRange(0, take);
            var cut = _draining || world.Schedule.NowMs - _lastCutMs >= ReportIntervalMs;
            if (_rows.Count == 0 && !(cut && _ledger.HasUnreported)) break;
            if (!await CommitAsync(cut)) return;
        }
        _writing = false;
        if (_draining) hold.After(0, () => _drained?.TrySetResult());
        else if (_ledger.HasUnreported && !_waitingForCut)
        {
            _waitingForCut = true;
            hold.After(ReportIntervalMs, () =>
            {
                _waitingForCut = false;
                Kick();
            });
        }
    }

    private async Task<bool> CommitAsync(bool cut)
    {
        for (var backoff = 50; ; backoff = Math.Min(2 * backoff, BackoffMaxMs))
        {
            var transaction = world.Store.Begin(hold);
            try
            {
                if (await TryCommitAsync(transaction, cut)) return true;
                transaction.RollBack();
                world.Lost(hold);
                return false;
            }
            catch (StoreLostException) { /* Whether it happened is found out by the next attempt. */ }
            catch (UniqueKeyException) { transaction.RollBack(); }
            await hold.Pause(backoff);
        }
    }

    private async Task<bool> TryCommitAsync(Transaction transaction, bool cut)
    {
        var (store, shard) = (world.Store, hold.Shard);
        _ledger.Begin();
        await transaction.LockAsync(shard, LockMode.NoKeyUpdate);
        if (store.Shards[shard].Epoch != hold.Epoch && world.Mutation != Mutation.EpochUnchecked) return false;
        var head = store.Shards[shard].Head;
        if (_ledger.MustReadUnreported(head))
        {
            await transaction.RoundTripAsync();
            _ledger.LoadUnreported(Unreported(head));
        }
        var stored = NotLookedUp;
        if (_ledger.MustLookUp && _rows.Count > 0 && world.Mutation != Mutation.RepeatsCountedAgain)
        {
            await transaction.RoundTripAsync();
            stored = Stored();
        }
        var plan = _ledger.Plan(head, _rows, stored, cut);
        if (plan.WritesAnything)
        {
            await transaction.RoundTripAsync();
            if (plan.Batch is { } batch && world.Mutation != Mutation.RepeatsCountedAgain && batch.Rows.Any(r => store.Events.ContainsKey((r.Generation.Id, r.Sequence))))
                throw new UniqueKeyException();
            var copy = new PlanCopy(plan);
            transaction.Write(() => store.Write(shard, copy));
        }
        await transaction.CommitAsync();

        _ledger.Committed(plan);
        if (plan.Report is not null) _lastCutMs = world.Schedule.NowMs;
        UsageRow[] rows = [.. _rows];
        _rows.Clear();
        hold.Committed(rows, plan.Conflicts);
        return true;
    }

    private List<KeyValuePair<LineKey, long>> Unreported(ShardHead head)
    {
        var (lines, sums) = (new ReportLines(), new CommitSums());
        foreach (var commit in world.Store.Commits[hold.Shard])
        {
            if (commit.Plan.Batch is not { } batch || batch.Number <= head.ReportedBatch) continue;
            sums.Of(batch.Rows);
            lines.Add(sums);
        }
        return [.. lines.Tokens];
    }

    private Dictionary<(Guid, long), long> Stored()
    {
        var stored = new Dictionary<(Guid, long), long>();
        foreach (var row in _rows)
            if (world.Store.Events.TryGetValue((row.Generation.Id, row.Sequence), out var found)) stored[(row.Generation.Id, row.Sequence)] = found.Row.Content;
        return stored;
    }
}
