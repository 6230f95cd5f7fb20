namespace Contracts.Messages;

/// <summary>An invoice was not settled when it fell due. Said once. From billing, for whoever reminds customers.</summary>
/// <param name="OutstandingMicros">what was left to pay then</param>
public sealed record InvoiceFellOverdue(string InvoiceId, string Number, string CustomerId, string Currency, long OutstandingMicros, DateTimeOffset? DueAt, DateTimeOffset FellOverdueAt);
