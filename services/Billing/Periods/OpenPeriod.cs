using Billing.Subscriptions;

namespace Billing.Periods;

public sealed record OpenPeriod(string SubscriptionId, SubscriptionState.Active Subscription, int Number, DateTimeOffset At);

public static class OpenPeriodDecision
{
    public static Decision<PeriodEvent> Decide(OpenPeriod c, PeriodState state)
    {
        if (state is not PeriodState.None) return Decision.NoChange;
        var (s, span) = (c.Subscription, c.Subscription.Span(c.Number));
        var previous = c.Number == 0 ? "" : PeriodIds.Of(c.SubscriptionId, c.Number - 1, s.Span(c.Number - 1).Start);
        return Decision.Accept<PeriodEvent>(
            new PeriodOpened(c.SubscriptionId, s.CustomerId, s.MenuId, s.PlanId, c.Number, span.Start, span.End, previous, c.At));
    }
}
