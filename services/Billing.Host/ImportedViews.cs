using System.Text.Json;
using Billing.Customers;
using Billing.Invoices;
using Billing.Periods;
using Billing.Subscriptions;
using Billing.Webhooks;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// All that billing keeps beside its events, made from them: the views, by their own folds, and the lists of what is still to be done. What an import has to
/// know of documents (whose they are, and since when) is told by the events that issued them.
/// </summary>
internal sealed class ImportedViews
{
    private const int StreamsAtOnce = 200;
    private readonly Dictionary<string, InvoiceFinalized> _finalized = [];
    private readonly Dictionary<string, (string InvoiceId, CreditNoteIssued Issued)> _credited = [];
    private readonly Dictionary<string, DateTimeOffset> _closed = [];

    private readonly List<string> _faults = [];

    public bool AreFolded { get; private set; }

    /// <summary>Streams that cannot be folded, and at which event: they have no view.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>Customers whose details were recorded and not erased.</summary>
    public long CustomersWithDetails { get; private set; }

    public StoredInvoice Invoice(string id, string document)
    {
        var f = _finalized[id];
        return new(id, f.Number, f.PeriodId, f.SubscriptionId, f.At, f.TotalMicros.Value, f.DocumentSha256, document);
    }

    public StoredCreditNote CreditNote(string id, string document)
    {
        var (invoiceId, issued) = _credited[id];
        return new(id, issued.Number, invoiceId, issued.At, issued.DocumentSha256, document);
    }

    /// <param name="open">opens a session on the transaction that holds the events</param>
    /// <exception cref="RefusedException">stream_corrupt: what issued a document cannot be read. Other faults are kept, and their streams have no view.</exception>
    public async Task Fold(Func<IDocumentSession> open, CancellationToken ct)
    {
        AreFolded = true;
        for (var after = ""; ;)
        {
            await using var session = open();
            var ids = (await session.AdvancedSql.QueryAsync<string>("select id from billing.mt_streams where id > ? order by id limit ?", ct, after, StreamsAtOnce)).ToArray();
            if (ids.Length == 0) break;
            after = ids[^1];
            var events = await EventRows.ReadAsync(session, [.. ids.Select(id => (id, 0L))], ct).ToListAsync(ct);
            foreach (var stream in events.GroupBy(e => e.Stream))
            {
                try
                {
                    Fold(session, stream.Key, [.. stream]);
                }
                catch (CorruptStreamException e)
                {
                    _faults.Add(e.Message);
                }
            }
            await session.SaveChangesAsync(ct);
        }
        await using var last = open();
        foreach (var invoice in _finalized.Values) _closed.Remove(invoice.PeriodId);
        foreach (var (periodId, at) in _closed) last.Store(new PeriodToInvoice(periodId, at));
        await last.SaveChangesAsync(ct);
    }

    private void Fold(IDocumentSession session, string id, StreamEvent[] stream)
    {
        // A view's revision is the version of its stream: the next event of the stream finds it as if it had been there all along.
        var version = stream[^1].Version;
        switch (stream.Select(e => e.Data).FirstOrDefault(e => e is not UnreadableEvent) ?? stream[0].Body<object>())
        {
            case CustomerEvent:
                var customer = View<CustomerView, CustomerEvent>(stream, CustomerView.Fold);
                if (customer.State.DetailsSha256.Length > 0) CustomersWithDetails++;
                session.UpdateRevision(customer, version);
                break;
            case SubscriptionEvent:
                session.UpdateRevision(View<SubscriptionView, SubscriptionEvent>(stream, SubscriptionView.Fold), version);
                break;
            case PeriodEvent:
                // Both folds before anything is written of the stream.
                var state = View<PeriodState, PeriodEvent>(stream, (s, _, e) => PeriodState.Evolve(s ?? PeriodState.Initial, e));
                session.UpdateRevision(View<PeriodView, PeriodEvent>(stream, PeriodView.Fold), version);
                KeepWork(session, id, stream[0].Body<PeriodOpened>(), state);
                break;
            case InvoiceEvent:
                // First, for the documents must find what issued them.
                foreach (var e in stream) KeepIssued(session, id, e);
                session.UpdateRevision(View<InvoiceStandingView, InvoiceEvent>(stream, InvoiceStandingView.Fold), version);
                break;
            case WebhookEvent:
                session.UpdateRevision(View<WebhookEndpointView, WebhookEvent>(stream, WebhookEndpointView.Fold), version);
                break;
        }
    }

    private void KeepWork(IDocumentSession session, string id, PeriodOpened opened, PeriodState state)
    {
        if (state is not PeriodState.Closed closed)
        {
            session.Store(new PeriodToClose(id, opened.SubscriptionId, opened.Number, opened.End, opened.PreviousPeriodId));
            return;
        }
        _closed[id] = closed.ClosedAt;
        if (closed.HasLate) session.Insert(new LateMark($"{id}/imported", id, opened.SubscriptionId));
    }

    private void KeepIssued(IDocumentSession session, string invoiceId, StreamEvent e)
    {
        switch (e.Data)
        {
            case UnreadableEvent u when e.Type is "invoice_finalized" or "credit_note_issued": throw u.Fault.Refusal("the document that it issued cannot be stored without it, and nothing was imported").AsException();
            case InvoiceFinalized f: _finalized[invoiceId] = f; break;
            case CreditNoteIssued c: _credited[c.CreditNoteId] = (invoiceId, c); break;
            case PaymentRecorded p: session.Insert(ProviderReference.Payment(p.Provider, p.Reference, invoiceId)); break;
            case PaymentFailed f: session.Insert(ProviderReference.Failure(f.Provider, f.Reference, invoiceId)); break;
            case RefundRecorded r: session.Insert(ProviderReference.Refund(r.Provider, r.Reference, invoiceId)); break;
        }
    }

    private static TView View<TView, TEvent>(StreamEvent[] stream, Func<TView?, string, TEvent, TView> fold) where TView : class
    {
        TView? view = null;
        foreach (var e in stream) view = e.Folded<TView?, TEvent>(view, (v, body) => fold(v, e.Stream, body));
        return view!;
    }
}
