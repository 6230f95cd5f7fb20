namespace Billing.Subscriptions;

/// <summary>Keeps a subscription as it is: a scheduled change of plan, cancellation or pause will not happen.</summary>
public sealed record WithdrawScheduledChange(DateTimeOffset At, Attribution? By = null);

public static class WithdrawScheduledChangeDecision
{
    public static Decision<SubscriptionEvent> Decide(WithdrawScheduledChange c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Lifecycle.Cancelled(s),
        _ => Decision.Accept<SubscriptionEvent>([
            .. s.Scheduled is null ? (SubscriptionEvent[])[] : [new SubscriptionScheduleWithdrawn(at)],
            .. s is { Status: SubscriptionStatus.Active, Pause: not null } ? (SubscriptionEvent[])[new SubscriptionPauseWithdrawn(at)] : []]),
    });
}
