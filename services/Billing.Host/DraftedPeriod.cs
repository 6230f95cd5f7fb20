using Billing.Invoices;
using Billing.Periods;
using Billing.Subscriptions;
using Marten;

namespace Billing.Host;

/// <summary>
/// A period as its draft invoice shows it: what the view has, and what came after it. Usage is on the draft when its report is committed, however far the daemon is,
/// and late usage of closed periods is on the draft of the one that will be closed next.
/// </summary>
/// <param name="Status">open or closed</param>
internal sealed record DraftedPeriod(PeriodFacts Facts, string Status)
{
    /// <param name="periodId">whose invoice it is; empty where that is looked up</param>
    /// <exception cref="RefusedException">invoice_unknown</exception>
    public static async Task<DraftedPeriod> Find(IQuerySession session, string invoiceId, string periodId, DateTimeOffset now, CancellationToken ct)
    {
        if (periodId.Length == 0) periodId = await PeriodsWithDrafts.IdOf(session, invoiceId, ct) ?? "";
        return (await ReadAsync(session, [periodId], now, ct)).SingleOrDefault() ?? throw new Refusal("invoice_unknown", "there is no such invoice, and no open period that will have it").AsException();
    }

    /// <returns>those that are there, in the order in which they were asked for</returns>
    public static async Task<IReadOnlyList<DraftedPeriod>> ReadAsync(IQuerySession session, IReadOnlyList<string> periodIds, DateTimeOffset now, CancellationToken ct)
    {
        var streams = await StoredStreams.ReadToDecideAsync(session, periodIds, ct);
        var late = await WaitingLateUsage.ReadAsync(session, periodIds.Select(id => streams.Period(id)).OfType<PeriodState.Open>().Select(o => o.Facts.SubscriptionId), now, ct);
        return [.. periodIds.Select(id => streams.Period(id) switch
        {
            PeriodState.Open o => new DraftedPeriod(late.With(o.Facts), "open"),
            PeriodState.Closed c => new DraftedPeriod(c.Facts, "closed"),
            _ => null,
        }).OfType<DraftedPeriod>()];
    }
}

/// <summary>
/// Which periods there are, by the invoices that they will have. The view of periods has an index of that, and may stand still: what it does not have yet is on one of the two work lists, which are written with the events.
/// The id of a period and that of its invoice begin with the same time, its start: that is where the lists are searched. The periods of one subscription name each other.
/// </summary>
internal static class PeriodsWithDrafts
{
    private const int TimeDigits = 12;

    /// <returns>the period that will have this invoice; null where there is none</returns>
    public static async Task<string?> IdOf(IQuerySession session, string invoiceId, CancellationToken ct)
    {
        if (await session.Query<PeriodView>().Where(v => v.InvoiceId == invoiceId).Select(v => v.Id).FirstOrDefaultAsync(ct) is { } viewed) return viewed;
        var (from, to) = (From(invoiceId), To(invoiceId));
        var listed = await session.AdvancedSql.QueryAsync<string>(
            "select id from billing.mt_doc_periodtoclose where id between ? and ? union all select id from billing.mt_doc_periodtoinvoice where id between ? and ?", ct, from, to, from, to);
        return listed.FirstOrDefault(id => InvoiceIds.Of(id) == invoiceId);
    }

    /// <param name="session">on one moment: what the view takes up between two questions would be in neither answer</param>
    /// <param name="subscriptionId">empty is all</param>
    /// <param name="after">the id of an invoice; empty is the beginning</param>
    /// <returns>periods that have begun, in the order of their invoices, some of which may be final; fewer than <paramref name="most"/> are the last</returns>
    public static async Task<IReadOnlyList<(string InvoiceId, string Id)>> PageAsync(IQuerySession session, string subscriptionId, string after, int most, DateTimeOffset now, CancellationToken ct)
    {
        if (subscriptionId.Length > 0) return Page(await Of(session, subscriptionId, ct), after, most, now);
        var viewed = await session.Query<PeriodView>().Where(v => v.InvoiceId.CompareTo(after) > 0 && v.Start <= now).OrderBy(v => v.InvoiceId).Take(most).Select(v => v.Id).ToListAsync(ct);
        var through = viewed.Count < most ? Ids.New(Ids.Invoice, now) : InvoiceIds.Of(viewed[^1]);
        return Page(viewed.Concat(await NotViewed(session, From(after), To(through), most, ct)), after, most, now);
    }

