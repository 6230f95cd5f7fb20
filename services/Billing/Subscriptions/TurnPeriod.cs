namespace Billing.Subscriptions;

/// <summary>Lets the current period follow the business clock; a long step turns several periods, in order.</summary>
public sealed record TurnPeriod(DateTimeOffset At);

public static class TurnPeriodDecision
{
    public static Decision<SubscriptionEvent> Decide(TurnPeriod c, SubscriptionState state)
    {
        if (state is not SubscriptionState.Active active) return Decision.Refuse("subscription_unknown", "there is no such subscription");
        var turns = new List<SubscriptionEvent>();
        for (var number = active.CurrentPeriod; active.Span(number).End <= c.At; number++)
            turns.Add(new SubscriptionPeriodTurned(number + 1, c.At));
        return Decision.Accept<SubscriptionEvent>(turns);
    }
}
