using Usage.Caps;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>The connection broke: what was sent may have happened.</summary>
internal sealed class StoreLostException : Exception;

internal sealed class UniqueKeyException : Exception;

/// <summary>The row locks of PostgreSQL that the product uses.</summary>
internal enum LockMode { KeyShare, NoKeyUpdate, Update }

/// <param name="Inherited">what its owner had inherited: each until its own lease ends</param>
internal sealed record StoredSlab(long Epoch, long Tokens, DateTimeOffset Until, IReadOnlyList<InheritedSlab> Inherited)
{
    public IEnumerable<InheritedSlab> All => [new(Tokens, Until), .. Inherited];
}

internal sealed record StoredRow(UsageRow Row, long Batch);

/// <summary>One shard's row, and who holds which lock on it.</summary>
internal sealed class ShardRow
{
    public long Epoch { get; set; }
    public ShardHead Head { get; set; } = ShardHead.Empty;
    public List<(Transaction By, LockMode Mode)> Locks { get; } = [];
    public List<Action> Waiting { get; } = [];
}

/// <summary>
/// The tables, with as much of PostgreSQL as the product leans on: row locks, unique keys, commits that happen whole or not at all, and
/// whose answer may be lost. Statements outside a transaction see what is committed when they run, each for itself.
/// </summary>
internal sealed class SimulatedStore(Schedule schedule, Faults faults, int shards, Action<CommittedPlan> committed)
{
    private readonly List<Transaction> _open = [];

    public Schedule Schedule => schedule;
    public Faults Faults => faults;
    public ShardRow[] Shards { get; } = [.. Enumerable.Range(0, shards).Select(_ => new ShardRow())];
    public Dictionary<(Guid Generation, long Sequence), StoredRow> Events { get; } = [];
    public Dictionary<Guid, (GenerationHeader Header, RecordedGeneration Recorded)> Generations { get; } = [];
    public Dictionary<(Guid Subscription, string Conversation), Tally> Conversations { get; } = [];
    public Dictionary<(Guid Subscription, Guid Period), Tally> Periods { get; } = [];
    public Dictionary<(Guid Subscription, OpenWindow Window), Tally> Windows { get; } = [];
    public Dictionary<Guid, StoredSlab> Slabs { get; } = [];
    public Dictionary<Guid, SubscriptionTerms> Terms { get; } = [];
    public List<CommittedPlan>[] Commits { get; } = [.. Enumerable.Range(0, shards).Select(_ => new List<CommittedPlan>())];

    /// <summary>A statement by itself.</summary>
    public async Task<T> ReadAsync<T>(Process reader, Func<T> read)
    {
        await reader.Pause(schedule.Delay());
        if (faults.StoreFails()) throw new StoreLostException();
        var value = read();
        await reader.Pause(schedule.Delay());
        return value;
    }

    public Transaction Begin(Process client)
    {
        var transaction = new Transaction(this, client);
        _open.Add(transaction);
        return transaction;
    }

    public void Closed(Transaction transaction) => _open.Remove(transaction);

    /// <summary>The server notices that a client is gone, after a while: what it had not sent to commit is undone.</summary>
    public void Abandon()
    {
        foreach (var transaction in _open.Where(t => !t.Client.IsAlive && !t.IsSent).ToList())
            schedule.After(schedule.Draw.Int(0, 1_500), transaction.RollBack);
    }

    /// <summary>The writes of one ledger commit, in the order in which the product's SQL does them.</summary>
    public void Write(int shard, PlanCopy plan)
    {
        if (plan.Batch is { } batch)
        {
            foreach (var row in batch.Rows) Events[(row.Generation.Id, row.Sequence)] = new StoredRow(row, batch.Number);
            foreach (var (key, sum) in plan.Periods) Add(Periods, (key.Subscription, key.Period), sum.Tokens);
            foreach (var (key, sum) in plan.Windows) Add(Windows, key, sum.Tokens);
            foreach (var (key, sum) in plan.Conversations) Add(Conversations, key, sum.Tokens);
            foreach (var (id, sum) in plan.Generations)
            {
                var (counted, overrun) = Generations.TryGetValue(id, out var known) ? (known.Recorded.Counted, known.Recorded.OverrunTokens) : (Tally.Zero, 0);
                var generated = new Tally(0, 0, 0, sum.Tokens.Output, sum.Tokens.Reasoning);
                Generations[id] = (sum.Last.Generation.Header, new RecordedGeneration(
                    sum.Last.Sequence, sum.Last.Reported, counted + generated, overrun + sum.Overrun, sum.Last.Finish));
            }
        }
        var commit = new CommittedPlan(shard, Shards[shard].Head, plan);
        Shards[shard].Head = plan.Head;
        Commits[shard].Add(commit);
        committed(commit);
    }

