using System.Collections.Frozen;
using Billing.Invoices;
using Billing.Subscriptions;

namespace Billing.Webhooks;

/// <summary>Which stored events endpoints are told of, and under which name. A stored event of these streams that is in neither list fails a test.</summary>
public static class WebhookTypes
{
    /// <summary>The name of each event that is announced. A name that was given once stays.</summary>
    public static FrozenDictionary<Type, string> Announced { get; } = new Dictionary<Type, string>
    {
        [typeof(SubscriptionStarted)] = "subscription.started",
        [typeof(SubscriptionActivated)] = "subscription.activated",
        [typeof(SubscriptionPeriodTurned)] = "subscription.period_turned",
        [typeof(SubscriptionPlanChanged)] = "subscription.plan_changed",
        [typeof(SubscriptionPlanChangeScheduled)] = "subscription.plan_change_scheduled",
        [typeof(SubscriptionCancellationScheduled)] = "subscription.cancellation_scheduled",
        [typeof(SubscriptionScheduleWithdrawn)] = "subscription.schedule_withdrawn",
        [typeof(SubscriptionPauseScheduled)] = "subscription.pause_scheduled",
        [typeof(SubscriptionPauseWithdrawn)] = "subscription.pause_withdrawn",
        [typeof(SubscriptionPaused)] = "subscription.paused",
        [typeof(SubscriptionResumed)] = "subscription.resumed",
        [typeof(SubscriptionCancelled)] = "subscription.cancelled",
        [typeof(InvoiceFinalized)] = "invoice.finalized",
        [typeof(InvoiceVoided)] = "invoice.voided",
        [typeof(InvoiceFellOverdue)] = "invoice.overdue",
        [typeof(PaymentRecorded)] = "invoice.payment_recorded",
        [typeof(RefundRecorded)] = "invoice.refund_recorded",
        [typeof(PaymentFailed)] = "invoice.payment_failed",
        [typeof(DunningStepTaken)] = "invoice.collection_due",
        [typeof(DunningExhausted)] = "invoice.dunning_exhausted",
        [typeof(InvoiceWrittenOff)] = "invoice.written_off",
        [typeof(CreditNoteIssued)] = "credit_note.issued",
        [typeof(WebhookEndpointDisabled)] = "webhook_endpoint.disabled",
    }.ToFrozenDictionary();

    /// <summary>Events of the same streams that nobody is told of, for they say nothing to anybody outside.</summary>
    public static FrozenSet<Type> NotAnnounced { get; } = new[]
    {
        // Stands before InvoiceFinalized in one commit: what is due, and when, is told with that.
        typeof(InvoiceTermsCut),
        // Stands beside InvoiceFellOverdue; a hold is the seller's own note.
        typeof(DunningStarted), typeof(DunningHeld), typeof(DunningReleased),
        // Between the endpoint's owner and billing.
        typeof(WebhookEndpointRegistered), typeof(WebhookEndpointUpdated), typeof(WebhookSecretRotated), typeof(WebhookEndpointEnabled), typeof(WebhookReplayOrdered),
    }.ToFrozenSet();

    /// <summary>All names, in order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Announced.Values.Order(StringComparer.Ordinal)];
}
