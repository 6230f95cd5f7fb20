namespace Billing.Invoices;

/// <summary>Records what a payment provider says came in. More than is due is accepted: money that came cannot be refused, only refunded.</summary>
public sealed record RecordPayment(string Provider, string Reference, Micros AmountMicros, string Currency, DateTimeOffset PaidAt, DateTimeOffset At);

public static class RecordPaymentDecision
{
    public static Decision<InvoiceEvent> Decide(RecordPayment c, InvoiceState state)
    {
        if ((state as InvoiceState.Finalized ?? (state as InvoiceState.Voided)?.Was) is not { } invoice) return InvoiceRefusals.NotFinal;
        if (c.Provider.Length == 0 || c.Reference.Length == 0)
            return Decision.Refuse("reference_missing", "name the provider and its own id of the payment: it is what tells a repeat from a second payment");
        if (InvoiceRefusals.OfAmount(c.AmountMicros, c.Currency, invoice.Invoice.Currency) is { } refusal) return refusal;
        if (invoice.Payments.FirstOrDefault(p => p.Provider == c.Provider && p.Reference == c.Reference) is { } earlier)
            return earlier.AmountMicros == c.AmountMicros
                ? Decision.NoChange
                : Decision.Refuse("payment_reference_reused", $"{c.Provider} {c.Reference} is recorded with another amount: a second payment has a reference of its own");
        if (InvoiceRefusals.OfLength(c.Provider, c.Reference) is { } tooLong) return tooLong;
        if (state is InvoiceState.Voided) return Decision.Refuse("invoice_void", "the invoice is void: send the money back, or record it on the invoice that it is for");
        if (InvoiceRefusals.OfTime(c.PaidAt, c.At) is { } early) return early;
        return Decision.Accept<InvoiceEvent>(new PaymentRecorded(c.Provider, c.Reference, c.AmountMicros, c.PaidAt, c.At));
    }
}
