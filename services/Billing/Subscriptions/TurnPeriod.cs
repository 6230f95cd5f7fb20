using Billing.Periods;

namespace Billing.Subscriptions;

/// <summary>
/// Turns a cancelled subscription once more, because usage came so late that every period it had is closed: what is recorded is
/// billed, and an invoice needs a period. Once: while the last of its periods is open, late usage will be on that one's invoice.
/// </summary>
/// <param name="Next">the last of its periods: the one after the current, which was opened ahead</param>
public sealed record TurnPeriod(PeriodState Next, DateTimeOffset At);

public static class TurnPeriodDecision
{
    public static Decision<SubscriptionEvent> Decide(TurnPeriod c, SubscriptionState state) => state switch
    {
        SubscriptionState.Known { Status: SubscriptionStatus.Cancelled } when c.Next is not PeriodState.Closed => Decision.NoChange,
        SubscriptionState.Known { Status: SubscriptionStatus.Cancelled } k => Decision.Accept<SubscriptionEvent>(Turn(k, c.At)),
        SubscriptionState.Known => Decision.Refuse("period_not_over", "periods of a subscription that runs turn by the clock"),
        _ => Decision.Refuse("subscription_unknown", "there is no such subscription"),
    };

    internal static SubscriptionPeriodTurned Turn(SubscriptionState.Known s, DateTimeOffset at) => new(
        s.CurrentPeriod + 1, at, s.Anchor is null ? null : BillingCalendar.StartOf(s.CurrentPeriod + 3, s.StartedAt, s.Anchor));
}
