using System.Globalization;
using Billing;
using Billing.Periods;
using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <param name="Inherited">what its owner had inherited: each until its own lease ends</param>
internal sealed record StoredSlab(long Epoch, long Tokens, DateTimeOffset Until, IReadOnlyList<InheritedSlab> Inherited)
{
    public IEnumerable<InheritedSlab> All => [new(Tokens, Until), .. Inherited];
}

internal sealed record StoredRow(UsageRow Row, long Batch);

/// <summary>Usage of a period, with what was generated beyond grants.</summary>
internal readonly record struct PeriodTotal(Tally Tokens, long Overrun);

/// <summary>What a correction answered, under its key, for ever.</summary>
internal sealed record StoredCall(CorrectionCall Call, IReadOnlyList<UsageCorrection> Corrections);

/// <summary>A report or a threshold, durable before it is published.</summary>
internal sealed record Unmarked<T>(T What)
{
    public bool Published { get; set; }
}

/// <summary>One shard's row, and what is written under it.</summary>
internal sealed class ShardRow
{
    public RowLocks Locks { get; } = new();
    /// <summary>Of its slabs: whoever writes one again waits until an earlier attempt has ended, known or not.</summary>
    public RowLocks SlabLocks { get; } = new();
    public long Epoch { get; set; }
    public ShardHead Head { get; set; } = ShardHead.Empty;
    /// <summary>When its last report was cut.</summary>
    public long CutAtMs { get; set; } = -ShardWriting.ReportIntervalMs;
    public List<CommittedPlan> Commits { get; } = [];
    /// <summary>As billing reads them, from number 1.</summary>
    public List<Unmarked<UsageReport>> Reports { get; } = [];
    public Dictionary<Guid, Unmarked<ThresholdCrossing>> Thresholds { get; } = [];
    /// <summary>How many reports and thresholds are not marked as published.</summary>
    public int Unpublished { get; set; }
}

/// <summary>
/// The tables, with as much of PostgreSQL as the product leans on: row locks, unique keys, commits that happen whole or not at all, and
/// whose answer may be lost. Statements outside a transaction see what is committed when they run, each for itself.
/// </summary>
internal sealed class SimulatedStore(Schedule schedule, Faults faults, int shards, Observer observer, Mutation mutation)
{
    private readonly List<Transaction> _open = [];

    public Schedule Schedule => schedule;
    public Faults Faults => faults;
    /// <summary>Told of whoever goes on with a transaction that holds a shard.</summary>
    public Action<Process> Locking { get; set; } = _ => { };
    public bool IdleTransactionsStay => mutation == Mutation.IdleTransactionsStay;
    public bool SilentCopiesStay => mutation == Mutation.SilentCopiesStay;
    public ShardRow[] Shards { get; } = [.. Enumerable.Range(0, shards).Select(_ => new ShardRow())];
    public Dictionary<(Guid Generation, long Sequence), StoredRow> Events { get; } = [];
    public List<UsageCorrection> Corrections { get; } = [];
    public Dictionary<string, StoredCall> Calls { get; } = [];
    public Dictionary<Guid, (GenerationHeader Header, RecordedGeneration Recorded)> Generations { get; } = [];
    public Dictionary<(Guid Subscription, string Conversation), Tally> Conversations { get; } = [];
    public Dictionary<(Guid Subscription, Guid Period), PeriodTotal> Periods { get; } = [];
    public Dictionary<(Guid Subscription, OpenWindow Window), Tally> Windows { get; } = [];
    public Dictionary<Guid, StoredSlab> Slabs { get; } = [];
    public Dictionary<Guid, SubscriptionTerms> Terms { get; } = [];

    /// <summary>Whether no window of that kind was opened before it.</summary>
    public bool IsFirst(Guid subscription, OpenWindow window) => !Windows.Keys.Any(k => k.Subscription == subscription && k.Window.Window == window.Window && k.Window.OpenedAt < window.OpenedAt);

    /// <summary>What is there under the key of a frame.</summary>
    public StoredSequence Find(Guid generation, long sequence)
    {
        var row = Events.GetValueOrDefault((generation, sequence));
        return GenerationOf(generation) is var (header, recorded)
            ? new(row?.Row.Content, recorded.LastSequence, recorded.Finish, header.Subscription)
            : new(row?.Row.Content, null, FinishReason.None, Guid.Empty);
    }

    /// <summary>A generation's total, and what its rows after that add.</summary>
    public (GenerationHeader Header, RecordedGeneration Recorded)? GenerationOf(Guid generation) =>
        Generations.TryGetValue(generation, out var known) ? (known.Header, Lacking(known.Header, known.Recorded).Aggregate(known.Recorded, With)) : null;

    /// <summary>A conversation's total, and what rows add that it lacks.</summary>
    public Tally ConversationOf(Guid subscription, string conversation)
    {
        var used = Conversations.GetValueOrDefault((subscription, conversation));
        foreach (var (header, recorded) in Generations.Values)
            if (header.Subscription == subscription && header.Conversation == conversation)
                foreach (var row in Lacking(header, recorded)) used += row.Tokens;
        return used;
    }

    /// <summary>What the product's function of that name does in a transaction that holds the shard.</summary>
    public void MakeTotalsWhole(int shard)
    {
        var head = Shards[shard].Head;
        foreach (var row in Shards[shard].Commits.Select(c => c.Plan.Batch).Where(b => b is not null && b.Number > head.ReportedBatch).SelectMany(b => b!.Rows))
        {
            var (header, recorded) = Generations[row.Generation.Id];
            if (row.Sequence <= recorded.LastSequence) continue;
            Generations[header.Id] = (header, With(recorded, row));
            Add(Conversations, (header.Subscription, header.Conversation), row.Tokens);
        }
    }

