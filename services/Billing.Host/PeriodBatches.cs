using Billing.Periods;
using Billing.Subscriptions;
using Marten;
using Marten.Linq;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>Opens the period after the next when a period turns, so that usage always knows the current one and the next.</summary>
public sealed class PeriodTurning(IDocumentStore store, IOptions<BillingOptions> options)
{
    /// <returns>how many subscriptions turned; 0 when none is due</returns>
    public Task<int> RunBatch(DateTimeOffset now, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var session = store.LightweightSession();
        var due = await session.Query<SubscriptionView>().Where(s => s.CurrentEnd <= now).OrderBy(s => s.Id).Select(s => s.Id).Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        var streams = await StoredStreams.ReadAsync(session, due, ct);
        foreach (var id in due)
        {
            var decision = TurnPeriodDecision.Decide(new(now), streams.Subscription(id)).OrThrow();
            if (decision.Events.Count == 0) continue;
            session.AppendExpecting(id, streams.Version(id), decision.Events);
            var active = (SubscriptionState.Active)decision.Events.Aggregate(streams.Subscription(id), SubscriptionState.Evolve);
            foreach (var turned in decision.Events.Cast<SubscriptionPeriodTurned>()) session.OpenPeriod(id, active, turned.Number + 1, now);
        }
        await session.SaveChangesAsync(ct);
        return due.Count;
    });
}

/// <summary>Closes periods whose grace is over, with the late usage of earlier ones, in one transaction a batch.</summary>
public sealed class PeriodClosing(IDocumentStore store, IOptions<BillingOptions> options)
{
    /// <returns>how many periods were closed; 0 when none is due</returns>
    public Task<int> RunBatch(DateTimeOffset now, ValueList<ReportHead> cut, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        var ended = now - options.Value.Grace;
        await using var session = store.LightweightSession();
        var ready = await session.Query<PeriodToClose>().Where(p => p.End <= ended).OrderBy(p => p.End).ThenBy(p => p.Id).Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        // A month that was skipped leaves several periods of a subscription due: they close one after the other.
        var due = ready.DistinctBy(p => p.SubscriptionId).ToArray();
        // The marks before the streams: a mark that is seen here belongs to usage that is seen there.
        var subscriptions = due.Select(p => p.SubscriptionId).ToArray();
        var marks = (await session.Query<LateMark>().Where(m => m.SubscriptionId.IsOneOf(subscriptions)).ToListAsync(ct)).ToLookup(m => m.SubscriptionId);
        var streams = await StoredStreams.ReadAsync(session, due.SelectMany(p => marks[p.SubscriptionId].Select(m => m.PeriodId).Append(p.Id).Append(p.PreviousPeriodId)), ct);
        foreach (var period in due) Close(session, streams, period, [.. marks[period.SubscriptionId]], cut, now);
        await session.SaveChangesAsync(ct);
        return due.Length;
    });

    private void Close(IDocumentSession session, StoredStreams streams, PeriodToClose period, LateMark[] marks, ValueList<ReportHead> cut, DateTimeOffset now)
    {
        var earlier = marks.Select(m => m.PeriodId).Append(period.PreviousPeriodId).Distinct()
            .Where(id => id != period.Id && streams.Period(id) is PeriodState.Closed).ToDictionary(id => id, id => (PeriodState.Closed)streams.Period(id));
        var decision = ClosePeriodDecision.Decide(
            new(streams.Period(period.PreviousPeriodId), [.. earlier.Values], cut, options.Value.Grace, now), streams.Period(period.Id)).OrThrow();
        if (decision.Events.Count == 0) return;
        session.AppendExpecting(period.Id, streams.Version(period.Id), decision.Events);
        foreach (var (id, closed) in earlier)
            if (CarryLateUsageDecision.Decide(new(period.Id, now), closed).OrThrow().Events is { Count: > 0 } carried)
                session.AppendExpecting(id, streams.Version(id), carried);
        // Only the marks seen above: later ones are for the next closing.
        foreach (var mark in marks.Where(m => earlier.ContainsKey(m.PeriodId))) session.Delete<LateMark>(mark.Id);
    }
}

public static class PeriodStreams
{
    public static void OpenPeriod(this IDocumentSession session, string subscriptionId, SubscriptionState.Active subscription, int number, DateTimeOffset at)
    {
        var opened = OpenPeriodDecision.Decide(new(subscriptionId, subscription, number, at), PeriodState.Initial);
        session.AppendExpecting(SubscriptionSnapshot.SpanOf(subscriptionId, subscription, number).PeriodId, 0, opened.Events);
    }
}

public static class Conflicts
{
    private const int AttemptsMax = 20;

    /// <summary>Does a batch again when somebody else changed one of its streams in between.</summary>
    public static async Task<T> Retry<T>(Func<Task<T>> batch)
    {
        for (var attempt = 1; ; attempt++)
        {
            try { return await batch(); }
            catch (Exception e) when (attempt < AttemptsMax && (EventStreams.IsConflict(e) || UsageReports.IsDeadlock(e))) { /* On what they left. */ }
        }
    }
}
