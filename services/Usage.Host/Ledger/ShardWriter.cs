using System.Diagnostics;
using System.Threading.Channels;
using Npgsql;
using Usage.Host.Owners;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>
/// The one writer of a shard. What is queued goes into one transaction, what queues up meanwhile into the next: group commit without a
/// timer. Writers take turns, so that commits grow and not their number when the database is busy. A commit that fails, or whose outcome is unknown, is made again with the same rows until it is known to have happened once.
/// </summary>
public sealed class ShardWriter
{
    // A report that is due later than this is the successor's to cut, when the shard is handed over.
    private static readonly TimeSpan LastReportWithin = TimeSpan.FromSeconds(1);

    private readonly record struct Item(UsageRow? Row, Barrier? Barrier = null, CorrectionRequest? Correction = null);

    /// <summary>A place in the queue, and who waits until it is passed.</summary>
    /// <param name="Reported">and until what stands before it is covered by a report</param>
    /// <param name="Added">how many rows and corrections had been added before it was queued, at least</param>
    private sealed record Barrier(bool Reported, long Added)
    {
        private volatile bool _isTaken;

        public TaskCompletionSource<ShardHead?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The writer has it: what it answers may be read from the table from now on.</summary>
        public bool IsTaken => _isTaken;

        public void Take() => _isTaken = true;
    }

    private readonly Channel<Item> _queue = Channel.CreateUnbounded<Item>(new UnboundedChannelOptions { SingleReader = true });
    private readonly LedgerCommit _commit;
    private readonly SemaphoreSlim _turns;
    private readonly UsageOptions _options;
    private readonly ILogger _log;
    private readonly Action<ShardCommit> _committed;
    private readonly int _shard;
    private readonly List<UsageRow> _rows = [];
    private readonly List<Barrier> _barriers = [];
    private TaskCompletionSource _room = NewRoom();
    private readonly Lock _passing = new();
    private Barrier? _lastPassed, _lastReported;
    private long _added;
    private CorrectionRequest? _correction;
    private int _waiting;
    // As the table said last. Until it has been asked, whoever has batches to report asks it.
    private (long Asked, TimeSpan Left) _untilCut;

    /// <param name="turns">shared by the writers of this process: as many commits at once</param>
    public ShardWriter(int shard, LedgerCommit commit, SemaphoreSlim turns, UsageOptions options, Action<ShardCommit> committed, ILogger log) =>
        (_shard, _commit, _turns, _options, _committed, _log) = (shard, commit, turns, options, committed, log);

    /// <summary>Clients wait when this is true: rows are never dropped, and memory is never unbounded.</summary>
    public bool IsFull => Volatile.Read(ref _waiting) >= _options.RowsWaitingMax;

    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>A row is decided that will be added later: it counts as waiting from now on.</summary>
    public void Expect() => Interlocked.Increment(ref _waiting);

    /// <summary>Queues a decided row. Called in the turn that decided it, or that lets it go, so that rows stand in the order of decisions.</summary>
    /// <param name="expected">it was counted when it was decided</param>
    public void Add(UsageRow row, bool expected = false)
    {
        if (!expected) Interlocked.Increment(ref _waiting);
        _queue.Writer.TryWrite(new Item(row));
        Interlocked.Increment(ref _added);
    }

    /// <summary>Queues a correction: it is decided over everything that was queued before it. Its answer is in the request.</summary>
    public void Add(CorrectionRequest correction)
    {
        if (!_queue.Writer.TryWrite(new Item(null, null, correction))) correction.Answer.TrySetException(OwnerMoved.AsException());
        Interlocked.Increment(ref _added);
    }

    /// <summary>Waits until the queue is below its bound.</summary>
    public async ValueTask RoomAsync(CancellationToken ct)
    {
        while (IsFull)
        {
            var room = Volatile.Read(ref _room).Task;
            if (IsFull) await room.WaitAsync(ct);
        }
    }

    /// <summary>Returns when everything queued before is committed.</summary>
    /// <exception cref="RefusedException">owner_moved: it is not, and will not be by this process</exception>
    public Task FlushAsync() => PassAsync(reported: false);

    /// <summary>
    /// Returns when everything queued before is committed and covered by a report, with the head as it then is. The report is the next that is due:
    /// whoever asks, and however often, gets no more of them.
    /// </summary>
    /// <exception cref="RefusedException">owner_moved: another process has to be asked</exception>
    public async Task<ShardHead> ReportedAsync() => (await PassAsync(reported: true))!;

    /// <summary>Whose totals lack rows that are committed, until the next report.</summary>
    public TotalsBehind Behind => _commit.Behind;

    /// <summary>Who asks after the same row as another shares its place, as long as the writer has not come to it: while the database is away there are no more of them than rows.</summary>
    private Task<ShardHead?> PassAsync(bool reported)
    {
        lock (_passing)
        {
            ref var last = ref (reported ? ref _lastReported : ref _lastPassed);
            // Read before it is queued: a row that is counted later asks anew.
            var added = Interlocked.Read(ref _added);
            if (last is { IsTaken: false } shared && shared.Added == added) return shared.Answer.Task;
            last = new Barrier(reported, added);
            if (!_queue.Writer.TryWrite(new Item(null, last))) last.Answer.SetException(OwnerMoved.AsException());
            return last.Answer.Task;
        }
    }

    /// <summary>No more rows: what is queued is committed, and reported if that is due soon; then <see cref="RunAsync"/> returns. A successor finds in the table what is not reported.</summary>
    public void Complete() => _queue.Writer.TryComplete();

    /// <exception cref="EpochLostException">Another process writes this shard now.</exception>
    public async Task RunAsync(CancellationToken giveUp)
    {
        try { await WriteAsync(giveUp); }
        finally { Abandon(); }
    }

