using Billing.Menus;

namespace Billing.Subscriptions;

/// <summary>When a change takes effect: this moment, or with the end of the current period (of the trial, while there is one and it is cancelled).</summary>
public enum EffectiveTime { Now, PeriodEnd }

/// <summary>
/// Another plan of the same menu. Now: each part of the period is charged by the plan that held, tokens used stay used, and the new caps
/// hold from the next grant on.
/// </summary>
/// <param name="Menus">the menus that the subscription is on and is scheduled to be on, by id</param>
public sealed record ChangePlan(string PlanId, EffectiveTime When, IReadOnlyDictionary<string, MenuTerms> Menus, DateTimeOffset At, Attribution? By = null)
{
    /// <summary>Those of the menus that are off sale. No other plan of them is sold, not even to who is on them.</summary>
    public IReadOnlyDictionary<string, MenuWithdrawal> Withdrawn { get; init; } = new Dictionary<string, MenuWithdrawal>();
}

public static class ChangePlanDecision
{
    public static Decision<SubscriptionEvent> Decide(ChangePlan c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => s switch
    {
        { Status: SubscriptionStatus.Cancelled } => Lifecycle.Cancelled(s),
        { Scheduled.Cancels: true } => Lifecycle.Ending(s),
        _ when c.Menus[s.MenuId].Plan(c.PlanId) is null => Decision.Refuse("plan_unknown",
            $"{c.PlanId} is not on {s.MenuId}; its plans are {string.Join(", ", c.Menus[s.MenuId].Plans.Select(p => p.PlanId))}. For a plan of another menu, migrate"),
        // Back to the plan it has, now or then: what was scheduled is what the customer no longer wants.
        { Scheduled: not null } when s.PlanId == c.PlanId => Decision.Accept<SubscriptionEvent>(new SubscriptionScheduleWithdrawn(at)),
        _ when s.PlanId == c.PlanId => Decision.NoChange,
        _ when c.When == EffectiveTime.Now => c.Withdrawn.TryGetValue(s.MenuId, out var withdrawal) ? withdrawal.Refuse(s.MenuId)
            : Decision.Accept<SubscriptionEvent>(new SubscriptionPlanChanged(s.MenuId, c.PlanId, at, at)),
        { Scheduled: { } scheduled } when scheduled.MenuId == s.MenuId && scheduled.PlanId == c.PlanId => Decision.NoChange,
        _ when c.Withdrawn.TryGetValue(s.MenuId, out var withdrawal) => withdrawal.Refuse(s.MenuId),
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionPlanChangeScheduled(s.MenuId, c.PlanId, s.Current.End, at)),
    });
}

/// <summary>What stands in the way of changing a subscription, said alike by every decision.</summary>
internal static class Lifecycle
{
    public static Refusal Cancelled(SubscriptionState.Known s) =>
        Decision.Refuse("subscription_cancelled", $"the subscription was cancelled at {s.CancelledAt:u}: subscribe anew");

    public static Refusal Ending(SubscriptionState.Known s) =>
        Decision.Refuse("cancellation_scheduled", $"the subscription ends at {s.Scheduled!.EffectiveAt:u}: withdraw the cancellation first");

    public static Refusal Paused(SubscriptionState.Known s) => Decision.Refuse("subscription_paused",
        $"the subscription is paused since {s.Pause!.From:u}{(s.Pause.ResumeAt is { } at ? $" until {at:u}" : "")}: resume it first");
}