    private IEnumerable<UsageRow> Lacking(GenerationHeader header, RecordedGeneration recorded)
    {
        for (var sequence = recorded.LastSequence + 1; Events.TryGetValue((header.Id, sequence), out var later); sequence++) yield return later.Row;
    }

    /// <summary>As SQL adds it, which has the row's columns and not what its runtime had said.</summary>
    private static RecordedGeneration With(RecordedGeneration recorded, UsageRow row)
    {
        var generated = new Tally(0, 0, 0, row.Tokens.Output, row.Tokens.Reasoning);
        return recorded with { LastSequence = row.Sequence, Reported = recorded.Reported + generated, Counted = recorded.Counted + generated };
    }

    /// <summary>A statement by itself.</summary>
    public async Task<T> ReadAsync<T>(Process reader, Func<T> read)
    {
        await reader.Pause(schedule.Delay());
        if (faults.StoreFails()) throw new StoreLostException();
        var value = read();
        await reader.Pause(schedule.Delay());
        return value;
    }

    /// <summary>A statement by itself that changes something.</summary>
    public Task WriteAsync(Process writer, Action write)
    {
        var transaction = Begin(writer);
        transaction.Write(write);
        return transaction.CommitAsync();
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
    /// <param name="call">of a correction</param>
    public void Write(int shard, PlanCopy plan, CorrectionCall? call)
    {
        var row = Shards[shard];
        if (plan.Batch is { } batch)
        {
            foreach (var usage in batch.Rows) Events[(usage.Generation.Id, usage.Sequence)] = new StoredRow(usage, batch.Number);
            foreach (var (key, sum) in plan.Periods) AddPeriod((key.Subscription, key.Period), sum.Tokens, sum.Overrun);
            foreach (var (key, sum) in plan.Windows) Add(Windows, key, sum.Tokens);
            foreach (var correction in batch.Corrections) Correct(correction);
        }
        foreach (var (key, sum) in plan.Conversations) Add(Conversations, key, sum.Tokens);
        foreach (var (id, sum) in plan.Generations) AddGeneration(id, sum);
        var commit = new CommittedPlan(shard, row.Head, plan, call);
        row.Head = plan.Head;
        row.Commits.Add(commit);
        if (call is not null) Calls[call.Key] = new StoredCall(call, plan.Batch?.Corrections ?? []);
        if (plan.Report is { } report)
        {
            row.Reports.Add(new(AsSent(shard, report)));
            observer.Publishing.Cut(row.Reports[^1].What, row.CutAtMs);
            row.Unpublished++;
        }
        observer.Committed(commit);
        foreach (var usage in plan.Batch?.Rows ?? []) Announce(shard, usage.Crossed);
        if (plan.Batch is not null) observer.Thresholds.Committed(plan.Batch.Rows);
    }

    /// <summary>Thresholds, each once: whoever notices it again finds it.</summary>
    public void Announce(int shard, IReadOnlyList<ThresholdCrossing> crossings)
    {
        foreach (var crossing in crossings)
        {
            if (!Shards[shard].Thresholds.TryAdd(crossing.Id, new(crossing))) continue;
            Shards[shard].Unpublished++;
            observer.Thresholds.Stored(crossing);
        }
    }

    /// <summary>Marked as published. Whoever is late marks nothing that is marked.</summary>
    public void Mark<T>(int shard, IEnumerable<Unmarked<T>> some)
    {
        foreach (var one in some)
        {
            if (!one.Published) Shards[shard].Unpublished--;
            one.Published = true;
        }
    }

    private void Correct(UsageCorrection c)
    {
        Corrections.Add(c);
        AddPeriod((c.Subscription, c.Period), c.Deltas, c.OverrunDelta);
        if (c.Generation is not null) Add(Conversations, (c.Subscription, c.Conversation), c.Deltas);
        foreach (var (window, deltas) in c.Windows) Add(Windows, (c.Subscription, window), deltas);
    }

    private void AddGeneration(Guid id, in Sum sum)
    {
        var (counted, overrun) = Generations.TryGetValue(id, out var known) ? (known.Recorded.Counted, known.Recorded.OverrunTokens) : (Tally.Zero, 0);
        var generated = new Tally(0, 0, 0, sum.Tokens.Output, sum.Tokens.Reasoning);
        Generations[id] = (sum.Last.Generation.Header, new RecordedGeneration(
            sum.Last.Sequence, sum.Last.Reported, counted + generated, overrun + sum.Overrun, sum.Last.Finish));
    }

    private void AddPeriod((Guid, Guid) key, in Tally tokens, long overrun)
    {
        var total = Periods.GetValueOrDefault(key);
        Periods[key] = new(total.Tokens + tokens, total.Overrun + overrun);
    }

    private UsageReport AsSent(int shard, PlannedReport report) => new(
        shard, report.Number, report.FirstBatch, report.LastBatch, Convert.ToHexStringLower(report.PreviousChain),
        Shards[shard].Commits.Select(c => c.Plan.Batch).Where(b => b is not null && b.Number >= report.FirstBatch && b.Number <= report.LastBatch)
            .Select(b => Convert.ToHexStringLower(b!.Root)).ToValueList(),
        Convert.ToHexStringLower(report.Chain), World.Jan1,
        report.Lines.Select(l => new ReportedLine(Name(l.Key.Subscription), Name(l.Key.Period), Name(l.Key.Plan), l.Key.Kind.Name(), l.Value)).ToValueList());

    public static string Name(Guid id) => id.ToString("N", CultureInfo.InvariantCulture);

    private static void Add<TKey>(Dictionary<TKey, Tally> totals, TKey key, in Tally tokens)
        where TKey : notnull => totals[key] = totals.GetValueOrDefault(key) + tokens;
}
