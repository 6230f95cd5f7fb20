using Billing.Periods;
using Marten;

namespace Billing.Host;

/// <summary>
/// A period as its draft invoice shows it: what the view has, and what came after it. Usage is on the draft when its report is committed, however far the daemon is.
/// </summary>
/// <param name="Status">open or closed</param>
internal sealed record DraftedPeriod(PeriodFacts Facts, string Status)
{
    /// <param name="periodId">whose invoice it is; empty where the view must say that</param>
    /// <exception cref="RefusedException">invoice_unknown</exception>
    public static async Task<DraftedPeriod> Find(IQuerySession session, string invoiceId, string periodId, CancellationToken ct)
    {
        if (periodId.Length == 0) periodId = await session.Query<PeriodView>().Where(v => v.InvoiceId == invoiceId).Select(v => v.Id).FirstOrDefaultAsync(ct) ?? "";
        return (await ReadAsync(session, [periodId], ct)).SingleOrDefault() ?? throw new Refusal("invoice_unknown", "there is no such invoice, and no open period that will have it").AsException();
    }

    /// <returns>those that are there, in the order in which they were asked for</returns>
    public static async Task<IReadOnlyList<DraftedPeriod>> ReadAsync(IQuerySession session, IReadOnlyList<string> periodIds, CancellationToken ct)
    {
        var streams = await StoredStreams.ReadToDecideAsync(session, periodIds, ct);
        return [.. periodIds.Select(id => Of(streams.Period(id))).OfType<DraftedPeriod>()];
    }

    private static DraftedPeriod? Of(PeriodState state) => state switch
    {
        PeriodState.Open o => new(o.Facts, "open"),
        PeriodState.Closed c => new(c.Facts, "closed"),
        _ => null,
    };
}
