namespace Billing.Subscriptions;

/// <summary>Ends a pause: the fee of the rest of the period runs from now on, and what is left of its caps may be used. A pause that has not begun will not.</summary>
public sealed record ResumeSubscription(DateTimeOffset At, Attribution? By = null);

public static class ResumeSubscriptionDecision
{
    public static Decision<SubscriptionEvent> Decide(ResumeSubscription c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Lifecycle.Cancelled(s),
        { Status: SubscriptionStatus.Paused } => Decision.Accept<SubscriptionEvent>(new SubscriptionResumed(at, at)),
        { Pause: not null } => Decision.Accept<SubscriptionEvent>(new SubscriptionPauseWithdrawn(at)),
        _ => Decision.NoChange,
    });
}
