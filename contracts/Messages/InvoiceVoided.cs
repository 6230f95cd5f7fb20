namespace Contracts.Messages;

/// <summary>An invoice is not demanded any more. From billing, for whoever collects payment or keeps books.</summary>
public sealed record InvoiceVoided(string InvoiceId, string Number, string CustomerId, string Reason, DateTimeOffset VoidedAt);