    private static (string InvoiceId, string Id)[] Page(IEnumerable<string> ids, string after, int most, DateTimeOffset now) =>
    [
        .. ids.Where(id => Ids.TimeOf(Ids.Parse(Ids.Period, id)) <= now).Select(id => (InvoiceId: InvoiceIds.Of(id), Id: id))
            .Where(p => string.CompareOrdinal(p.InvoiceId, after) > 0).OrderBy(p => p.InvoiceId, StringComparer.Ordinal).Take(most),
    ];

    /// <summary>All periods of a subscription: the next one, which is open whenever it is known, and back through those that each was opened after.</summary>
    private static async Task<IReadOnlyList<string>> Of(IQuerySession session, string subscriptionId, CancellationToken ct) =>
        await session.LoadAsync<SubscriptionView>(subscriptionId, ct) is not { } known ? [] : await session.AdvancedSql.QueryAsync<string>(
            """
            with recursive own (id) as (
                select ?
                union
                select e.data ->> 'previousPeriodId' from own join billing.mt_events e on e.stream_id = own.id and e.version = 1
            )
            select id from own where id <> ''
            """, ct, SubscriptionSnapshot.Next(subscriptionId, known.State).PeriodId);

    /// <summary>As many as are asked for, and all that begin at the same time as the last of them: their invoices may come before its own.</summary>
    private static Task<IReadOnlyList<string>> NotViewed(IQuerySession session, string from, string to, int most, CancellationToken ct) => session.AdvancedSql.QueryAsync<string>(
        $"""
        select id from (
            select c.id from billing.mt_doc_periodtoclose c where c.id between ? and ? and not exists (select from billing.mt_doc_periodview v where v.id = c.id)
            union all
            select i.id from billing.mt_doc_periodtoinvoice i where i.id between ? and ? and not exists (select from billing.mt_doc_periodview v where v.id = i.id)
        ) p
        order by left(id, {Ids.Period.Length + 1 + TimeDigits}) fetch first {most} rows with ties
        """, ct, from, to, from, to);

    // The part of an id that is its time, and what comes after every digit that may follow.
    private static string From(string invoiceId) => invoiceId.Length == 0 ? "" : $"{Ids.Period}_{invoiceId.AsSpan(Ids.Invoice.Length + 1, TimeDigits)}";
    private static string To(string invoiceId) => $"{From(invoiceId)}g";
}

/// <summary>Late usage that no invoice demands yet, by the period on whose invoice it will be: the next of its subscription to be closed.</summary>
internal sealed class WaitingLateUsage
{
    private readonly Dictionary<string, IReadOnlyList<LateUsageAdded>> _ofPeriods = [];

    public static async Task<WaitingLateUsage> ReadAsync(IQuerySession session, IEnumerable<string> subscriptionIds, DateTimeOffset now, CancellationToken ct)
    {
        var waiting = new WaitingLateUsage();
        string[] subscriptions = [.. subscriptionIds.Distinct()];
        // The marks before the streams: a mark that is seen here belongs to usage that is seen there.
        var marks = (await session.Query<LateMark>().Where(m => m.SubscriptionId.IsOneOf(subscriptions)).ToListAsync(ct)).ToLookup(m => m.SubscriptionId, m => m.PeriodId);
        if (marks.Count == 0) return waiting;
        subscriptions = [.. marks.Select(m => m.Key)];
        var open = await session.Query<PeriodToClose>().Where(p => p.SubscriptionId.IsOneOf(subscriptions)).ToListAsync(ct);
        var streams = await StoredStreams.ReadToDecideAsync(session, marks.SelectMany(m => m), ct);
        foreach (var next in open.GroupBy(p => p.SubscriptionId).Select(periods => periods.MinBy(p => p.Number)!))
            waiting._ofPeriods[next.Id] = [.. LateUsage.Of(marks[next.SubscriptionId].Distinct().Select(id => streams.Period(id)).OfType<PeriodState.Closed>(), now)];
        return waiting;
    }

    /// <param name="open">of a period that is not closed yet</param>
    public PeriodFacts With(PeriodFacts open) => _ofPeriods.GetValueOrDefault(open.PeriodId, []).Aggregate(open, (facts, late) => facts.With(late));
}
