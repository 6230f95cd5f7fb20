namespace Billing.Subscriptions;

/// <summary>
/// Ends a subscription. Now: the fee of the period is charged up to this moment. At the end: with the current period, or with the trial, so that
/// nobody pays for having tried.
/// </summary>
public sealed record CancelSubscription(EffectiveTime When, DateTimeOffset At, Attribution? By = null);

public static class CancelSubscriptionDecision
{
    public static Decision<SubscriptionEvent> Decide(CancelSubscription c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Decision.NoChange,
        _ when c.When == EffectiveTime.Now => Decision.Accept<SubscriptionEvent>(new SubscriptionCancelled(at, at)),
        { Scheduled.Cancels: true } => Decision.NoChange,
        { Status: SubscriptionStatus.Trialing, TrialEnd: { } end } => Decision.Accept<SubscriptionEvent>(new SubscriptionCancellationScheduled(end, at)),
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionCancellationScheduled(s.Current.End, at)),
    });
}
