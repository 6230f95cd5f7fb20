using Billing.Invoices;

namespace Billing.Dunning;

/// <summary>Records that a payment provider could not collect. It changes neither what is owed nor when the next step is due.</summary>
/// <param name="Reference">the provider's own id of the attempt</param>
/// <param name="Reason">in the provider's words, such as card_declined</param>
public sealed record RecordPaymentFailure(string Provider, string Reference, string Reason, DateTimeOffset FailedAt, DateTimeOffset At);

public static class RecordPaymentFailureDecision
{
    public static Decision<InvoiceEvent> Decide(RecordPaymentFailure c, InvoiceState state)
    {
        if ((state as InvoiceState.Finalized ?? (state as InvoiceState.Voided)?.Was) is not { } invoice) return InvoiceRefusals.NotFinal;
        if (c.Provider.Length == 0 || c.Reference.Length == 0)
            return Decision.Refuse("reference_missing", "name the provider and its own id of the attempt: it is what tells a repeat from a second attempt");
        if (string.IsNullOrWhiteSpace(c.Reason)) return Decision.Refuse("reason_missing", "say why it failed, in the provider's words");
        if (c.Reason.Length > Attribution.ReasonLengthMax) return Decision.Refuse("reason_too_long", $"a reason has at most {Attribution.ReasonLengthMax} characters");
        if (invoice.Failures.FirstOrDefault(f => f.Provider == c.Provider && f.Reference == c.Reference) is { } earlier)
            return earlier.Reason == c.Reason
                ? Decision.NoChange
                : Decision.Refuse("payment_reference_reused", $"{c.Provider} {c.Reference} is recorded with another reason: a second attempt has a reference of its own");
        if (InvoiceRefusals.OfLength(c.Provider, c.Reference) is { } tooLong) return tooLong;
        if (state is InvoiceState.Voided) return Decision.Refuse("invoice_void", "the invoice is void: collect nothing for it");
        return Decision.Accept<InvoiceEvent>(new PaymentFailed(c.Provider, c.Reference, c.Reason, c.FailedAt, c.At));
    }
}
