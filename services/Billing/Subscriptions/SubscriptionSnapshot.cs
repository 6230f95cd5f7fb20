using Billing.Menus;

namespace Billing.Subscriptions;

public sealed record PeriodSpan(string PeriodId, int Number, DateTimeOffset Start, DateTimeOffset End);

/// <summary>
/// All that usage must know of a subscription. The message and the answer of GetSubscription are both made from this, so they
/// cannot differ. Current and next period, so that usage meters across the turn without hearing from billing.
/// </summary>
/// <param name="Status">trialing, active, paused or cancelled; the last two may not generate</param>
public sealed record SubscriptionSnapshot(
    string SubscriptionId, long Version, string CustomerId, string Status, string MenuId, string PlanId,
    ValueList<Cap> Caps, ValueList<string> Models, PeriodSpan CurrentPeriod, PeriodSpan NextPeriod, DateTimeOffset ChangedAt)
{
    public static SubscriptionSnapshot Of(string subscriptionId, SubscriptionState.Known s, MenuTerms menu) => new(
        subscriptionId, s.Version, s.CustomerId, NameOf(s.Status), s.MenuId, s.PlanId, menu.Plan(s.PlanId)!.Caps, menu.Models,
        Current(subscriptionId, s), Next(subscriptionId, s), s.ChangedAt);

    public static PeriodSpan Current(string subscriptionId, SubscriptionState.Known s) => Span(subscriptionId, s.CurrentPeriod, s.Current);

    public static PeriodSpan Next(string subscriptionId, SubscriptionState.Known s) => Span(subscriptionId, s.CurrentPeriod + 1, s.Next);

    public static string NameOf(SubscriptionStatus status) => status switch
    {
        SubscriptionStatus.Trialing => "trialing",
        SubscriptionStatus.Active => "active",
        SubscriptionStatus.Paused => "paused",
        SubscriptionStatus.Cancelled => "cancelled",
    };

    private static PeriodSpan Span(string subscriptionId, int number, Period span) => new(PeriodIds.Of(subscriptionId, number, span.Start), number, span.Start, span.End);
}
