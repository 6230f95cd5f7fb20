using Usage.Corrections;

namespace Usage.Metering;

/// <summary>Where a shard's ledger stands: numbers count from 1, so 0 is none yet.</summary>
public sealed record ShardHead(long Batch, byte[] Chain, long Report, long ReportedBatch, byte[] ReportedChain)
{
    public static ShardHead Empty => new(0, MerkleTree.EmptyRoot, 0, 0, MerkleTree.EmptyRoot);
}

/// <param name="Rows">in the order of their ordinals; after them the corrections in theirs</param>
public sealed record PlannedBatch(long Number, IReadOnlyList<UsageRow> Rows, IReadOnlyList<UsageCorrection> Corrections, byte[][] Leaves, byte[] Root, byte[] PreviousChain, byte[] Chain, CommitSums Sums);

public sealed record PlannedReport(
    long Number, long FirstBatch, long LastBatch, byte[] PreviousChain, byte[] Chain, IReadOnlyDictionary<LineKey, long> Lines);

/// <summary>What one transaction has to write. Valid until the next plan of the same shard: the sums are reused.</summary>
/// <param name="Totals">of generations and conversations that are due</param>
/// <param name="Conflicts">rows whose key is taken by other content: not counted</param>
/// <param name="Head">where the shard stands once this is committed</param>
public sealed record CommitPlan(PlannedBatch? Batch, PlannedReport? Report, RunningTotals Totals, IReadOnlyList<UsageRow> Conflicts, ShardHead Head)
{
    public bool WritesAnything => Batch is not null || Report is not null;
}

/// <summary>
/// What the writer of a shard knows between commits, and what the next one has to write. A commit whose answer was lost may have happened:
/// from <see cref="Begin"/> until <see cref="Committed"/> the ledger is in doubt, and an attempt in doubt must look its rows up first.
/// </summary>
public sealed class ShardLedger
{
    private readonly ReportLines _unreported = new();
    private readonly CommitSums _sums = new();
    private readonly RunningTotals _totals = new();
    private ShardHead? _known;
    private bool _inDoubt = true;

    /// <summary>Where the shard stands; null in doubt.</summary>
    public ShardHead? Head { get; private set; }

    /// <summary>Batches wait for a report. In doubt nobody knows, so it is true.</summary>
    public bool HasUnreported => Head is null || Head.Batch > Head.ReportedBatch;

    /// <summary>
    /// The rows must be looked up in the table before they are planned: an earlier attempt may have put them there. And the totals in the table must be made <see cref="Whole"/>.
    /// </summary>
    public bool MustLookUp { get; private set; }

    /// <inheritdoc cref="RunningTotals.Behind"/>
    public TotalsBehind Behind => _totals.Behind;

    /// <summary>An attempt begins. Until it is answered nobody knows whether it happened.</summary>
    public void Begin()
    {
        (_known, MustLookUp) = (Head, _inDoubt);
        (Head, _inDoubt) = (null, true);
    }

    /// <summary>Whether the sums since the last report must be read back from the table, for this head was not written by the last attempt.</summary>
    public bool MustReadUnreported(ShardHead head) => _known is null || _known.Batch != head.Batch || _known.Report != head.Report;

    /// <summary>What the batches after <see cref="ShardHead.ReportedBatch"/> add up to in the table.</summary>
    public void LoadUnreported(IEnumerable<KeyValuePair<LineKey, long>> lines)
    {
        _unreported.Clear();
        foreach (var (line, tokens) in lines) _unreported.Add(line, tokens);
    }

    /// <summary>The totals in the table have been made to have all rows that are in it, in the transaction that is planned.</summary>
    public void Whole() => _totals.Whole();

