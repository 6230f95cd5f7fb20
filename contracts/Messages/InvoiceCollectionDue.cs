namespace Contracts.Messages;

/// <summary>A customer is to be asked again for an invoice that is late: a step of the seller's dunning schedule. From billing, for whoever collects or reminds.</summary>
/// <param name="Step">from 1: the attempt</param>
/// <param name="Steps">of the schedule</param>
/// <param name="OutstandingMicros">what was left to pay then</param>
/// <param name="DueAt">when the step was due</param>
public sealed record InvoiceCollectionDue(
    string InvoiceId, string Number, string CustomerId, string SubscriptionId, string Currency, int Step, int Steps, long OutstandingMicros, DateTimeOffset DueAt, DateTimeOffset TakenAt);
