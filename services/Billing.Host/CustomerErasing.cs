using Billing.Customers;
using Billing.Periods;
using Billing.Subscriptions;
using Marten;
using Marten.Linq;

namespace Billing.Host;

/// <summary>
/// Erases customers. Whether one may be erased is said by its subscriptions, and whether a subscription may start is said by its customer: two streams, each decided on by
/// looking at the other. So whoever decides either holds the customer until it is written.
/// </summary>
public sealed class CustomerErasing(IDocumentStore store, BusinessClock clock)
{
    public Task<CustomerState> Erase(string customerId, Attribution? by, Action<IDocumentSession, CustomerState> alongside, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var session = store.LightweightSession();
        var (customer, version) = await session.HoldCustomer(customerId, ct);
        var cancelled = SubscriptionSnapshot.NameOf(SubscriptionStatus.Cancelled);
        var running = await session.Query<SubscriptionView>().Where(s => s.CustomerId == customerId && s.Status != cancelled).OrderBy(s => s.Id).Take(1).Select(s => s.Id).ToListAsync(ct);
        var decision = EraseCustomerDecision.Decide(new(running, await ToInvoice(session, customerId, ct), clock.Now), customer).OrThrow().By(by);
        if (decision.Events.Count == 0) return customer;
        var after = decision.Events.Aggregate(customer, CustomerState.Evolve);
        session.AppendExpecting(customerId, version, decision.Events);
        PersonalDetails.Erase(session, customerId);
        alongside(session, after);
        await session.SaveChangesAsync(ct);
        return after;
    });

    /// <summary>Periods that are not empty and have no final invoice, the oldest first; then those whose late usage is on none.</summary>
    private async Task<string[]> ToInvoice(IQuerySession session, string customerId, CancellationToken ct)
    {
        var subscriptions = (await session.Query<SubscriptionView>().Where(s => s.CustomerId == customerId).Select(s => s.Id).ToListAsync(ct)).ToArray();
        var open = await session.Query<PeriodToClose>().Where(p => p.SubscriptionId.IsOneOf(subscriptions)).Select(p => p.Id).ToListAsync(ct);
        // Whose a period is, its own first event says: the view of periods is written later, and may stand still.
        var closed = await session.AdvancedSql.QueryAsync<string>(
            "select i.id from billing.mt_doc_periodtoinvoice i join billing.mt_events e on e.stream_id = i.id and e.version = 1 where e.data ->> 'subscriptionId' = any(?)", ct, [subscriptions]);
        var periods = await DraftedPeriod.ReadAsync(session, [.. closed.Concat(open).Order(StringComparer.Ordinal)], clock.Now, ct);
        // What came late is demanded with a later period, and a subscription that was cancelled may not have that one yet.
        var marked = (await session.Query<LateMark>().Where(m => m.SubscriptionId.IsOneOf(subscriptions)).Select(m => m.PeriodId).ToListAsync(ct)).Distinct().Order(StringComparer.Ordinal).ToArray();
        var streams = await StoredStreams.ReadToDecideAsync(session, marked, ct);
        return [.. periods.Where(p => !p.Facts.IsEmpty).Select(p => p.Facts.PeriodId), .. marked.Where(id => streams.Period(id) is PeriodState.Closed { HasLate: true })];
    }
}

internal static class HeldCustomers
{
    public const string Hold = "select 1 from pg_advisory_xact_lock(hashtextextended(?, 0))";

    /// <summary>The customer as it stands, and nobody else who holds it decides anything until the session's transaction ends.</summary>
    public static async Task<(CustomerState Customer, long Version)> HoldCustomer(this IDocumentSession session, string customerId, CancellationToken ct)
    {
        await session.BeginTransactionAsync(ct);
        await session.AdvancedSql.QueryAsync<int>(Hold, ct, customerId);
        var streams = await StoredStreams.ReadAsync(session, [customerId], ct);
        return (streams.Customer(customerId), streams.Version(customerId));
    }
}
