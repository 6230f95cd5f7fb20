namespace Billing.Invoices;

/// <summary>The credit note as one canonical JSON text, by the rules of the invoice's.</summary>
public sealed record CreditNoteDocument(
    string CreditNoteId, string Number, string InvoiceId, string InvoiceNumber, string CustomerId, Currency Currency, string Reason, ValueList<TaxedPart> Parts,
    DateTimeOffset IssuedAt)
{
    public const string Format = "credit_note/1";

    public static CreditNoteDocument Of(IssueCreditNote c, InvoiceFinalized invoice, ValueList<TaxedPart> parts) =>
        new(c.CreditNoteId, c.Number, c.InvoiceId, invoice.Number, invoice.CustomerId, invoice.Currency, c.Reason, parts, c.At);

    /// <summary>From the events alone.</summary>
    public static CreditNoteDocument Of(string invoiceId, InvoiceFinalized invoice, CreditNoteIssued issued) =>
        new(issued.CreditNoteId, issued.Number, invoiceId, invoice.Number, invoice.CustomerId, invoice.Currency, issued.Reason, issued.Parts, issued.At);

    public byte[] ToUtf8() => CanonicalJson.Write(json =>
    {
        json.WriteString("format", Format);
        json.WriteString("creditNoteId", CreditNoteId);
        json.WriteString("number", Number);
        json.WriteString("invoiceId", InvoiceId);
        json.WriteString("invoiceNumber", InvoiceNumber);
        json.WriteString("customerId", CustomerId);
        json.WriteString("currency", Currency.Code);
        json.WriteString("reason", Reason);
        json.WriteStartArray("parts");
        foreach (var part in Parts)
        {
            json.WriteStartObject();
            json.WriteString("description", part.Description);
            json.WriteNumber("netMicros", part.NetMicros.Value);
            json.WriteNumber("taxMicros", part.TaxMicros.Value);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNumber("netMicros", Micros.Sum(Parts.Select(p => p.NetMicros)).Value);
        json.WriteNumber("taxMicros", Micros.Sum(Parts.Select(p => p.TaxMicros)).Value);
        json.WriteNumber("totalMicros", Micros.Sum(Parts.Select(p => p.NetMicros + p.TaxMicros)).Value);
        json.WriteString("issuedAt", CanonicalJson.Time(IssuedAt));
    });
}
