using Billing.Subscriptions;

namespace Billing.Periods;

/// <summary>Opens the current period of a subscription, or the next, with the plan that holds now: a change that comes before it begins changes it too.</summary>
/// <param name="Number">the subscription's current period, or the one after it</param>
public sealed record OpenPeriod(string SubscriptionId, SubscriptionState.Known Subscription, int Number, DateTimeOffset At);

public static class OpenPeriodDecision
{
    public static Decision<PeriodEvent> Decide(OpenPeriod c, PeriodState state)
    {
        if (state is not PeriodState.None) return Decision.NoChange;
        var s = c.Subscription;
        var span = c.Number == s.CurrentPeriod ? s.Current : s.Next;
        var previous = c.Number == 0 ? "" : SubscriptionSnapshot.Current(c.SubscriptionId, s).PeriodId;
        return Decision.Accept<PeriodEvent>(new PeriodOpened(
            c.SubscriptionId, s.CustomerId, s.MenuId, s.PlanId, c.Number, span.Start, span.End, previous, c.At,
            c.Number == 0 && s.FullStart != span.Start ? s.FullStart : null,
            s.Status == SubscriptionStatus.Trialing, s.Status == SubscriptionStatus.Cancelled,
            LocalTime.Of(s.Anchor?.TimeZone ?? "UTC", c.Number == 0 ? s.FullStart : span.Start, span.End), s.Status == SubscriptionStatus.Paused));
    }
}
