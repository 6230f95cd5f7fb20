using Billing.Dunning;
using Billing.Invoices;
using Billing.Subscriptions;
using Marten;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>
/// Lets the dunning of invoices follow the business clock. What is due is found from what is stored, and written on expected versions: any instance may do it, each step is taken once, and a
/// crash loses none. What a final action does to a subscription is written in the same transaction.
/// </summary>
public sealed class DunningDue(IDocumentStore store, DueItems items, IOptions<BillingOptions> options, ILogger<DunningDue> log) : IDueWork
{
    public async Task RunAsync(DateTimeOffset now, CancellationToken ct)
    {
        var taken = await items.Run<string>("dunning", id => id, async after =>
        {
            await using var session = store.QuerySession();
            return await session.Query<InvoiceStandingView>().Where(i => i.DunningDueAt <= now && i.Id.CompareTo(after) > 0).OrderBy(i => i.Id).Select(i => i.Id)
                .Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        }, async due =>
        {
            var steps = 0;
            foreach (var id in due) steps += await Take(id, now, ct);
            return steps;
        });
        if (taken > 0) log.LogInformation("{Count} steps of dunning were taken at {At:O}", taken, now);
    }

    private Task<int> Take(string invoiceId, DateTimeOffset now, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var session = store.LightweightSession();
        var streams = await StoredStreams.ReadAsync(session, [invoiceId], ct);
        var decision = TakeDunningStepsDecision.Decide(new(now), streams.Invoice(invoiceId)).OrThrow();
        if (decision.Events.Count == 0) return 0;
        var events = decision.Events;
        if (events is [DunningExhausted { FinalAction: DunningFinalAction.CancelSubscription or DunningFinalAction.PauseSubscription } exhausted])
        {
            var id = ((InvoiceState.Finalized)streams.Invoice(invoiceId)).Invoice.SubscriptionId;
            var subscription = await SubscriptionStreams.Read(session, [id], ct);
            var followed = Follow(exhausted.FinalAction, subscription.Subscription(id), now);
            session.AppendWithPeriods(subscription, id, followed.Events);
            events = [exhausted with { FinalActionRefused = followed.Refused?.Code }];
        }
        session.AppendExpecting(invoiceId, streams.Version(invoiceId), events);
        await session.SaveChangesAsync(ct);
        return decision.Events.Count;
    });

    private static Decision<SubscriptionEvent> Follow(DunningFinalAction action, SubscriptionState subscription, DateTimeOffset now) => action == DunningFinalAction.CancelSubscription
        ? CancelSubscriptionDecision.Decide(new(EffectiveTime.Now, now), subscription).OrThrow()
        : SuspendSubscriptionDecision.Decide(new(now), subscription);
}
