using System.Security.Cryptography;
using System.Text;
using Billing.Invoices;

namespace Billing.Audit;

/// <summary>Credit notes decided and written again from the events of their invoice, by today's code.</summary>
public static class CreditNoteReplay
{
    /// <param name="parts">of the invoice, from its document made again</param>
    /// <param name="stored">the stored document of a credit note, by its id; null when there is none</param>
    /// <returns>null when every note is what was issued</returns>
    public static string? FirstDifference(string invoiceId, InvoiceState.Finalized invoice, ValueList<TaxedPart> parts, Func<string, string?> stored)
    {
        for (var i = 0; i < invoice.CreditNotes.Count; i++)
            if (Difference(invoiceId, invoice with { CreditNotes = invoice.CreditNotes.Take(i).ToValueList() }, invoice.CreditNotes[i], parts, stored) is { } difference)
                return $"credit note {invoice.CreditNotes[i].Number} ({invoice.CreditNotes[i].CreditNoteId}): {difference}";
        return null;
    }

    private static string? Difference(string invoiceId, InvoiceState.Finalized before, CreditNoteIssued issued, ValueList<TaxedPart> parts, Func<string, string?> stored)
    {
        var decision = IssueCreditNoteDecision.Decide(new(invoiceId, issued.CreditNoteId, issued.Number, issued.TotalMicros, issued.Reason, parts, issued.At), before);
        if (decision.Refused is { } refusal) return $"it would be refused today: {refusal.Detail}";
        if (decision.Events is not [CreditNoteIssued again]) return "it would not be issued today";
        if (!again.Parts.Equals(issued.Parts)) return $"its parts are {issued.Parts} stored and {again.Parts} replayed";
        var bytes = CreditNoteDocument.Of(invoiceId, before.Invoice, issued).ToUtf8();
        if (stored(issued.CreditNoteId) is not { } document) return "the stored document is missing";
        if (DocumentDifference.First(document, Encoding.UTF8.GetString(bytes)) is { } parting) return parting;
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes));
        return sha256 == issued.DocumentSha256 ? null : $"the document's SHA-256 is {sha256}, and the event that issued it says {issued.DocumentSha256}";
    }
}
