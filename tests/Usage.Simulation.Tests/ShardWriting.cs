using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>The writer of one shard, as in the host: what is queued, then what queued meanwhile, over the real <see cref="ShardLedger"/>.</summary>
internal sealed class ShardWriting(World world, Hold hold)
{
    private readonly record struct Item(UsageRow? Row = null, CorrectionRequest? Correction = null, TaskCompletionSource? Barrier = null);

    public const int ReportIntervalMs = 500;
    private const int BackoffMaxMs = 2_000;
    private static readonly Dictionary<(Guid, long), long> NotLookedUp = [];
    private readonly Queue<Item> _queue = new();
    private readonly List<TaskCompletionSource> _barriers = [];
    private readonly List<TaskCompletionSource> _reported = [];
    private readonly List<UsageRow> _rows = [];
    private readonly ShardLedger _ledger = new();
    private readonly CorrectionWriting _corrections = new(world, hold);
    private CorrectionRequest? _correction;
    private bool _writing, _waitingForCut, _draining;
    private long _nextCutMs;
    private ShardHead? _remembered;
    private TaskCompletionSource? _drained;

    public void Add(UsageRow row)
    {
        _queue.Enqueue(new(Row: row));
        Kick();
    }

    /// <summary>It is decided over everything that was queued before it.</summary>
    public void Add(CorrectionRequest correction)
    {
        _queue.Enqueue(new(Correction: correction));
        Kick();
    }

    /// <summary>Returns when everything queued before is committed.</summary>
    public Task FlushAsync()
    {
        var barrier = new TaskCompletionSource();
        _queue.Enqueue(new(Barrier: barrier));
        Kick();
        return barrier.Task;
    }

    public TotalsBehind Behind => _ledger.Behind;

    /// <summary>Returns when all that is committed now is reported.</summary>
    public Task ReportedAsync()
    {
        if (!_ledger.HasUnreported) return Task.CompletedTask;
        _reported.Add(new TaskCompletionSource());
        return _reported[^1].Task;
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
            Take();
            var cut = world.Schedule.NowMs >= _nextCutMs;
            if (_rows.Count == 0 && _correction is null && _barriers.Count == 0 && !(cut && _ledger.HasUnreported)) break;
            if ((_rows.Count > 0 || (cut && _ledger.HasUnreported)) && !await UntilItHappenedAsync(TryCommitAsync)) return;
            if (_correction is { } correction && !await UntilItHappenedAsync(t => _corrections.TryAsync(t, _ledger, correction, Unreported))) return;
            _correction = null;
            TaskCompletionSource[] passed = [.. _barriers];
            _barriers.Clear();
            foreach (var barrier in passed) barrier.SetResult();
        }
        _writing = false;
        // What is left when it drains is the successor's to report, if that is not due.
        if (_draining) hold.After(0, () => _drained?.TrySetResult());
        else if (_ledger.HasUnreported && !_waitingForCut)
        {
            _waitingForCut = true;
            hold.After((int)Math.Max(0, _nextCutMs - world.Schedule.NowMs), () =>
            {
                _waitingForCut = false;
                Kick();
            });
        }
    }

    private void Take()
    {
        for (var left = world.Draw.Int(1, 12); left > 0 && _correction is null && _queue.TryDequeue(out var next); left--)
        {
            if (next.Row is { } row) _rows.Add(row);
            if (next.Barrier is { } barrier) _barriers.Add(barrier);
            _correction = next.Correction;
        }
    }

    /// <returns>false if another instance has taken the shard</returns>
    private async Task<bool> UntilItHappenedAsync(Func<Transaction, Task<bool>> tryAsync)
    {
        for (var backoff = 50; ; backoff = Math.Min(2 * backoff, BackoffMaxMs))
        {
            var transaction = world.Store.Begin(hold);
            try
            {
                if (await tryAsync(transaction)) return true;
                transaction.RollBack();
                world.Lost(hold);
                return false;
            }
            catch (StoreLostException) { /* Whether it happened is found out by the next attempt. */ }
            catch (UniqueKeyException) { transaction.RollBack(); }
            await hold.Pause(backoff);
        }
    }

    private async Task<bool> TryCommitAsync(Transaction transaction)
    {
        var (store, shard) = (world.Store, hold.Shard);
        _ledger.Begin();
        await transaction.LockAsync(store.Shards[shard].Locks, LockMode.NoKeyUpdate);
        if (store.Shards[shard].Epoch != hold.Epoch && world.Mutation != Mutation.EpochUnchecked) return false;
        var head = world.Mutation == Mutation.HeadRemembered && _remembered is { } known ? known : store.Shards[shard].Head;
        if (_ledger.MustReadUnreported(head))
        {
            await transaction.RoundTripAsync();
            _ledger.LoadUnreported(Unreported(head));
        }
        if (_ledger.MustLookUp && world.Mutation != Mutation.DoubtfulTotals)
        {
            await transaction.RoundTripAsync();
            transaction.Write(() => store.MakeTotalsWhole(shard));
            _ledger.Whole();
        }
        var stored = NotLookedUp;
        if (_ledger.MustLookUp && _rows.Count > 0 && world.Mutation != Mutation.RepeatsCountedAgain)
        {
            await transaction.RoundTripAsync();
            stored = Stored();
        }
        var nextCutMs = world.Mutation == Mutation.PaceForgotten ? _nextCutMs : store.Shards[shard].CutAtMs + ReportIntervalMs;
        var plan = _ledger.Plan(head, _rows, stored, cut: world.Schedule.NowMs >= nextCutMs);
        if (plan.WritesAnything)
        {
            await transaction.RoundTripAsync(copies: true);
            if (plan.Batch is { } batch && world.Mutation != Mutation.RepeatsCountedAgain && batch.Rows.Any(r => store.Events.ContainsKey((r.Generation.Id, r.Sequence))))
                throw new UniqueKeyException();
            var copy = new PlanCopy(plan);
            var cutAtMs = world.Schedule.NowMs;
            transaction.Write(() =>
            {
                if (copy.Report is not null) store.Shards[shard].CutAtMs = cutAtMs;
                store.Write(shard, copy, null);
            });
        }
        await transaction.CommitAsync();

        _ledger.Committed(plan);
        _remembered = plan.Head;
        _nextCutMs = plan.Report is null ? nextCutMs : world.Schedule.NowMs + ReportIntervalMs;
        if (plan.Report is not null) hold.ReportCut();
        if (!_ledger.HasUnreported)
        {
            TaskCompletionSource[] reported = [.. _reported];
            _reported.Clear();
            foreach (var waiting in reported) hold.After(0, waiting.SetResult);
        }
        UsageRow[] rows = [.. _rows];
        _rows.Clear();
        hold.Committed(rows, plan.Conflicts);
        return true;
    }

    private List<KeyValuePair<LineKey, long>> Unreported(ShardHead head)
    {
        var (lines, sums) = (new ReportLines(), new CommitSums());
        foreach (var commit in world.Store.Shards[hold.Shard].Commits)
        {
            if (commit.Plan.Batch is not { } batch || batch.Number <= head.ReportedBatch) continue;
            sums.Of(batch.Rows);
            lines.Add(sums);
            foreach (var correction in batch.Corrections) lines.Add(correction);
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
