namespace Billing.Subscriptions;

/// <summary>
/// Lets a subscription follow the business clock: trials and pauses end, periods turn, and what was scheduled happens, each at its time and in order,
/// however long the step.
/// </summary>
public sealed record CatchUp(DateTimeOffset At);

public static class CatchUpDecision
{
    public static Decision<SubscriptionEvent> Decide(CatchUp c, SubscriptionState state) => state is SubscriptionState.Known known
        ? Decision.Accept<SubscriptionEvent>(Due(known, c.At).Events)
        : Decision.Refuse("subscription_unknown", "there is no such subscription");

    /// <summary>Decides on the subscription as it is when all that was due has happened, so that a command never meets a past that is still to come.</summary>
    /// <param name="by">whoever orders what is decided; what had been due happened by itself</param>
    /// <param name="decide">given also the time: never before the current period, which another instance's clock may have opened</param>
    public static Decision<SubscriptionEvent> Then(
        SubscriptionState state, DateTimeOffset at, Attribution? by, Func<SubscriptionState.Known, DateTimeOffset, Decision<SubscriptionEvent>> decide)
    {
        if (state is not SubscriptionState.Known known) return Decision.Refuse("subscription_unknown", "there is no such subscription: check the id");
        var (events, now) = Due(known, at);
        var decision = decide(now, at < now.Current.Start ? now.Current.Start : at);
        return decision.Refused is null ? Decision.Accept<SubscriptionEvent>([.. events, .. decision.By(by).Events]) : decision;
    }

    private static (List<SubscriptionEvent> Events, SubscriptionState.Known State) Due(SubscriptionState.Known state, DateTimeOffset at)
    {
        var events = new List<SubscriptionEvent>();
        while (state.NextDueAt is { } due && due <= at)
        {
            foreach (var e in At(state, due, at))
            {
                events.Add(e);
                state = (SubscriptionState.Known)SubscriptionState.Evolve(state, e);
            }
        }
        return (events, state);
    }

    private static IEnumerable<SubscriptionEvent> At(SubscriptionState.Known s, DateTimeOffset due, DateTimeOffset at)
    {
        if (s.Scheduled is { Cancels: true } end && end.EffectiveAt <= due)
        {
            yield return new SubscriptionCancelled(end.EffectiveAt, at);
            yield break;
        }
        if (s is { Status: SubscriptionStatus.Trialing, TrialEnd: { } trialEnd } && trialEnd <= due)
        {
            yield return new SubscriptionActivated(trialEnd, at);
            yield break;
        }
        if (s is { Status: SubscriptionStatus.Paused, Pause.ResumeAt: { } resumeAt } && resumeAt <= due)
        {
            yield return new SubscriptionResumed(resumeAt, at);
            yield break;
        }
        yield return TurnPeriodDecision.Turn(s, at);
        if (s.Scheduled is { Cancels: false } change && change.EffectiveAt <= due) yield return new SubscriptionPlanChanged(change.MenuId, change.PlanId, change.EffectiveAt, at);
        if (s is { Status: SubscriptionStatus.Active, Pause: { } pause }) yield return new SubscriptionPaused(pause.From, pause.ResumeAt, at);
    }
}