    private static void Add<TKey>(Dictionary<TKey, Tally> totals, TKey key, in Tally tokens)
        where TKey : notnull => totals[key] = totals.GetValueOrDefault(key) + tokens;
}

/// <summary>A plan as it went over the wire: the writer reuses its sums.</summary>
internal sealed class PlanCopy(CommitPlan plan)
{
    public PlannedBatch? Batch { get; } = plan.Batch is { } batch ? batch with { Rows = [.. batch.Rows] } : null;
    public PlannedReport? Report { get; } = plan.Report is { } report ? report with { Lines = new Dictionary<LineKey, long>(report.Lines) } : null;
    public ShardHead Head { get; } = plan.Head;
    public KeyValuePair<(Guid Subscription, Guid Period, Guid Plan), Sum>[] Periods { get; } = plan.Batch is { } b ? [.. b.Sums.Periods] : [];
    public KeyValuePair<(Guid Subscription, OpenWindow Window), Sum>[] Windows { get; } = plan.Batch is { } b ? [.. b.Sums.Windows] : [];
    public KeyValuePair<(Guid Subscription, string Conversation), Sum>[] Conversations { get; } = plan.Batch is { } b ? [.. b.Sums.Conversations] : [];
    public KeyValuePair<Guid, Sum>[] Generations { get; } = plan.Batch is { } b ? [.. b.Sums.Generations] : [];
}

internal sealed record CommittedPlan(int Shard, ShardHead Before, PlanCopy Plan);

/// <summary>One transaction of one client. Locks are held until it ends, however that is.</summary>
internal sealed class Transaction(SimulatedStore store, Process client)
{
    private readonly List<Action> _writes = [];
    private readonly List<ShardRow> _locked = [];
    private bool _ended;

    public Process Client => client;
    public bool IsSent { get; private set; }

    /// <summary>Something is sent and answered: here the connection can break.</summary>
    public async Task RoundTripAsync()
    {
        await client.Pause(store.Schedule.Delay());
        if (!_ended && !store.Faults.StoreFails()) return;
        RollBack();
        throw new StoreLostException();
    }

    public async Task LockAsync(int shard, LockMode mode)
    {
        await RoundTripAsync();
        var row = store.Shards[shard];
        while (row.Locks.Any(l => l.By != this && Conflict(l.Mode, mode)))
        {
            var turn = new TaskCompletionSource();
            row.Waiting.Add(() => client.After(0, turn.SetResult));
            await turn.Task;
        }
        row.Locks.Add((this, mode));
        _locked.Add(row);
    }

    public void Write(Action write) => _writes.Add(write);

    public async Task CommitAsync()
    {
        await RoundTripAsync();
        IsSent = true;
        var fate = store.Faults.Commit();
        var answer = new TaskCompletionSource();
        store.Schedule.After(store.Schedule.Delay(), () =>
        {
            if (fate != Fate.Lost) foreach (var write in _writes) write();
            End();
            if (fate == Fate.Answered) client.After(store.Schedule.Delay(), answer.SetResult);
        });
        // The client may give up before the server is done.
        if (fate != Fate.Answered) client.After(store.Schedule.Delay(), () => answer.SetException(new StoreLostException()));
        await answer.Task;
    }

    public void RollBack()
    {
        if (!_ended && !IsSent) End();
    }

    private void End()
    {
        _ended = true;
        store.Closed(this);
        foreach (var row in _locked)
        {
            row.Locks.RemoveAll(l => l.By == this);
            Action[] waiting = [.. row.Waiting];
            row.Waiting.Clear();
            foreach (var wake in waiting) wake();
        }
    }

    private static bool Conflict(LockMode held, LockMode wanted) =>
        held == LockMode.Update || wanted == LockMode.Update || (held == LockMode.NoKeyUpdate && wanted == LockMode.NoKeyUpdate);
}
