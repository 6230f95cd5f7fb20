using Billing.Menus;

namespace Billing.Subscriptions;

public sealed record PeriodSpan(string PeriodId, int Number, DateTimeOffset Start, DateTimeOffset End);

/// <summary>
/// All that usage must know of a subscription. The message and the answer of GetSubscription are both made from this, so they
/// cannot differ. Current and next period, so that usage meters across the turn without hearing from billing.
/// </summary>
public sealed record SubscriptionSnapshot(
    string SubscriptionId, long Version, string CustomerId, string Status, string MenuId, string PlanId,
    ValueList<Cap> Caps, ValueList<string> Models, PeriodSpan CurrentPeriod, PeriodSpan NextPeriod, DateTimeOffset ChangedAt)
{
    public static SubscriptionSnapshot Of(string subscriptionId, SubscriptionState.Active s, MenuTerms menu) => new(
        subscriptionId, s.Version, s.CustomerId, "active", s.MenuId, s.PlanId, menu.Plan(s.PlanId)!.Caps, menu.Models,
        SpanOf(subscriptionId, s, s.CurrentPeriod), SpanOf(subscriptionId, s, s.CurrentPeriod + 1), s.ChangedAt);

    public static PeriodSpan SpanOf(string subscriptionId, SubscriptionState.Active s, int number)
    {
        var span = s.Span(number);
        return new(PeriodIds.Of(subscriptionId, number, span.Start), number, span.Start, span.End);
    }
}
