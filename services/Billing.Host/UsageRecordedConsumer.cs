using Billing.Periods;
using Contracts.Messages;
using MassTransit;

namespace Billing.Host;

/// <summary>Takes reports of usage from the queue. What it cannot place is parked; what is missing before it is fetched.</summary>
public sealed class UsageRecordedConsumer(UsageReports reports, GapFetcher gaps, ILogger<UsageRecordedConsumer> log) : IConsumer<UsageRecorded>
{
    public const string Queue = "billing-usage-recorded";

    public Task Consume(ConsumeContext<UsageRecorded> context) => Patience.UntilStored(async () =>
    {
        var outcome = await reports.Apply(Pure(context.Message), context.CancellationToken);
        if (outcome is ReportOutcome.AppliedAfterGap or ReportOutcome.Parked) gaps.LookSoon();
    }, log, context.CancellationToken);

    internal static UsageReport Pure(UsageRecorded m) => new(
        m.Shard, m.Number, m.FirstBatch, m.LastBatch, m.PreviousChain, m.Roots.ToValueList(), m.Chain, m.RecordedAt.ToUniversalTime(),
        m.Lines.Select(l => new ReportedLine(l.SubscriptionId, l.PeriodId, l.PlanId, l.Kind, l.Tokens)).ToValueList());
}
