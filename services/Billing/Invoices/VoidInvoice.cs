namespace Billing.Invoices;

/// <summary>Takes back a final invoice that nobody has paid or been credited for.</summary>
public sealed record VoidInvoice(string Reason, DateTimeOffset At, LateUsageTies Ties);

public static class VoidInvoiceDecision
{
    public static Decision<InvoiceEvent> Decide(VoidInvoice c, InvoiceState state) => state switch
    {
        InvoiceState.Voided => Decision.NoChange,
        InvoiceState.Finalized when string.IsNullOrWhiteSpace(c.Reason) => Decision.Refuse("reason_missing", "say why the invoice is voided: an auditor will ask"),
        InvoiceState.Finalized { PaidMicros.Value: < 0 } s =>
            Decision.Refuse("invoice_paid", $"{(-s.PaidMicros).ToMajorUnits(s.Invoice.Currency)} {s.Invoice.Currency} were paid out for it: it stands; what was wrong with it is corrected on the next invoice"),
        InvoiceState.Finalized { PaidMicros.Value: > 0 } s =>
            Decision.Refuse("invoice_paid", $"{s.PaidMicros.ToMajorUnits(s.Invoice.Currency)} {s.Invoice.Currency} were paid: issue a credit note, then refund; a credit note gives back what was to be paid, and not the credit that the invoice used: grant that again"),
        InvoiceState.Finalized { WrittenOffMicros.Value: > 0 } => Decision.Refuse("invoice_written_off", "it was written off: issue a credit note instead"),
        InvoiceState.Finalized { CreditNotes.Count: > 0 } => Decision.Refuse("invoice_credited", "a credit note stands against it: credit the rest instead"),
        InvoiceState.Finalized s when c.Ties.KeepsFromVoiding(s.Invoice.TotalMicros) is { } tied => tied,
        InvoiceState.Finalized => Decision.Accept<InvoiceEvent>(new InvoiceVoided(c.Reason, c.At)),
        _ => InvoiceRefusals.NotFinal,
    };
}

internal static class InvoiceRefusals
{
    public static Refusal NotFinal => Decision.Refuse("invoice_unknown", "there is no such final invoice; list them with ListInvoices");

    /// <summary>Of a provider's name, and of a reference: together with what stands before them, they are the key of an index.</summary>
    private const int ReferenceLengthMax = 200;

    /// <summary>How far a provider's clock may be ahead of billing's.</summary>
    private static readonly TimeSpan AheadMax = TimeSpan.FromMinutes(5);

    /// <summary>When a provider says that something happened: not after now.</summary>
    public static Refusal? OfTime(DateTimeOffset said, DateTimeOffset now) => said <= now + AheadMax
        ? null
        : Decision.Refuse("time_span_invalid", $"{said:u} has not come yet: it is {now:u} by billing's clock; record it when it has happened");

    public static Refusal? OfLength(string provider, string reference) => provider.Length <= ReferenceLengthMax && reference.Length <= ReferenceLengthMax
        ? null
        : Decision.Refuse("reference_too_long", $"a provider and a reference have at most {ReferenceLengthMax} characters each: send the provider's own id, nothing more");

    /// <summary>An amount that a person could pay: positive, in whole minor units of the invoice's currency.</summary>
    public static Refusal? OfAmount(Micros amount, string currency, Currency invoiced) => true switch
    {
        _ when currency != invoiced.Code => Decision.Refuse("currency_mismatch", $"the invoice is in {invoiced}: convert, and send the amount in {invoiced}"),
        _ when amount <= Micros.Zero => Decision.Refuse("amount_invalid", "an amount is above zero"),
        _ when amount.Value % invoiced.MinorUnit.Value != 0 =>
            Decision.Refuse("amount_invalid", $"{amount.Value} micros are not a whole number of minor units of {invoiced}, which are {invoiced.MinorUnit.Value} micros each"),
        _ => null,
    };
}
