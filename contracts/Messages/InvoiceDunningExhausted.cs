namespace Contracts.Messages;

/// <summary>Every step of the seller's dunning schedule was taken in vain. From billing, for whoever collects.</summary>
/// <param name="FinalAction">what billing did: none, pause_subscription, cancel_subscription or mark_uncollectible</param>
/// <param name="OutstandingMicros">what was left to pay, before the final action</param>
/// <param name="FinalActionRefused">why billing did not do it, as the code of a refusal: subscription_trialing; null where it did</param>
public sealed record InvoiceDunningExhausted(
    string InvoiceId, string Number, string CustomerId, string SubscriptionId, string Currency, string FinalAction, long OutstandingMicros, DateTimeOffset DueAt, DateTimeOffset ExhaustedAt,
    string? FinalActionRefused = null);
