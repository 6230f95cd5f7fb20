using Billing.Periods;
using Contracts.Messages;
using MassTransit;

namespace Billing.Host;

/// <summary>Takes reports of usage from the queue. What it cannot place is parked; what is missing before it is fetched.</summary>
public sealed class UsageRecordedConsumer(UsageReports reports, ParkedMessages parked, GapFetcher gaps, ILogger<UsageRecordedConsumer> log) : IConsumer<UsageRecorded>
{
    public const string Queue = "billing-usage-recorded";

    public Task Consume(ConsumeContext<UsageRecorded> context)
    {
        var report = Pure(context.Message);
        return Patience.UntilStored(() => parked.TakeOrPark(ParkedMessages.Of(report), async () =>
        {
            var outcome = await reports.Apply(report, context.CancellationToken);
            if (outcome is ReportOutcome.AppliedAfterGap or ReportOutcome.Parked) gaps.LookSoon();
        }, context.CancellationToken), log, context.CancellationToken);
    }

    internal static UsageReport Pure(UsageRecorded m) => new(
        m.Shard, m.Number, m.FirstBatch, m.LastBatch, m.PreviousChain, m.Roots.ToValueList(), m.Chain, m.RecordedAt.ToUniversalTime(),
        m.Lines.Select(l => new ReportedLine(l.SubscriptionId, l.PeriodId, l.PlanId, l.Kind, l.Tokens)).ToValueList());
}
