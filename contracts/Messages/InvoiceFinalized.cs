namespace Contracts.Messages;

/// <summary>An invoice is final. From billing, for whoever collects payment or keeps books.</summary>
/// <param name="DocumentSha256">of the canonical JSON document, 64 hex digits</param>
public sealed record InvoiceFinalized(
    string InvoiceId,
    string Number,
    string CustomerId,
    string SubscriptionId,
    string PeriodId,
    string Currency,
    long TotalMicros,
    string DocumentSha256,
    DateTimeOffset FinalizedAt);
