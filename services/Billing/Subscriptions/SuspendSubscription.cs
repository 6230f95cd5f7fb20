namespace Billing.Subscriptions;

/// <summary>
/// Lets a subscription rest at once until somebody resumes it, for what was not paid. A pause that would have ended by itself ends and one without an end begins, at the same moment, so that nothing is charged in
/// between. A trial, and what is served until it ends anyway, is refused as a pause is; what rests already goes on resting, also where it will end.
/// </summary>
public sealed record SuspendSubscription(DateTimeOffset At);

public static class SuspendSubscriptionDecision
{
    public static Decision<SubscriptionEvent> Decide(SuspendSubscription c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, null, (s, at) => s is { Status: SubscriptionStatus.Paused, Pause.ResumeAt: not null }
        ? Decision.Accept<SubscriptionEvent>(new SubscriptionResumed(at, at), new SubscriptionPaused(at, null, at))
        : PauseSubscriptionDecision.Decide(new(EffectiveTime.Now, null, at), s));
}
