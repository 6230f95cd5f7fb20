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
            var before = after;
            after = ids[^1];
            Reading? stream = null;
            await foreach (var e in EventRows.ReadAsync(
                session, $"select {EventRows.Columns} from billing.mt_events where stream_id > $1 and stream_id <= $2 and type <> 'tombstone' order by stream_id, version", ct, before, after))
            {
                if (stream?.Id != e.Stream)
                {
                    Finish(stream);
                    stream = new(e.Stream);
                }
                Next(session, stream, e);
            }
            Finish(stream);
            await session.SaveChangesAsync(ct);
        }
        await using var last = open();
        foreach (var invoice in _finalized.Values) _closed.Remove(invoice.PeriodId);
        foreach (var (periodId, at) in _closed) last.Store(new PeriodToInvoice(periodId, at));
        await last.SaveChangesAsync(ct);
    }

    /// <summary>A stream as far as it is read: its view, and none of its events. A busy period has more of them than memory should hold.</summary>
    private sealed class Reading(string id)
    {
        public string Id => id;
        public long Version { get; set; }

        /// <summary>Null while no event could be read, and of what has no view.</summary>
        public Folding? Folding { get; set; }
        public bool IsKnown { get; set; }
        public CorruptStreamException? Fault { get; set; }
    }

    private abstract class Folding
    {
        public abstract void Next(StreamEvent e);

        /// <summary>A view's revision is the version of its stream: the next event of the stream finds it as if it had been there all along.</summary>
        public abstract void Keep(long version);
    }

    private sealed class Folding<TView, TEvent>(Func<TView?, string, TEvent, TView> fold, Action<TView, long> keep) : Folding where TView : class
    {
        private TView? _view;

        public override void Next(StreamEvent e) => _view = e.Folded<TView?, TEvent>(_view, (view, body) => fold(view, e.Stream, body));
        public override void Keep(long version) => keep(_view!, version);
    }

    private void Next(IDocumentSession session, Reading stream, StreamEvent e)
    {
        // Of a stream that cannot be folded too: the documents must find what issued them.
        KeepIssued(session, e.Stream, e);
        stream.Version = e.Version;
        // What kind of stream it is, the first event says that can be read: only then it is known whether one before it, that cannot, is missed by a view.
        if (!stream.IsKnown && e.Data is not UnreadableEvent) (stream.IsKnown, stream.Folding) = (true, FoldingOf(session, e));
        if (stream is { IsKnown: true, Folding: null }) stream.Fault = null;
        else if (stream.Fault is null)
        {
            try
            {
                if (stream.Folding is { } folding) folding.Next(e);
                else e.Body<object>();
            }
            catch (CorruptStreamException fault)
            {
                stream.Fault = fault;
            }
        }
    }

    private void Finish(Reading? stream)
    {
        if (stream?.Fault is { } fault) _faults.Add(fault.Message);
        else stream?.Folding?.Keep(stream.Version);
    }

    private sealed record FoldedPeriod(PeriodOpened Opened, PeriodState State, PeriodView View)
    {
        public static FoldedPeriod Fold(FoldedPeriod? period, string id, PeriodEvent e) =>
            new(period?.Opened ?? (PeriodOpened)e, PeriodState.Evolve(period?.State ?? PeriodState.Initial, e), PeriodView.Fold(period?.View, id, e));
    }

    /// <returns>null of a stream that has no view</returns>
    private Folding? FoldingOf(IDocumentSession session, StreamEvent first) => first.Data switch
    {
        CustomerEvent => new Folding<CustomerView, CustomerEvent>(CustomerView.Fold, (customer, version) =>
        {
            if (customer.State.DetailsSha256.Length > 0) CustomersWithDetails++;
            session.UpdateRevision(customer, version);
        }),
        SubscriptionEvent => new Folding<SubscriptionView, SubscriptionEvent>(SubscriptionView.Fold, session.UpdateRevision),
        PeriodEvent => new Folding<FoldedPeriod, PeriodEvent>(FoldedPeriod.Fold, (period, version) =>
        {
            session.UpdateRevision(period.View, version);
            KeepWork(session, first.Stream, period.Opened, period.State);
        }),
        InvoiceEvent => new Folding<InvoiceStandingView, InvoiceEvent>(InvoiceStandingView.Fold, session.UpdateRevision),
        WebhookEvent => new Folding<WebhookEndpointView, WebhookEvent>(WebhookEndpointView.Fold, session.UpdateRevision),
        _ => null,
    };

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
}
