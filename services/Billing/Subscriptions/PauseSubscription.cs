namespace Billing.Subscriptions;

/// <summary>
/// Lets a subscription rest: no fee and no new generation until it is resumed, by hand or at a time. Its periods go on turning, and nothing that was used is given back.
/// Now: the fee of the period is charged for the time before this moment. At the end: the current period stays whole.
/// </summary>
/// <param name="ResumeAt">when it goes on by itself; null waits to be resumed</param>
public sealed record PauseSubscription(EffectiveTime When, DateTimeOffset? ResumeAt, DateTimeOffset At, Attribution? By = null);

public static class PauseSubscriptionDecision
{
    public static Decision<SubscriptionEvent> Decide(PauseSubscription c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Lifecycle.Cancelled(s),
        { Status: SubscriptionStatus.Trialing } => Decision.Refuse("subscription_trialing",
            $"a trial costs nothing and ends at {s.TrialEnd:u} as was agreed: pause when it is over, or activate the subscription first"),
        { Status: SubscriptionStatus.Paused } => s.Pause!.ResumeAt == c.ResumeAt ? Decision.NoChange : Lifecycle.Paused(s),
        { Scheduled.Cancels: true } => Lifecycle.Ending(s),
        _ when c.ResumeAt <= From(c.When, s, at) => Decision.Refuse("resume_before_pause",
            $"the pause begins at {From(c.When, s, at):u}: resume after that, or name no time and resume by hand"),
        _ when c.When == EffectiveTime.Now => Decision.Accept<SubscriptionEvent>(new SubscriptionPaused(at, c.ResumeAt, at)),
        { Pause: { } planned } when planned.ResumeAt == c.ResumeAt => Decision.NoChange,
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionPauseScheduled(s.Current.End, c.ResumeAt, at)),
    });

    private static DateTimeOffset From(EffectiveTime when, SubscriptionState.Known s, DateTimeOffset at) => when == EffectiveTime.Now ? at : s.Current.End;
}
