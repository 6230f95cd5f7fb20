namespace Contracts.Messages;

/// <summary>
/// Everything usage must know of a subscription, as a snapshot: the higher version wins, so order, repetition and loss do not
/// matter. From billing, for usage.
/// </summary>
/// <param name="Status">trialing, active, paused (no new grants until it is resumed) or cancelled</param>
/// <param name="Models">the models the plan may use; empty is any</param>
public sealed record SubscriptionChanged(
    string SubscriptionId,
    long Version,
    string CustomerId,
    string Status,
    string MenuId,
    string PlanId,
    IReadOnlyList<PublishedCap> Caps,
    IReadOnlyList<string> Models,
    SubscriptionPeriod CurrentPeriod,
    SubscriptionPeriod NextPeriod,
    DateTimeOffset ChangedAt);

/// <summary>[Start, End) in business time; periods count from 0.</summary>
public sealed record SubscriptionPeriod(string PeriodId, int Number, DateTimeOffset Start, DateTimeOffset End);
