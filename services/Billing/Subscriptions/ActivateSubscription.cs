namespace Billing.Subscriptions;

/// <summary>Ends a trial before its time: the fee runs from now on.</summary>
public sealed record ActivateSubscription(DateTimeOffset At, Attribution? By = null);

public static class ActivateSubscriptionDecision
{
    public static Decision<SubscriptionEvent> Decide(ActivateSubscription c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Lifecycle.Cancelled(s),
        { Status: SubscriptionStatus.Active } => Decision.NoChange,
        { Status: SubscriptionStatus.Paused } => Lifecycle.Paused(s),
        { Scheduled.Cancels: true } => Lifecycle.Ending(s),
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionActivated(at, at)),
    });
}
