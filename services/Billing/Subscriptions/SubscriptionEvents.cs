namespace Billing.Subscriptions;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
public abstract record SubscriptionEvent;

/// <param name="At">also the anchor from which every period is counted</param>
public sealed record SubscriptionStarted(string CustomerId, string MenuId, string PlanId, DateTimeOffset At) : SubscriptionEvent;

/// <summary>Business time passed into period <paramref name="Number"/>, and the one after it was promised to usage.</summary>
public sealed record SubscriptionPeriodTurned(int Number, DateTimeOffset At) : SubscriptionEvent;
