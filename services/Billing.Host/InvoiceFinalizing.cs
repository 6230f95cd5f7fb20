using System.Text;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Periods;
using Marten;
using Marten.Linq;
using Microsoft.Extensions.Options;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>
/// Gives closed periods their invoices. The row of the number series is locked first and until the commit, so that numbers
/// are given to committed invoices only: none is missing, none is given twice (B2). The credit that an invoice uses leaves the account
/// in the same commit, on the version that the invoice was rated by.
/// </summary>
public sealed class InvoiceFinalizing(IDocumentStore store, NpgsqlDataSource database, BusinessClock clock, DueItems items, IOptions<BillingOptions> options)
{
    /// <returns>how many invoices became final by schedule</returns>
    public async Task<int> Run(DateTimeOffset now, CancellationToken ct)
    {
        if (options.Value.FinalizeBy == BillingOptions.ByHand) return 0;
        var closedBy = now.AddHours(-options.Value.FinalizeAfterHours);
        // Looked at without the lock first, for most of the time there is nothing to do.
        return await items.Run<string>("invoice", id => id, async after =>
        {
            await using var session = store.QuerySession();
            return await session.Query<PeriodToInvoice>().Where(p => p.ClosedAt <= closedBy && p.Id.CompareTo(after) > 0).OrderBy(p => p.Id).Select(p => p.Id)
                .Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        }, due => Finalize(due, now, null, null, ct));
    }

    /// <summary>The invoice of one closed period, whatever the schedule says.</summary>
    /// <returns>0 when it is final already, or the period is not closed</returns>
    /// <param name="by">who ordered it</param>
    /// <param name="alongside">written in the same transaction, given the invoice as it became</param>
    public Task<int> RunOne(string periodId, DateTimeOffset now, Attribution? by, Action<IDocumentSession, InvoiceState>? alongside, CancellationToken ct) => Finalize([periodId], now, by, alongside, ct);

    private async Task<int> Finalize(IReadOnlyList<string> due, DateTimeOffset now, Attribution? by, Action<IDocumentSession, InvoiceState>? alongside, CancellationToken ct)
    {
        // Before the lock, for a busy period takes its time to be read, and what its invoice is made from has not changed since its close.
        var periods = await Periods(due, ct);
        return await Conflicts.Retry(() => Finalize([.. due.Where(id => periods.Period(id) is PeriodState.Closed)], periods, now, by, alongside, ct));
    }

    private async Task<StoredStreams> Periods(IReadOnlyList<string> ids, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        return await StoredStreams.ReadAsync(session, ids, ct);
    }

    private async Task<int> Finalize(string[] ids, StoredStreams periods, DateTimeOffset now, Attribution? by, Action<IDocumentSession, InvoiceState>? alongside, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var number = await NumberSeries.Lock(connection, options.Value.InvoiceSeries, ct);
        await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
        // Read under the lock: whatever another instance finalized before us is no longer on the list.
        var work = await session.Query<PeriodToInvoice>().Where(p => p.Id.IsOneOf(ids)).OrderBy(p => p.Id).ToListAsync(ct);
        if (work.Count == 0) return 0;
        var at = await IssuedAt(session, number, now, ct);
        var closed = work.Select(w => (PeriodState.Closed)periods.Period(w.Id)).ToArray();
        var invoices = await StoredStreams.ReadAsync(session, work.Select(w => InvoiceIds.Of(w.Id)), ct);
        var terms = await StoredTerms.ReadAsync(session, [.. closed.Select(c => c.Facts)], ct);
        // Those of the batch become final in order of time.
        string[] adjusted = [.. closed.SelectMany(c => c.Facts.Adjustments.Select(a => a.FromPeriodId)).Distinct()];
        var toInvoice = (await session.Query<PeriodToInvoice>().Where(p => p.Id.IsOneOf(adjusted)).Select(p => p.Id).ToListAsync(ct)).ToHashSet();
        var drawn = new SortedDictionary<string, (long Version, List<AccountEvent> Events)>(StringComparer.Ordinal);
        foreach (var period in closed)
        {
            number = Finalize(session, invoices, terms, drawn, toInvoice, period, number, at, by, alongside);
            toInvoice.Remove(period.Facts.PeriodId);
        }
        foreach (var (accountId, (version, events)) in drawn) session.AppendExpecting(accountId, version, events);
        await session.SaveChangesAsync(ct);
        await NumberSeries.Set(connection, options.Value.InvoiceSeries, number, ct);
        await transaction.CommitAsync(ct);
        return work.Count;
    }

    /// <summary>Not when it was looked at what is due: until then others may have given numbers, and a long run its own.</summary>
    private async Task<DateTimeOffset> IssuedAt(IQuerySession session, long last, DateTimeOffset now, CancellationToken ct)
    {
        var before = InvoiceNumber.Of(options.Value.InvoiceSeries, last);
        return NumberSeries.Issued(clock.Now is var later && later > now ? later : now, (await session.Query<StoredInvoice>().Where(i => i.Number == before).FirstOrDefaultAsync(ct))?.FinalizedAt);
    }

    private long Finalize(
        IDocumentSession session, StoredStreams invoices, StoredTerms stored, SortedDictionary<string, (long Version, List<AccountEvent> Events)> drawn, HashSet<string> toInvoice, PeriodState.Closed closed, long last, DateTimeOffset now, Attribution? by,
        Action<IDocumentSession, InvoiceState>? alongside)
    {
        var periodId = closed.Facts.PeriodId;
        var invoiceId = InvoiceIds.Of(periodId);
        var terms = stored.Now(closed.Facts);
        var number = InvoiceNumber.Of(options.Value.InvoiceSeries, last + 1);
        var decision = FinalizeInvoiceDecision.Decide(new(closed, terms, number, now) { ToInvoice = toInvoice }, invoices.Invoice(invoiceId)).OrThrow().By(by);
        if (decision.Events is not [InvoiceTermsCut cut, InvoiceFinalized final])
        {
            session.Delete<PeriodToInvoice>(periodId);
            return last;
        }
        session.AppendExpecting(invoiceId, 0, decision.Events);
        var document = InvoiceDocument.Finalized(closed.Facts, terms, number, cut);
        if (DrawCreditDecision.Decide(new DrawCredit(invoiceId, document.Rated.Draws, now), terms.Account).OrThrow().Events is { Count: > 0 } draws)
        {
            drawn.TryAdd(cut.AccountId, (terms.Account.Version, []));
            drawn[cut.AccountId].Events.AddRange(draws);
            stored.Add(cut.AccountId, draws);
        }
        session.Insert(new StoredInvoice(
            invoiceId, number, periodId, final.SubscriptionId, now, final.TotalMicros.Value, final.DocumentSha256, Encoding.UTF8.GetString(document.ToUtf8())));
        alongside?.Invoke(session, decision.Events.Aggregate(invoices.Invoice(invoiceId), InvoiceState.Evolve));
        return last + 1;
    }
}
