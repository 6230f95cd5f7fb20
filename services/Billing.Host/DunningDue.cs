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
        session.AppendExpecting(invoiceId, streams.Version(invoiceId), decision.Events);
        if (decision.Events.OfType<DunningExhausted>().FirstOrDefault() is { FinalAction: DunningFinalAction.CancelSubscription or DunningFinalAction.PauseSubscription } exhausted)
        {
            var id = ((InvoiceState.Finalized)streams.Invoice(invoiceId)).Invoice.SubscriptionId;
            var subscription = await SubscriptionStreams.Read(session, [id], ct);
            session.AppendWithPeriods(subscription, id, Follow(exhausted.FinalAction, subscription.Subscription(id), now).Events);
        }
        await session.SaveChangesAsync(ct);
        return decision.Events.Count;
    });

    /// <summary>One that rests already, or will end anyway, refuses to be paused and stays as it is.</summary>
    private static Decision<SubscriptionEvent> Follow(DunningFinalAction action, SubscriptionState subscription, DateTimeOffset now)
    {
        if (action == DunningFinalAction.CancelSubscription) return CancelSubscriptionDecision.Decide(new(EffectiveTime.Now, now), subscription).OrThrow();
        var pause = PauseSubscriptionDecision.Decide(new(EffectiveTime.Now, null, now), subscription);
        return pause.Refused is null ? pause : Decision.NoChange;
    }
}
