using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.InteropServices;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Metering;

namespace Usage.Host;

/// <summary>One shard's reports that nobody has taken yet.</summary>
/// <param name="OldestSeconds">real time since the oldest was cut</param>
public sealed record ReportLag(int Shard, long Reports, double OldestSeconds);

/// <summary>What the usage service tells its operators, under the meter "Billing.Usage". services/Usage/README.md says what each figure means.</summary>
public sealed class UsageMetrics
{
    private const string MeterName = "Billing.Usage";
    // A commit takes a few milliseconds; the default buckets begin at five seconds.
    private static readonly double[] CommitSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    private readonly Counter<long> _committed, _overrun, _grants, _denials, _stops, _rejections, _settled, _corrections, _snapshots;
    private static readonly long[] TokenBuckets = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];
    private static readonly KeyValuePair<string, object?> Operation = new("gen_ai.operation.name", "chat");
    private readonly Histogram<double> _commit;
    private readonly Histogram<long> _tokens;
    private volatile IReadOnlyList<ReportLag> _lag = [];

    public UsageMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _committed = meter.CreateCounter<long>("usage.events.committed", "{event}", "Rows committed to the ledger.");
        _corrections = meter.CreateCounter<long>("usage.corrections.committed", "{correction}", "Corrections committed to the ledger.");
        _overrun = meter.CreateCounter<long>("usage.tokens.overrun", "{token}", "Tokens generated without a grant: recorded, never billed.");
        _grants = meter.CreateCounter<long>("usage.grants", "{grant}", "Grants told to runtimes, renewals included.");
        _denials = meter.CreateCounter<long>("usage.denials", "{denial}", "Generations that were not allowed to start, by reason.");
        _stops = meter.CreateCounter<long>("usage.stops", "{stop}", "Generations that were told to stop, by reason.");
        _rejections = meter.CreateCounter<long>("usage.rejections", "{frame}", "Frames that were not counted, by reason.");
        _settled = meter.CreateCounter<long>("usage.generations.settled", "{generation}", "Generations settled because their runtime fell silent.");
        _snapshots = meter.CreateCounter<long>("usage.snapshots.failed", "{message}", "Snapshots of subscriptions that could not be taken, and lie in the queue of errors.");
        _tokens = meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Billable tokens by model and type, a commit at a time: input with what a cache served or stored, output with reasoning; overrun and corrections left out.",
            advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = TokenBuckets });
        _commit = meter.CreateHistogram("usage.commit.duration", "s", "Time of one commit of a shard.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = CommitSeconds });
        meter.CreateObservableGauge("usage.reports.unpublished", () => _lag.Select(l => new Measurement<long>(l.Reports, Shard(l.Shard))), "{report}", "Reports that are durable and not taken by billing's queue yet, by shard.");
        meter.CreateObservableGauge("usage.reports.lag", () => _lag.Select(l => new Measurement<double>(l.OldestSeconds, Shard(l.Shard))), "s", "Age of the oldest report that is not published, by shard; 0 when all are.");
        Meter = meter;
    }

    private Meter Meter { get; }

    /// <summary>Figures that others know: asked for when somebody looks.</summary>
    public void Observe(LedgerWriters ledger, OwnerDirectory owners, CallerBounds bounds)
    {
        Meter.CreateObservableGauge("usage.rows.waiting", () => ledger.Waiting().Select(w => new Measurement<long>(w.Rows, Shard(w.Shard))), "{row}", "Rows decided and not committed, by shard.");
        Meter.CreateObservableGauge("usage.owners", () => owners.Owners, "{subscription}", "Subscriptions whose owner is in memory here.");
        Meter.CreateObservableGauge("usage.generations", () => owners.Running, "{generation}", "Generations that run here.");
        Meter.CreateObservableGauge("usage.tokens.held", () => owners.HeldTokens, "{token}", "Tokens granted and not yet reported.");
        Meter.CreateObservableGauge("usage.slabs.tokens", () => owners.SlabTokens, "{token}", "Tokens promised by slabs that have not ended: what a crash of this instance would keep reserved.");
        Meter.CreateObservableGauge("usage.slabs.wait", () => owners.SlabWait.TotalSeconds, "s", "How long the slab that was asked for first is being made durable; grants may wait for it. 0 when none is.");
        Meter.CreateObservableGauge("usage.streams", () => bounds.Streams.Running, "{stream}", "Streams of runtimes that are open here.");
        Meter.CreateObservableGauge("usage.watchers", () => bounds.Watches.Running, "{watcher}", "Balances being watched here.");
    }

    public void SnapshotFailed() => _snapshots.Add(1);

    public void Committed(IReadOnlyList<UsageRow> rows, TimeSpan took)
    {
        _commit.Record(took.TotalSeconds);
        if (rows.Count == 0) return;
        _committed.Add(rows.Count);
        var overrun = 0L;
        foreach (var row in rows) overrun += row.OverrunTokens;
        if (overrun > 0) _overrun.Add(overrun);
        if (_tokens.Enabled) Billable(rows);
    }

    /// <summary>Summed first: a commit has thousands of rows and few models.</summary>
    private void Billable(IReadOnlyList<UsageRow> rows)
    {
        var models = new Dictionary<string, (long Input, long Output)>(StringComparer.Ordinal);
        foreach (var row in rows)
        {
            ref var sums = ref CollectionsMarshal.GetValueRefOrAddDefault(models, row.Generation.Header.Model, out _);
            sums.Input += row.Tokens.Input + row.Tokens.CachedInput + row.Tokens.CacheCreation;
            sums.Output += row.Tokens.Output + row.Tokens.Reasoning;
        }
        foreach (var (model, (input, output)) in models)
        {
            if (input > 0) _tokens.Record(input, Model(model), TokenType("input"), Operation);
            if (output > 0) _tokens.Record(output, Model(model), TokenType("output"), Operation);
        }
    }

    public void Corrected(int corrections) => _corrections.Add(corrections);
    public void Granted() => _grants.Add(1);
    public void Denied(string reason) => _denials.Add(1, Reason(reason));
    public void Stopped(string reason) => _stops.Add(1, Reason(reason));
    public void Rejected(string reason) => _rejections.Add(1, Reason(reason));
    public void Settled(int generations) => _settled.Add(generations);
    public void Lags(IReadOnlyList<ReportLag> lag) => _lag = lag;

    private static KeyValuePair<string, object?> Model(string model) => new("gen_ai.request.model", model);
    private static KeyValuePair<string, object?> TokenType(string type) => new("gen_ai.token.type", type);
    private static KeyValuePair<string, object?> Reason(string reason) => new("reason", reason);
    private static TagList Shard(int shard) => new() { { "shard", shard } };
}
