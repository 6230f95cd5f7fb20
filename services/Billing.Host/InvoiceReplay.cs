using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Billing.Accounts;
using Billing.Audit;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Contracts.Billing.V1;
using Google.Protobuf;
using Marten;
using Npgsql;
using InvoiceFinalized = Billing.Invoices.InvoiceFinalized;

namespace Billing.Host;

/// <summary>
/// Invoices made again from events by today's code, and compared with what was stored when they became final: the document's bytes, the credit that they drew,
/// and every credit note that was issued for them.
/// </summary>
internal sealed class InvoiceReplay(
    IReadOnlyDictionary<string, InvoiceReplay.Stored> documents, IReadOnlyDictionary<string, InvoiceReplay.Stored> creditNotes, StoredStreams streams, StoredTerms terms,
    SealExplanation seals)
{
    private const int AtOnce = 100;

    /// <summary>A document as its row has it: nothing of a row that somebody altered stops those beside it.</summary>
    /// <param name="Document">null where the row has none</param>
    internal sealed record Stored(string Number, long TotalMicros, string? Document);

    private const string CannotBeRated = "the invoice cannot be rated again: ";

    /// <summary>The events that made invoices final, in the order of the log, so many at a time.</summary>
    /// <param name="invoiceId">empty for all</param>
    public static async Task<IReadOnlyList<StreamEvent>> FinalsAsync(IQuerySession session, long after, string invoiceId, CancellationToken ct) => await EventRows.ReadAsync(
        session, $"select {EventRows.Columns} from billing.mt_events where type = 'invoice_finalized' and seq_id > $1{(invoiceId.Length == 0 ? "" : " and stream_id = $2")} order by seq_id limit {AtOnce}",
        ct, invoiceId.Length == 0 ? [after] : [after, invoiceId]).ToListAsync(ct);

    public static async Task<InvoiceReplay> ReadAsync(IQuerySession session, IReadOnlyList<StreamEvent> page, SealExplanation seals, CancellationToken ct)
    {
        var finals = page.Where(e => e.Data is InvoiceFinalized).Select(e => (InvoiceId: e.Stream, Event: e.Body<InvoiceFinalized>())).ToArray();
        string[] ids = [.. page.Select(e => e.Stream)];
        var documents = await DocumentsAsync(session, "mt_doc_storedinvoice where id = any($1)", ids, ct);
        var notes = await DocumentsAsync(session, "mt_doc_storedcreditnote where data ->> 'invoiceId' = any($1)", ids, ct);
        var streams = await StoredStreams.ReadAsync(session, finals.SelectMany(f => new[] { f.Event.PeriodId, f.InvoiceId }), ct);
        var terms = await StoredTerms.ReadAsync(session, [.. finals.Where(f => Fault(streams, f.InvoiceId, f.Event) is null).Select(f => streams.Period(f.Event.PeriodId)).OfType<PeriodState.Closed>().Select(c => c.Facts)], ct);
        return new(documents, notes, streams, terms, seals);
    }

    private static async Task<Dictionary<string, Stored>> DocumentsAsync(IQuerySession session, string from, string[] ids, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select id, data ->> 'number', data ->> 'totalMicros', data ->> 'document' from billing.{from}") { Parameters = { new() { Value = ids } } };
        await using var reader = await session.ExecuteReaderAsync(command, ct);
        var documents = new Dictionary<string, Stored>();
        while (await reader.ReadAsync(ct))
        {
            string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
            documents[reader.GetString(0)] = new(Text(1) ?? "", long.TryParse(Text(2), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var total) ? total : 0, Text(3));
        }
        return documents;
    }

    /// <summary>What cannot be folded of an invoice: it is told of that invoice, and the others go on.</summary>
    public static string? Fault(StoredStreams streams, string invoiceId, InvoiceFinalized final) => (streams.Fault(final.PeriodId) ?? streams.Fault(invoiceId))?.Message;

    public Task<ReplayedInvoice> Run(StreamEvent e, CancellationToken ct) => e.Data switch
    {
        UnreadableEvent unreadable => Unreadable(e.Stream, unreadable.Fault, ct),
        _ => Run(e.Stream, e.Body<InvoiceFinalized>(), ct),
    };

    /// <summary>Which period it is of stands in what cannot be read; the number that it has, in its document too.</summary>
    private async Task<ReplayedInvoice> Unreadable(string invoiceId, CorruptStreamException fault, CancellationToken ct)
    {
        var stored = documents.GetValueOrDefault(invoiceId);
        return new()
        {
            InvoiceId = invoiceId, Number = stored?.Number ?? "", TotalMicros = stored?.TotalMicros ?? 0, StoredSha256 = Sha256Of(stored),
            Difference = $"{CannotBeRated}{fault.Message}. {await seals.Of([invoiceId], ct)}",
        };
    }

    private async Task<ReplayedInvoice> Run(string invoiceId, InvoiceFinalized final, CancellationToken ct)
    {
        var stored = documents.GetValueOrDefault(invoiceId);
        var fault = Fault(streams, invoiceId, final);
        var state = fault is not null ? null : streams.Invoice(invoiceId) switch { InvoiceState.Finalized f => f, InvoiceState.Voided v => v.Was, _ => null };
        var answer = new ReplayedInvoice
        {
            InvoiceId = invoiceId, Number = final.Number, TotalMicros = final.TotalMicros.Value, CreditNoteCount = state?.CreditNotes.Count ?? 0,
            StoredSha256 = Sha256Of(stored),
        };
        var period = fault is not null ? PeriodState.Initial : streams.Period(final.PeriodId);
        var difference = fault is not null ? $"{CannotBeRated}{fault}" : Difference(invoiceId, final, stored, state, period, answer);
        answer.Identical = difference is null;
        if (difference is null) return answer;
        string[] made = period is PeriodState.Closed c
            ? [.. InvoiceRating.MenusOf(c.Facts), .. c.Facts.Adjustments.Select(a => a.FromPeriodId), AccountIds.Of(c.Facts.CustomerId), SellerState.StreamId]
            : [];
        answer.Difference = $"{difference}. {await seals.Of([final.PeriodId, invoiceId, final.CustomerId, .. made], ct)}";
        return answer;
    }

    private string? Difference(string invoiceId, InvoiceFinalized final, Stored? stored, InvoiceState.Finalized? state, PeriodState period, ReplayedInvoice answer)
    {
        InvoiceDocument document;
        byte[] replayed;
        if (period is not PeriodState.Closed closed) return $"{CannotBeRated}{final.PeriodId} is not a closed period";
        try
        {
            document = InvoiceDocument.Finalized(closed.Facts, state?.Terms is { } cut ? terms.At(closed.Facts, cut) : terms.Now(closed.Facts), final.Number, state?.Terms, final.At);
            replayed = document.ToUtf8();
        }
        catch (Exception e) when (CorruptStreamException.IsOfAFold(e))
        {
            return $"{CannotBeRated}{e.Message}";
        }
        answer.ReplayedSha256 = ByteString.CopyFrom(SHA256.HashData(replayed));
        if (stored?.Document is null) return "the stored document is missing";
        var text = Encoding.UTF8.GetString(replayed);
        if (DocumentDifference.First(stored.Document, text) is { } parting) return parting;
        var sha256 = Convert.ToHexStringLower(answer.StoredSha256.Span);
        if (sha256 != final.DocumentSha256) return $"the document's SHA-256 is {sha256}, and the event that finalized it says {final.DocumentSha256}";
        if (EventDifference(final, closed.Facts, document) is { } otherwise) return otherwise;
        ValueList<CreditDraw> drew = terms.Drawn(final.CustomerId, invoiceId), draws = state?.Terms is null ? [] : document.Rated.Draws;
        if (!drew.Equals(draws)) return terms.UnreadableDraw(final.CustomerId) is { } unreadable ? $"the credit that it drew cannot be told: {unreadable.Message}" : $"the credit that it drew is {drew} stored and {draws} replayed";
        return state is null ? null : CreditNoteReplay.FirstDifference(invoiceId, state, TaxedParts.Of(text), id => creditNotes.GetValueOrDefault(id)?.Document);
    }

    private static ByteString Sha256Of(Stored? stored) => ByteString.CopyFrom(SHA256.HashData(Encoding.UTF8.GetBytes(stored?.Document ?? "")));

    /// <summary>Standings, payments and messages use what the event says, so it must be what the document says.</summary>
    private static string? EventDifference(InvoiceFinalized final, PeriodFacts facts, InvoiceDocument document)
    {
        if (final.TotalMicros != document.Rated.TotalMicros) return Say("a total of", final.TotalMicros.Value, document.Rated.TotalMicros.Value);
        if (final.Currency != document.Currency) return Say("the currency", final.Currency.Code, document.Currency.Code);
        if (final.CustomerId != facts.CustomerId) return Say("the customer", final.CustomerId, facts.CustomerId);
        return final.SubscriptionId == facts.SubscriptionId ? null : Say("the subscription", final.SubscriptionId, facts.SubscriptionId);

        static string Say(string what, object said, object replayed) => FormattableString.Invariant($"the event that finalized it says {what} {said}, and its document {replayed}");
    }
}
