using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>A plan as it went over the wire: the writer reuses its sums.</summary>
internal sealed class PlanCopy(CommitPlan plan)
{
    public PlannedBatch? Batch { get; } = plan.Batch is { } batch ? batch with { Rows = [.. batch.Rows] } : null;
    public PlannedReport? Report { get; } = plan.Report is { } report ? report with { Lines = new Dictionary<LineKey, long>(report.Lines) } : null;
    public ShardHead Head { get; } = plan.Head;
    public KeyValuePair<(Guid Subscription, Guid Period, Guid Plan), Sum>[] Periods { get; } = plan.Batch is { } b ? [.. b.Sums.Periods] : [];
    public KeyValuePair<(Guid Subscription, OpenWindow Window), Sum>[] Windows { get; } = plan.Batch is { } b ? [.. b.Sums.Windows] : [];
    public KeyValuePair<(Guid Subscription, string Conversation), Sum>[] Conversations { get; } = [.. plan.Totals.Conversations];
    public KeyValuePair<Guid, Sum>[] Generations { get; } = [.. plan.Totals.Generations];
}

/// <param name="Call">of the correction that it is, if it is one</param>
internal sealed record CommittedPlan(int Shard, ShardHead Before, PlanCopy Plan, CorrectionCall? Call);
