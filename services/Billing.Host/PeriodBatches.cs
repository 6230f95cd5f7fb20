using Billing.Customers;
using Billing.Periods;
using Marten;
using Marten.Linq;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>Closes periods whose grace is over, with the late usage of earlier ones, in one transaction a batch.</summary>
public sealed class PeriodClosing(IDocumentStore store, DueItems items, IOptions<BillingOptions> options)
{
    private const string Kind = "period";

    /// <summary>To be said when it was looked and none is due, for then there is nothing to <see cref="Run"/>.</summary>
    public void NoneDue() => items.NoneDue(Kind);

    /// <returns>how many periods were closed; 0 when none is left that can be</returns>
    public Task<int> Run(DateTimeOffset now, ValueList<ReportHead> cut, CancellationToken ct)
    {
        var ended = now - options.Value.Grace;
        return items.Run<PeriodToClose>(Kind, p => p.Id, async after =>
        {
            await using var session = store.QuerySession();
            // An id begins with its period's start: the oldest come first.
            return await session.Query<PeriodToClose>().Where(p => p.End <= ended && p.Id.CompareTo(after) > 0).OrderBy(p => p.Id).Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        }, ready => Close(ready, cut, now, ct));
    }

    private Task<int> Close(IReadOnlyList<PeriodToClose> ready, ValueList<ReportHead> cut, DateTimeOffset now, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var session = store.LightweightSession();
        // A month that was skipped leaves several periods of a subscription due: they close one after the other.
        var due = ready.DistinctBy(p => p.SubscriptionId).ToArray();
        var subscriptions = due.Select(p => p.SubscriptionId).ToArray();
        // Where a subscription could not move on, what it will still say about its period must come first.
        var behind = (await session.Query<SubscriptionView>().Where(s => s.Id.IsOneOf(subscriptions) && s.NextDueAt <= now).Select(s => new { s.Id, s.NextDueAt }).ToListAsync(ct))
            .ToDictionary(s => s.Id, s => s.NextDueAt!.Value);
        if (behind.Count > 0) due = [.. due.Where(p => !behind.TryGetValue(p.SubscriptionId, out var at) || at > p.End)];
        if (due.Length == 0) return 0;
        // The marks before the streams: a mark that is seen here belongs to usage that is seen there.
        var marks = (await session.Query<LateMark>().Where(m => m.SubscriptionId.IsOneOf(subscriptions)).ToListAsync(ct)).ToLookup(m => m.SubscriptionId);
        var streams = await StoredStreams.ReadAsync(session, due.SelectMany(p => marks[p.SubscriptionId].Select(m => m.PeriodId).Append(p.Id).Append(p.PreviousPeriodId)), ct);
        await streams.ReadMoreAsync(session, due.Select(p => CustomerOf(streams, p)), ct);
        foreach (var period in due) Close(session, streams, period, [.. marks[period.SubscriptionId]], cut, now);
        await session.SaveChangesAsync(ct);
        return due.Length;
    });

    private static string CustomerOf(StoredStreams streams, PeriodToClose period) => streams.Period(period.Id) is PeriodState.Open o ? o.Facts.CustomerId : "";

    private void Close(IDocumentSession session, StoredStreams streams, PeriodToClose period, LateMark[] marks, ValueList<ReportHead> cut, DateTimeOffset now)
    {
        var earlier = marks.Select(m => m.PeriodId).Append(period.PreviousPeriodId).Distinct()
            .Where(id => id != period.Id && streams.Period(id) is PeriodState.Closed).ToDictionary(id => id, id => (PeriodState.Closed)streams.Period(id));
        var decision = ClosePeriodDecision.Decide(
            new(
                streams.Period(period.PreviousPeriodId), [.. earlier.Values], cut, options.Value.Grace, now,
                streams.Customer(CustomerOf(streams, period)) is CustomerState.Known customer ? customer.DetailsSha256 : ""),
            streams.Period(period.Id)).OrThrow();
        if (decision.Events.Count == 0) return;
        session.AppendExpecting(period.Id, streams.Version(period.Id), decision.Events);
        foreach (var (id, closed) in earlier)
            if (CarryLateUsageDecision.Decide(new(period.Id, now), closed).OrThrow().Events is { Count: > 0 } carried)
                session.AppendExpecting(id, streams.Version(id), carried);
        // Only the marks seen above: later ones are for the next closing.
        foreach (var mark in marks.Where(m => earlier.ContainsKey(m.PeriodId))) session.Delete<LateMark>(mark.Id);
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
            catch (Exception e) when (attempt < AttemptsMax && (EventStreams.IsConflict(e) || UsageReports.IsDeadlock(e) || IsClosedMeanwhile(e))) { /* On what they left. */ }
        }
    }

    // Two reads are not one moment: the period that the subscription named first was closed before it was read itself.
    private static bool IsClosedMeanwhile(Exception e) => e is RefusedException { Refusal.Code: "period_not_open" };
}
