using System.Security.Cryptography;
using Billing.Rating;

namespace Billing.Invoices;

/// <summary>Gives back all or a part of a final invoice, in a document of its own with a number of its own.</summary>
/// <param name="AmountMicros">tax included; null for all that is left</param>
/// <param name="Parts">of the invoice, from its document: what is taxed alike</param>
public sealed record IssueCreditNote(string InvoiceId, string CreditNoteId, string Number, Micros? AmountMicros, string Reason, ValueList<TaxedPart> Parts, DateTimeOffset At)
{
    /// <summary>Only of an invoice that demands nothing, to say what can be done instead.</summary>
    public LateUsageTies Ties { get; init; } = LateUsageTies.None;
}

/// <summary>
/// The amount is split over the parts in proportion to what is left of each. Within a part the tax of all notes together is the share of its tax that they credit, rounded once: so errors of many notes do
/// not add up in the last one. No part is ever credited beyond what was invoiced, and the last note takes exactly what is left.
/// </summary>
public static class IssueCreditNoteDecision
{
    public static Decision<InvoiceEvent> Decide(IssueCreditNote c, InvoiceState state)
    {
        if (state is InvoiceState.Voided) return Decision.Refuse("invoice_void", "a void invoice demands nothing that could be credited");
        if (state is not InvoiceState.Finalized s) return InvoiceRefusals.NotFinal;
        if (s.CreditNotes.FirstOrDefault(n => n.CreditNoteId == c.CreditNoteId) is { } earlier)
            return earlier.Reason == c.Reason && (c.AmountMicros is not { } again || again == earlier.TotalMicros)
                ? Decision.NoChange
                : Decision.Refuse("credit_note_exists", "a credit note with this id was issued with another amount or reason; take another id");
        if (string.IsNullOrWhiteSpace(c.Reason)) return Decision.Refuse("reason_missing", "say why the invoice is credited: it is printed on the note");
        var currency = s.Invoice.Currency;
        if (s.Invoice.TotalMicros <= Micros.Zero && c.Ties.KeepsFromVoiding(s.Invoice.TotalMicros) is { } tied)
            return Decision.Refuse("nothing_to_credit", $"the invoice demands nothing that could be credited; {tied.Detail}");
        if (s.Invoice.TotalMicros < Micros.Zero)
            return Decision.Refuse("nothing_to_credit", $"the invoice owes the customer {(-s.Invoice.TotalMicros).ToMajorUnits(currency)} {currency} and demands nothing: record a refund when that is paid out, or void the invoice before");
        if (s.Invoice.TotalMicros == Micros.Zero)
            return Decision.Refuse("nothing_to_credit", "the invoice demands nothing that could be credited; voiding it gives back the credit that it used");
        var left = s.Invoice.TotalMicros - s.CreditedMicros;
        if (left <= Micros.Zero) return Decision.Refuse("nothing_to_credit", "all of the invoice is credited: GetInvoiceStanding lists its notes; what was paid beyond them is given back with a refund");
        var amount = c.AmountMicros ?? left;
        if (InvoiceRefusals.OfAmount(amount, currency.Code, currency) is { } refusal) return refusal;
        if (amount > left)
            return Decision.Refuse("credit_exceeds_invoice", $"{left.ToMajorUnits(currency)} {currency} of the invoice are not credited yet: credit at most that");
        var parts = Split(amount, c.Parts, s.CreditNotes, currency);
        var document = CreditNoteDocument.Of(c, s.Invoice, parts);
        return Decision.Accept<InvoiceEvent>(new CreditNoteIssued(
            c.CreditNoteId, c.Number, c.Reason, parts, amount, Convert.ToHexStringLower(SHA256.HashData(document.ToUtf8())), c.At));
    }

    private static ValueList<TaxedPart> Split(Micros amount, ValueList<TaxedPart> invoiced, ValueList<CreditNoteIssued> before, Currency currency)
    {
        var unit = currency.MinorUnit.Value;
        var net = invoiced.Select((p, i) => (p.NetMicros.Value - before.Sum(b => b.Parts[i].NetMicros.Value)) / unit).ToArray();
        var tax = invoiced.Select((p, i) => (p.TaxMicros.Value - before.Sum(b => b.Parts[i].TaxMicros.Value)) / unit).ToArray();
        // The last note mirrors what is left, with a part that rounding had put a unit below zero.
        if (amount.Value / unit == net.Sum() + tax.Sum())
            return invoiced.Select((p, i) => new TaxedPart(p.Description, new(net[i] * unit), new(tax[i] * unit))).ToValueList();
        var gross = Apportion.ByRemainder(amount.Value / unit, [.. net.Zip(tax, (n, t) => Math.Max(n + t, 0))]);
        return invoiced.Select((p, i) =>
        {
            var taxed = TaxOf(p.NetMicros.Value / unit, p.TaxMicros.Value / unit, net[i], tax[i], gross[i]);
            return new TaxedPart(p.Description, new((gross[i] - taxed) * unit), new(taxed * unit));
        }).ToValueList();
    }

    /// <summary>The tax in a part of a note.</summary>
    private static long TaxOf(long net, long tax, long netLeft, long taxLeft, long gross)
    {
        if (gross == 0) return 0;
        var (whole, credited) = ((Int128)net + tax, (Int128)net + tax - netLeft - taxLeft + gross);
        var together = (long)(((2 * tax * credited) + whole) / (2 * whole));
        var most = Math.Min(gross, taxLeft);
        return Math.Clamp(together - (tax - taxLeft), Math.Min(Math.Max(0, gross - netLeft), most), most);
    }
}
