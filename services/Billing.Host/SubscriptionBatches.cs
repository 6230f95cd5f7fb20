using Billing.Customers;
using Billing.Menus;
using Billing.Periods;
using Billing.Subscriptions;
using Marten;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// Lets subscriptions follow the business clock: trials end, periods turn, scheduled changes happen. What is due is found from what is
/// stored, and written on expected versions: any instance may do it, each thing happens once, and a crash loses nothing.
/// </summary>
public sealed class SubscriptionsDue(IDocumentStore store, NpgsqlDataSource database, DueItems items, IOptions<BillingOptions> options)
{
    /// <returns>how many subscriptions moved on</returns>
    public Task<int> Run(DateTimeOffset now, CancellationToken ct) => items.Run<string>("subscription", id => id, async after =>
    {
        await using var session = store.QuerySession();
        return await session.Query<SubscriptionView>().Where(s => s.NextDueAt <= now && s.Id.CompareTo(after) > 0).OrderBy(s => s.Id).Select(s => s.Id).Take(options.Value.PeriodBatchMax).ToListAsync(ct);
    }, due => Append(due, (s, _) => CatchUpDecision.Decide(new(now), s), ct));

    /// <summary>
    /// Gives cancelled subscriptions another period when usage came after all of theirs were closed: nothing that was recorded goes without
    /// an invoice.
    /// </summary>
    public Task<int> RunLate(DateTimeOffset now, CancellationToken ct) => items.Run<string>("late_usage", id => id, async after =>
    {
        var late = new List<string>();
        await using var command = database.CreateCommand("""
            select distinct (m.data ->> 'subscriptionId') collate "C" from billing.mt_doc_latemark m
            where not exists (select from billing.mt_doc_periodtoclose p where p.data ->> 'subscriptionId' = m.data ->> 'subscriptionId')
                and (m.data ->> 'subscriptionId') collate "C" > $2
            order by 1 limit $1
            """);
        command.Parameters.Add(new() { Value = options.Value.PeriodBatchMax });
        command.Parameters.Add(new() { Value = after });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) late.Add(reader.GetString(0));
        return late;
    }, due => Append(due, (s, next) => TurnPeriodDecision.Decide(new(next, now), s), ct));

    /// <param name="decide">given the subscription and the period after its current one</param>
    private Task<int> Append(IReadOnlyList<string> ids, Func<SubscriptionState, PeriodState, Decision<SubscriptionEvent>> decide, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var session = store.LightweightSession();
        var streams = await SubscriptionStreams.Read(session, ids, ct);
        foreach (var id in ids) session.AppendWithPeriods(streams, id, decide(streams.Subscription(id), NextOf(streams, id)).OrThrow().Events);
        await session.SaveChangesAsync(ct);
        return ids.Count;
    });

    private static PeriodState NextOf(StoredStreams streams, string id) =>
        streams.Subscription(id) is SubscriptionState.Known k ? streams.Period(SubscriptionSnapshot.Next(id, k).PeriodId) : PeriodState.Initial;
}

/// <summary>Decides about one subscription and writes what follows, for it and for its periods, in one transaction.</summary>
public sealed class SubscriptionStreams(IDocumentStore store, MenuBook menus)
{
    /// <param name="decide">given the subscription and the menus it is on and scheduled to be on</param>
    /// <param name="alongside">written in the same transaction, given the state after it and its menu</param>
    public Task<SubscriptionState> Transact(
        string id, Func<SubscriptionState, IReadOnlyDictionary<string, MenuTerms>, Decision<SubscriptionEvent>> decide,
        Action<IDocumentSession, SubscriptionState.Known, MenuTerms> alongside, CancellationToken ct) => Transact(id, _ => Task.FromResult(decide), alongside, ct);

    /// <summary>Starts a subscription of a customer, who is not erased meanwhile.</summary>
    public Task<SubscriptionState> Start(
        string id, string customerId, Func<SubscriptionState, CustomerState, Decision<SubscriptionEvent>> decide,
        Action<IDocumentSession, SubscriptionState.Known, MenuTerms> alongside, CancellationToken ct) => Transact(id, async session =>
    {
        var (customer, _) = await session.HoldCustomer(customerId, ct);
        return (s, _) => decide(s, customer);
    }, alongside, ct);

    private Task<SubscriptionState> Transact(
        string id, Func<IDocumentSession, Task<Func<SubscriptionState, IReadOnlyDictionary<string, MenuTerms>, Decision<SubscriptionEvent>>>> deciding,
        Action<IDocumentSession, SubscriptionState.Known, MenuTerms> alongside, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var session = store.LightweightSession();
        var decide = await deciding(session);
        var streams = await Read(session, [id], ct);
        var state = streams.Subscription(id);
        var decision = decide(state, await menus.Get(session, MenusOf(state), ct)).OrThrow();
        if (decision.Events.Count == 0) return state;
        session.AppendWithPeriods(streams, id, decision.Events);
        var after = (SubscriptionState.Known)decision.Events.Aggregate(state, SubscriptionState.Evolve);
        alongside(session, after, (await menus.Get(session, [after.MenuId], ct))[after.MenuId]);
        await session.SaveChangesAsync(ct);
        return after;
    });

    public static IEnumerable<string> MenusOf(SubscriptionState state) => state is SubscriptionState.Known k
        ? k.Scheduled is { Cancels: false } s ? [k.MenuId, s.MenuId] : [k.MenuId]
        : [];

    /// <summary>Subscriptions with their current and next periods.</summary>
    public static async Task<StoredStreams> Read(IQuerySession session, IEnumerable<string> ids, CancellationToken ct)
    {
        var wanted = ids.ToArray();
        var streams = await StoredStreams.ReadToDecideAsync(session, wanted, ct);
        await streams.ReadMoreAsync(session, wanted.SelectMany(id => streams.Subscription(id) is SubscriptionState.Known k
            ? new[] { SubscriptionSnapshot.Current(id, k).PeriodId, SubscriptionSnapshot.Next(id, k).PeriodId }
            : []), ct);
        return streams;
    }
}

public static class SubscriptionAppends
{
    /// <summary>Appends a subscription's events and what its periods make of them, each stream on the version that was read.</summary>
    public static void AppendWithPeriods(this IDocumentSession session, StoredStreams streams, string id, IReadOnlyList<SubscriptionEvent> events)
    {
        if (events.Count == 0) return;
        session.AppendExpecting(id, streams.Version(id), events);
        // By period id, so that every transaction locks streams in the same order.
        foreach (var (periodId, decided) in FollowSubscription.Decide(id, streams.Subscription(id), events, streams.Period).OrThrow().Events)
            session.AppendExpecting(periodId, streams.Version(periodId), decided);
    }
}
