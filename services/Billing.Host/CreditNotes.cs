using System.Text;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Rating;
using Marten;
using Microsoft.Extensions.Options;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>Issues credit notes: numbered like invoices, in a series of their own, on the version of the invoice that the decision was made on.</summary>
public sealed class CreditNotes(IDocumentStore store, NpgsqlDataSource database, BusinessClock clock, IOptions<BillingOptions> options)
{
    /// <exception cref="RefusedException">What the decision refuses; invoice_unknown where nothing is final.</exception>
    public Task<int> Issue(
        string invoiceId, string creditNoteId, Micros? amount, string reason, Attribution? by, Action<IDocumentSession, StoredCreditNote> alongside, CancellationToken ct) =>
        Conflicts.Retry(async () =>
        {
            await using var connection = await database.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var last = await NumberSeries.Lock(connection, options.Value.CreditNoteSeries, ct);
            await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
            if (await session.LoadAsync<StoredCreditNote>(creditNoteId, ct) is { } earlier && earlier.InvoiceId != invoiceId)
                throw new Refusal("credit_note_exists", $"{creditNoteId} was issued for {earlier.InvoiceId}; take another id").AsException();
            var streams = await StoredStreams.ReadAsync(session, [invoiceId], ct);
            var invoice = await session.LoadAsync<StoredInvoice>(invoiceId, ct);
            // As late as what it is decided on, and as the number before it: both may have been written while this waited, or by a clock that is ahead.
            var before = InvoiceNumber.Of(options.Value.CreditNoteSeries, last);
            var at = NumberSeries.Issued(streams.NotBefore(invoiceId, clock.Now), (await session.Query<StoredCreditNote>().Where(n => n.Number == before).FirstOrDefaultAsync(ct))?.IssuedAt);
            var command = new IssueCreditNote(
                invoiceId, creditNoteId, InvoiceNumber.Of(options.Value.CreditNoteSeries, last + 1), amount, reason, invoice is null ? [] : TaxedParts.Of(invoice.Document), at)
            {
                Ties = invoice is { TotalMicros: <= 0 } ? await StoredTies.Read(session, invoice, ct) : LateUsageTies.None,
            };
            var decision = IssueCreditNoteDecision.Decide(command, streams.Invoice(invoiceId)).OrThrow().By(by);
            if (decision.Events is not [CreditNoteIssued issued]) return 0;
            session.AppendExpecting(invoiceId, streams.Version(invoiceId), decision.Events);
            var document = CreditNoteDocument.Of(command, ((InvoiceState.Finalized)streams.Invoice(invoiceId)).Invoice, issued.Parts);
            var stored = new StoredCreditNote(creditNoteId, issued.Number, invoiceId, at, issued.DocumentSha256, Encoding.UTF8.GetString(document.ToUtf8()));
            session.Insert(stored);
            alongside(session, stored);
            await session.SaveChangesAsync(ct);
            await NumberSeries.Set(connection, options.Value.CreditNoteSeries, last + 1, ct);
            await transaction.CommitAsync(ct);
            return 1;
        });
}

/// <summary>
/// Voids invoices, and puts back the credit that they had used in the same commit. The number series is locked until then: no invoice becomes final meanwhile that counts what this one demands as demanded.
/// </summary>
public sealed class InvoiceVoiding(IDocumentStore store, NpgsqlDataSource database, BusinessClock clock, IOptions<BillingOptions> options)
{
    public Task<int> Void(string invoiceId, string reason, Attribution? by, Action<IDocumentSession, InvoiceState> alongside, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await NumberSeries.Lock(connection, options.Value.InvoiceSeries, ct);
        await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
        var streams = await StoredStreams.ReadAsync(session, [invoiceId], ct);
        var (state, ties) = (streams.Invoice(invoiceId), await StoredTies.Read(session, await session.LoadAsync<StoredInvoice>(invoiceId, ct), ct));
        var command = new VoidInvoice(reason, streams.NotBefore(invoiceId, clock.Now), ties);
        var decision = VoidInvoiceDecision.Decide(command, state).OrThrow().By(by);
        if (decision.Events.Count == 0) return 0;
        session.AppendExpecting(invoiceId, streams.Version(invoiceId), decision.Events);
        var accountId = AccountIds.Of(((InvoiceState.Finalized)state).Invoice.CustomerId);
        var accounts = await StoredStreams.ReadAsync(session, [accountId], ct);
        if (DrawCreditDecision.Decide(new ReturnCredit(invoiceId, command.At), accounts.Account(accountId)).OrThrow().By(by).Events is { Count: > 0 } returned)
            session.AppendExpecting(accountId, accounts.Version(accountId), returned);
        alongside(session, decision.Events.Aggregate(state, InvoiceState.Evolve));
        await session.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return 1;
    });
}

/// <summary>Which other invoices late usage ties one to, as their documents say.</summary>
internal static class StoredTies
{
    /// <param name="invoice">null where nothing is final</param>
    public static async Task<LateUsageTies> Read(IQuerySession session, StoredInvoice? invoice, CancellationToken ct)
    {
        if (invoice is null) return LateUsageTies.None;
        var others = await session.Query<StoredInvoice>().Where(i => i.SubscriptionId == invoice.SubscriptionId).ToListAsync(ct);
        return new(
            [.. Wire.Final(invoice).Lines.Select(l => l.AboutPeriodId).Where(id => id.Length > 0)],
            [.. others.Where(o => Wire.Final(o).Lines.Any(l => l is { Kind: LineKinds.Adjustment or LineKinds.Commitment, AmountMicros: < 0 } && l.AboutPeriodId == invoice.PeriodId)).Select(o => o.Number).Order(StringComparer.Ordinal)]);
    }
}