    /// <summary>Nobody waits for ever for a writer that has ended: rows that are left were never acknowledged, and will be sent again elsewhere.</summary>
    private void Abandon()
    {
        _queue.Writer.TryComplete();
        _correction?.Answer.TrySetException(OwnerMoved.AsException());
        while (_queue.Reader.TryRead(out var item))
        {
            if (item.Barrier is { } barrier) _barriers.Add(barrier);
            item.Correction?.Answer.TrySetException(OwnerMoved.AsException());
        }
        foreach (var barrier in _barriers) barrier.Answer.TrySetException(OwnerMoved.AsException());
        Interlocked.Exchange(ref _waiting, 0);
        Volatile.Read(ref _room).TrySetResult();
    }

    private async Task WriteAsync(CancellationToken giveUp)
    {
        Task<bool>? wait = null;
        for (var open = true; open || _rows.Count > 0;)
        {
            wait ??= _queue.Reader.WaitToReadAsync(giveUp).AsTask();
            if (_commit.HasUnreported) await Task.WhenAny(wait, Task.Delay(UntilCut(), giveUp));
            else await wait;
            if (wait.IsCompleted)
            {
                open = await wait;
                wait = null;
            }
            Take();
            if (_rows.Count > 0 || (_commit.HasUnreported && UntilCut() == TimeSpan.Zero)) await CommitAsync(giveUp);
            // Before the correction, which is queued behind them and may be the first thing that is not reported again.
            if (_barriers.Count > 0) await AnswerBarriersAsync(giveUp);
            if (_correction is not null) await CorrectAsync(giveUp);
        }
        while (_commit.HasUnreported && UntilCut() <= LastReportWithin)
        {
            await Task.Delay(UntilCut(), giveUp);
            await CommitAsync(giveUp);
        }
        if (_barriers.Count > 0) await AnswerBarriersAsync(giveUp);
    }

    private TimeSpan UntilCut()
    {
        var left = _untilCut.Left - Stopwatch.GetElapsedTime(_untilCut.Asked);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>Takes what is queued, up to a batch.</summary>
    private void Take()
    {
        while (_rows.Count < _options.BatchRowsMax && _queue.Reader.TryRead(out var item))
        {
            if (item.Row is { } row) _rows.Add(row);
            if (item.Barrier is { } barrier)
            {
                barrier.Take();
                _barriers.Add(barrier);
            }
            // What was queued before a correction must be committed before it is decided.
            if ((_correction = item.Correction) is not null) break;
        }
    }

    private async Task CorrectAsync(CancellationToken giveUp)
    {
        for (var backoff = Backoff.Start; _correction is { } correction; backoff = backoff.Next)
        {
            try
            {
                await _commit.CorrectAsync(correction, giveUp);
                _correction = null;
            }
            catch (Exception e) when (e is not EpochLostException && !giveUp.IsCancellationRequested)
            {
                if (!StoreFailure.Is(e))
                {
                    // Whatever is wrong with one correction must not hold up the shard.
                    correction.Answer.TrySetException(e);
                    _correction = null;
                    continue;
                }
                _log.LogWarning("shard {Shard}: a correction waits for the database: {Cause}", _shard, StoreFailure.Cause(e));
                await backoff.WaitAsync(giveUp);
            }
        }
    }

    private async Task CommitAsync(CancellationToken giveUp)
    {
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try
            {
                var commit = await InTurnAsync(giveUp);
                _untilCut = (Stopwatch.GetTimestamp(), commit.UntilNextCut);
                Interlocked.Add(ref _waiting, -_rows.Count);
                _rows.Clear();
                Interlocked.Exchange(ref _room, NewRoom()).TrySetResult();
                _committed(commit);
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
            {
                _log.LogInformation("shard {Shard}: some of {Rows} rows are committed already; leaving them out", _shard, _rows.Count);
                await backoff.WaitAsync(giveUp);
            }
            catch (Exception e) when (e is not EpochLostException && !giveUp.IsCancellationRequested)
            {
                if (StoreFailure.Is(e)) _log.LogWarning("shard {Shard}: {Rows} rows wait for the database: {Cause}", _shard, _rows.Count, StoreFailure.Cause(e));
                else _log.LogError(e, "shard {Shard}: {Rows} rows could not be committed; trying again", _shard, _rows.Count);
                await backoff.WaitAsync(giveUp);
            }
        }
    }

    private async Task<ShardCommit> InTurnAsync(CancellationToken giveUp)
    {
        await _turns.WaitAsync(giveUp);
        try
        {
            // What queued up while it waited goes too, unless a correction has to be decided in between.
            if (_correction is null) Take();
            return await _commit.WriteAsync(_rows, giveUp);
        }
        finally
        {
            _turns.Release();
        }
    }

    /// <summary>Everything queued before them is committed; those that ask for its report wait until nothing is left to report.</summary>
    private async Task AnswerBarriersAsync(CancellationToken giveUp)
    {
        var isReported = !_commit.HasUnreported;
        var head = isReported && _barriers.Exists(b => b.Reported) ? await HeadAsync(giveUp) : null;
        foreach (var barrier in _barriers)
            if (isReported || !barrier.Reported) barrier.Answer.TrySetResult(head);
        _barriers.RemoveAll(b => isReported || !b.Reported);
    }

    private async Task<ShardHead> HeadAsync(CancellationToken giveUp)
    {
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try { return await _commit.HeadAsync(giveUp); }
            catch (Exception e) when (StoreFailure.Is(e) && !giveUp.IsCancellationRequested) { await backoff.WaitAsync(giveUp); }
        }
    }

    private static TaskCompletionSource NewRoom() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
