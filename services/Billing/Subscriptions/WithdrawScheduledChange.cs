namespace Billing.Subscriptions;

/// <summary>Keeps a subscription as it is: a scheduled change of plan or cancellation will not happen.</summary>
public sealed record WithdrawScheduledChange(DateTimeOffset At, Attribution? By = null);

public static class WithdrawScheduledChangeDecision
{
    public static Decision<SubscriptionEvent> Decide(WithdrawScheduledChange c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Lifecycle.Cancelled(s),
        { Scheduled: null } => Decision.NoChange,
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionScheduleWithdrawn(at)),
    });
}