    /// <param name="head">read under the lock of the shard</param>
    /// <param name="stored">content of those rows that are in the table already, by key; empty unless <see cref="MustLookUp"/></param>
    /// <param name="cut">report what is not reported yet</param>
    public CommitPlan Plan(ShardHead head, IReadOnlyList<UsageRow> rows, IReadOnlyDictionary<(Guid Generation, long Sequence), long> stored, bool cut)
    {
        List<UsageRow> conflicts = [];
        var fresh = stored.Count == 0 && !rows.Any(r => r.Generation.IsTaken) ? rows : LeaveOut(rows, stored, conflicts);
        return Plan(head, fresh, [], conflicts, cut);
    }

    /// <summary>Corrections go into a batch of their own: they were decided under the lock of the shard, over all that was committed before.</summary>
    public CommitPlan Plan(ShardHead head, IReadOnlyList<UsageCorrection> corrections, bool cut) => Plan(head, [], corrections, [], cut);

    private CommitPlan Plan(
        ShardHead head, IReadOnlyList<UsageRow> fresh, IReadOnlyList<UsageCorrection> corrections, IReadOnlyList<UsageRow> conflicts, bool cut)
    {
        PlannedBatch? batch = null;
        if (fresh.Count + corrections.Count > 0)
        {
            batch = Batch(head, fresh, corrections);
            head = head with { Batch = batch.Number, Chain = batch.Chain };
        }
        cut &= head.Batch > head.ReportedBatch;
        _totals.Add(fresh, all: cut);
        if (!cut) return new CommitPlan(batch, null, _totals, conflicts, head);
        var report = new PlannedReport(head.Report + 1, head.ReportedBatch + 1, head.Batch, head.ReportedChain, head.Chain, _unreported.Tokens);
        return new CommitPlan(batch, report, _totals, conflicts, head with { Report = report.Number, ReportedBatch = head.Batch, ReportedChain = head.Chain });
    }

    /// <summary>The database has answered that the plan is committed.</summary>
    public void Committed(CommitPlan plan)
    {
        (Head, _inDoubt) = (plan.Head, false);
        if (plan.Report is not null) _unreported.Clear();
        _totals.Committed();
    }

    /// <summary>The attempt has written nothing, and its transaction is undone. A ledger that was in doubt still is: what made its totals whole is undone too.</summary>
    public void Undone(ShardHead head)
    {
        if (!MustLookUp) (Head, _inDoubt) = (head, false);
    }

    private PlannedBatch Batch(ShardHead head, IReadOnlyList<UsageRow> rows, IReadOnlyList<UsageCorrection> corrections)
    {
        var number = head.Batch + 1;
        byte[][] leaves = [.. MerkleTree.Leaves(rows.Count, Leaf.BytesMax, (to, i) => Leaf.Write(to, rows[i])), .. corrections.Select(Leaf.Of)];
        _sums.Of(rows);
        _unreported.Add(_sums);
        foreach (var correction in corrections) _unreported.Add(correction);
        var root = MerkleTree.Root(leaves);
        return new PlannedBatch(number, rows, corrections, leaves, root, head.Chain, MerkleTree.Chain(head.Chain, number, root), _sums);
    }

    /// <summary>The rows that are not in the table yet. Those that are, with the same content, were committed by an attempt whose answer got lost.</summary>
    private static List<UsageRow> LeaveOut(
        IReadOnlyList<UsageRow> rows, IReadOnlyDictionary<(Guid Generation, long Sequence), long> stored, List<UsageRow> conflicts)
    {
        var fresh = new List<UsageRow>(rows.Count);
        foreach (var row in rows)
        {
            var isStored = stored.TryGetValue((row.Generation.Id, row.Sequence), out var content);
            // Its Start is somebody else's, of another subscription perhaps: then so is the generation, and what follows would be added to it.
            if (isStored && content != row.Content && row.Sequence == 0) row.Generation.IsTaken = true;
            if (row.Generation.IsTaken || (isStored && content != row.Content)) conflicts.Add(row);
            else if (!isStored) fresh.Add(row);
        }
        return fresh;
    }
}
