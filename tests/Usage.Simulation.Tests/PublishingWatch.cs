using Billing.Periods;
using Usage.Caps;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// Follows reports and thresholds out of the service: in order to the queue, marked only once they are in it, and into billing's books each once, with
/// what was cut; so that in the end billing has what the ledger has.
/// </summary>
internal sealed class PublishingWatch(World world, Books books)
{
    private readonly Dictionary<(int Shard, long Number), UsageReport> _cut = [];
    private readonly HashSet<(int Shard, long Number)> _applied = [];
    private readonly Dictionary<int, long> _queuedTo = [], _cutAtMs = [], _completeTo = [];
    private readonly HashSet<Guid> _heard = [];
    private readonly Dictionary<(string Period, string Plan, TokenKind Kind), long> _billed = [];

    public int Refusals { get; private set; }

    /// <summary>At most two a second of a shard, whoever cuts them: an instance, its successor, or one that did not hear that it had.</summary>
    public void Cut(UsageReport report, long atMs)
    {
        if (_cutAtMs.TryGetValue(report.Shard, out var last) && atMs - last < ShardWriting.ReportIntervalMs)
            throw new ViolationException($"report {report.Number} of shard {report.Shard} is cut {atMs - last} ms after the one before it");
        _cutAtMs[report.Shard] = atMs;
        if (!_cut.TryAdd((report.Shard, report.Number), report)) throw new ViolationException($"U5: number {report.Number} of shard {report.Shard} is cut twice");
    }

    /// <summary>Taken by billing's queue.</summary>
    /// <param name="isAfterRefused">it was handed over with one before it that the broker has refused: both must come again</param>
    public void Queued(UsageReport report, bool isAfterRefused)
    {
        if (isAfterRefused) return;
        var to = _queuedTo.GetValueOrDefault(report.Shard);
        if (report.Number > to + 1) throw new ViolationException($"report {report.Number} of shard {report.Shard} is published before report {to + 1}");
        _queuedTo[report.Shard] = Math.Max(to, report.Number);
    }

    public void Marked(int shard, long through)
    {
        if (_queuedTo.GetValueOrDefault(shard) < through) throw new ViolationException($"report {through} of shard {shard} is marked as published, and the queue has {_queuedTo.GetValueOrDefault(shard)}");
    }

    public void Heard(ThresholdCrossing crossing) => _heard.Add(crossing.Id);

    public void Marked(IEnumerable<Unmarked<ThresholdCrossing>> crossings)
    {
        foreach (var crossing in crossings)
            if (!_heard.Contains(crossing.What.Id)) throw new ViolationException($"{crossing.What.Threshold} is marked as published, and nobody heard it");
    }

    /// <summary>Billing cannot place it: it must be something that billing does not know, and that it will be told.</summary>
    public void Refused(UsageReport report, Refusal why)
    {
        if (!world.Plans.AnyUnheard) throw new ViolationException($"U4: report {report.Number} of shard {report.Shard} is refused: {why.Detail}");
        if (world.Schedule.IsTold) world.Tell($"billing parks report {report.Number} of shard {report.Shard}: {why.Code}");
        Refusals++;
    }

    /// <summary>Periods are closed and billed as far as reports are complete.</summary>
    public void Complete(int shard, long through)
    {
        for (var number = _completeTo.GetValueOrDefault(shard) + 1; number <= through; number++)
            if (!_applied.Contains((shard, number))) throw new ViolationException($"U5: billing calls shard {shard} complete to {through}, and has not entered report {number}");
        _completeTo[shard] = through;
    }

    /// <summary>Entered into billing's books.</summary>
    public void Applied(UsageReport report, IReadOnlyList<PeriodUsage> usages)
    {
        if (!_applied.Add((report.Shard, report.Number))) throw new ViolationException($"U4: report {report.Number} of shard {report.Shard} is billed twice");
        if (_cut.GetValueOrDefault((report.Shard, report.Number)) != report) throw new ViolationException($"U4: report {report.Number} of shard {report.Shard} is billed as it was not cut");
        foreach (var usage in usages)
            foreach (var (plan, kind, tokens) in usage.Event.Lines)
                _billed[(usage.Period.PeriodId, plan, kind)] = _billed.GetValueOrDefault((usage.Period.PeriodId, plan, kind)) + tokens;
    }

    /// <summary>Once all is quiet: billing has every number, once, and with them what the ledger has.</summary>
    public void Settled()
    {
        for (var shard = 0; shard < world.Store.Shards.Length; shard++)
            for (var number = 1; number <= world.Store.Shards[shard].Head.Report; number++)
                if (!_applied.Contains((shard, number))) throw new ViolationException($"U5: report {number} of shard {shard} is not billed");
        if (_applied.Count != _cut.Count) throw new ViolationException($"U5: {_cut.Count} reports were cut, {_applied.Count} are billed");
        foreach (var (line, tokens) in books.Lines)
            if (_billed.GetValueOrDefault((SimulatedStore.Name(line.Period), SimulatedStore.Name(line.Plan), line.Kind)) is var billed && billed != tokens)
                throw new ViolationException($"U4: {billed} tokens of {line.Kind} are billed, and {tokens} recorded");
        foreach (var shard in world.Store.Shards)
            foreach (var crossing in shard.Thresholds.Values)
                if (!_heard.Contains(crossing.What.Id)) throw new ViolationException($"{crossing.What.Threshold} is stored, and nobody heard it");
    }
}
