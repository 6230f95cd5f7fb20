namespace Contracts.Messages;

/// <summary>A payment of an invoice is in the books. From billing, for whoever collects payment or keeps books.</summary>
/// <param name="Provider">who reported it</param>
/// <param name="Reference">the provider's own id of the payment</param>
/// <param name="PaidAt">when, by the provider</param>
public sealed record InvoicePaymentRecorded(
    string InvoiceId, string Number, string CustomerId, string Currency, string Provider, string Reference, long AmountMicros, DateTimeOffset PaidAt, DateTimeOffset RecordedAt);
