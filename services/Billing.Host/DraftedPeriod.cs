using Billing.Periods;
using Marten;

namespace Billing.Host;

/// <summary>
/// A period as its draft invoice shows it: what the view has, and what came after it. Usage is on the draft when its report is committed, however far the daemon is,
/// and late usage of closed periods is on the draft of the one that will be closed next.
/// </summary>
/// <param name="Status">open or closed</param>
internal sealed record DraftedPeriod(PeriodFacts Facts, string Status)
{
    /// <param name="periodId">whose invoice it is; empty where the view must say that</param>
    /// <exception cref="RefusedException">invoice_unknown</exception>
    public static async Task<DraftedPeriod> Find(IQuerySession session, string invoiceId, string periodId, DateTimeOffset now, CancellationToken ct)
    {
        if (periodId.Length == 0) periodId = await session.Query<PeriodView>().Where(v => v.InvoiceId == invoiceId).Select(v => v.Id).FirstOrDefaultAsync(ct) ?? "";
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
