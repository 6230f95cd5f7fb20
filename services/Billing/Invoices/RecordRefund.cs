namespace Billing.Invoices;

/// <summary>Records what a payment provider says went back to the customer. Without a credit note it is due again.</summary>
public sealed record RecordRefund(string Provider, string Reference, Micros AmountMicros, string Currency, DateTimeOffset RefundedAt, DateTimeOffset At);

public static class RecordRefundDecision
{
    public static Decision<InvoiceEvent> Decide(RecordRefund c, InvoiceState state)
    {
        if ((state as InvoiceState.Finalized ?? (state as InvoiceState.Voided)?.Was) is not { } invoice) return InvoiceRefusals.NotFinal;
        if (c.Provider.Length == 0 || c.Reference.Length == 0)
            return Decision.Refuse("reference_missing", "name the provider and its own id of the refund: it is what tells a repeat from a second refund");
        if (InvoiceRefusals.OfAmount(c.AmountMicros, c.Currency, invoice.Invoice.Currency) is { } refusal) return refusal;
        if (invoice.Refunds.FirstOrDefault(r => r.Provider == c.Provider && r.Reference == c.Reference) is { } earlier)
            return earlier.AmountMicros == c.AmountMicros
                ? Decision.NoChange
                : Decision.Refuse("payment_reference_reused", $"{c.Provider} {c.Reference} is recorded with another amount: a second refund has a reference of its own");
        if (InvoiceRefusals.OfLength(c.Provider, c.Reference) is { } tooLong) return tooLong;
        if (state is InvoiceState.Voided) return Decision.Refuse("invoice_void", "the invoice is void, and nothing is held that was paid on it: look for the invoice that the refund is of");
        // An invoice below zero, for usage that was taken back, is owed to the customer without any payment.
        var most = invoice.PaidMicros > -invoice.OutstandingMicros ? invoice.PaidMicros : -invoice.OutstandingMicros;
        if (c.AmountMicros > most)
            return Decision.Refuse("refund_exceeds_payments", $"{most.ToMajorUnits(invoice.Invoice.Currency)} {invoice.Invoice.Currency} were paid and not refunded: no more can go back");
        if (InvoiceRefusals.OfTime(c.RefundedAt, c.At) is { } early) return early;
        return Decision.Accept<InvoiceEvent>(new RefundRecorded(c.Provider, c.Reference, c.AmountMicros, c.RefundedAt, c.At));
    }
}
