using System.Text.Json;
using Billing.Customers;
using Billing.Documents;
using Billing.Invoices;
using Billing.Periods;
using Marten;
using Microsoft.Extensions.Options;
using PdfDocument = Billing.Documents.PdfDocument;

namespace Billing.Host;

/// <summary>A document as stored, as people read it, and as programs of customers do.</summary>
/// <param name="Sha256">of the canonical JSON, 64 hex digits; empty for a draft</param>
/// <param name="Electronic">made when it is asked for: what can be printed may lack what an e-invoice must have</param>
public sealed record PrintedFile(string Json, string Sha256, PrintedDocument Printed, Func<ElectronicInvoice> Electronic);

/// <summary>Finds documents and sets them in type.</summary>
public sealed class PrintedDocuments(IDocumentStore store, EventStreams streams, PersonalDetails people, BusinessClock clock, IOptions<BillingOptions> options)
{
    private readonly Lazy<PdfFaces> _faces = new(() => DocumentFonts.Find(options.Value.DocumentFont, options.Value.DocumentFontBold));

    public async Task<PrintedFile> Invoice(string invoiceId, DocumentLanguage language, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        if (await session.LoadAsync<StoredInvoice>(invoiceId, ct) is { } final)
        {
            var state = await streams.Load<InvoiceState, InvoiceEvent>(invoiceId, InvoiceState.Initial, InvoiceState.Evolve, ct);
            return Invoice(final.Document, final.DocumentSha256, await Customer(final.Document, ct), state.Status, await TaxNote(final.Document, ct), language);
        }
        var facts = (await DraftedPeriod.Find(session, invoiceId, periodId: "", clock.Now, ct)).Facts;
        var terms = await StoredTerms.ReadAsync(session, [facts], ct);
        var draft = System.Text.Encoding.UTF8.GetString(InvoiceDocument.Draft(facts, terms.Now(facts)).ToUtf8());
        return Invoice(draft, "", await Now(session, facts.CustomerId, ct), "draft", await TaxNote(draft, ct), language);
    }

    private static PrintedFile Invoice(string json, string sha256, CustomerDetails? customer, string status, string taxNote, DocumentLanguage language) => new(
        json, sha256, Printing.Invoice(json, Party(customer, language), status, taxNote, language), () => ElectronicInvoicing.Invoice(json, customer, status, taxNote, language));

    public async Task<PrintedFile> CreditNote(string creditNoteId, DocumentLanguage language, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        var note = await session.LoadAsync<StoredCreditNote>(creditNoteId, ct) ?? throw NoCreditNote(creditNoteId);
        var invoice = await session.LoadAsync<StoredInvoice>(note.InvoiceId, ct) ?? throw new InvalidOperationException($"{note.InvoiceId} is credited and not stored");
        var (customer, taxNote) = (await Customer(invoice.Document, ct), await TaxNote(invoice.Document, ct));
        return new(
            note.Document, note.DocumentSha256, Printing.CreditNote(note.Document, invoice.Document, Party(customer, language), language),
            () => ElectronicInvoicing.CreditNote(note.Document, invoice.Document, customer, taxNote, language));
    }

    /// <summary>The customer as it was when the document was made; once erased, its id is all that is printed.</summary>
    private async Task<CustomerDetails?> Customer(string json, CancellationToken ct)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        return root.TryGetProperty("customerDetailsSha256", out var sha256)
            ? await people.Find(root.GetProperty("customerId").GetString()!, sha256.GetString()!, ct)
            : null;
    }

    /// <summary>Why no tax is charged; once the customer is erased the document's own words are all that is printed.</summary>
    private async Task<string> TaxNote(string json, CancellationToken ct)
    {
        if (Printing.TaxNoteSha256(json) is not { Length: > 0 } sha256) return "";
        using var document = JsonDocument.Parse(json);
        return await people.FindNote(document.RootElement.GetProperty("customerId").GetString()!, sha256, ct) ?? "";
    }

    private async Task<CustomerDetails?> Now(IQuerySession session, string customerId, CancellationToken ct) =>
        (await StoredStreams.ReadAsync(session, [customerId], ct)).Customer(customerId) is CustomerState.Known { DetailsSha256: { Length: > 0 } sha256 }
            ? await people.Find(customerId, sha256, ct)
            : null;

    private static PrintedParty? Party(CustomerDetails? details, DocumentLanguage language) => details is null ? null : Printing.Party(details, language);

    /// <exception cref="RefusedException">e_invoice_incomplete</exception>
    public static byte[] Ubl(PrintedFile file)
    {
        try
        {
            return UblInvoice.Render(file.Electronic());
        }
        catch (BusinessTermMissingException e)
        {
            throw new Refusal("e_invoice_incomplete", e.Message).AsException();
        }
    }

    /// <exception cref="RefusedException">document_font_lacks_characters, document_font_unreadable</exception>
    public byte[] Pdf(PrintedDocument printed)
    {
        try
        {
            return PdfDocument.Render(printed, _faces.Value);
        }
        catch (CharacterNotInFontException e)
        {
            throw new Refusal("document_font_lacks_characters", $"{e.Message}; HTML and JSON can be had meanwhile").AsException();
        }
    }

    public Exception NoCreditNote(string id) => new Refusal("credit_note_unknown", $"there is no credit note {id}; GetInvoiceStanding lists those of an invoice").AsException();
}

/// <summary>The fonts of PDF documents: named, or found where Linux distributions put them. None is shipped.</summary>
public static class DocumentFonts
{
    private static readonly (string Regular, string Bold)[] Known =
    [
        ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"),
        ("/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf", "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans-Bold.ttf"),
        ("/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf", "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf"),
        ("/usr/share/fonts/liberation-sans/LiberationSans-Regular.ttf", "/usr/share/fonts/liberation-sans/LiberationSans-Bold.ttf"),
    ];

    /// <param name="bold">not looked at where <paramref name="regular"/> is null</param>
    /// <exception cref="RefusedException">document_font_unreadable: there is no such file, or it is no TrueType font.</exception>
    public static PdfFaces Find(string? regular, string? bold)
    {
        if (regular is not null) return new(Read(regular), bold is null ? null : Read(bold));
        var found = Known.FirstOrDefault(k => File.Exists(k.Regular));
        return found.Regular is null ? PdfFaces.Helvetica : new(Read(found.Regular), File.Exists(found.Bold) ? Read(found.Bold) : null);
    }

    private static byte[] Read(string path)
    {
        try
        {
            var font = File.ReadAllBytes(path);
            return PdfFaces.FaultOf(font) is { } fault ? throw Unreadable(path, "is no TrueType font", fault) : font;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Unreadable(path, "cannot be read", e.Message);
        }
    }

    private static Exception Unreadable(string path, string what, string why) =>
        new Refusal("document_font_unreadable", $"'{path}' {what} ({why}): name a TrueType file with Billing__DocumentFont and Billing__DocumentFontBold, or none; HTML and JSON can be had meanwhile").AsException();
}
