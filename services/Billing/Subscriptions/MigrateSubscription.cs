using Billing.Customers;
using Billing.Menus;

namespace Billing.Subscriptions;

/// <summary>Moves a subscription to a plan of another menu that is on sale, with its next period: a period is rated by one menu.</summary>
public sealed record MigrateSubscription(string MenuId, string PlanId, MenuState Menu, CustomerState Customer, DateTimeOffset At, Attribution? By = null);

public static class MigrateSubscriptionDecision
{
    public static Decision<SubscriptionEvent> Decide(MigrateSubscription c, SubscriptionState state) => CatchUpDecision.Then(state, c.At, c.By, (s, at) => (s, c.Menu, c.Customer) switch
    {
        ({ Status: SubscriptionStatus.Cancelled }, _, _) => Lifecycle.Cancelled(s),
        ({ Scheduled.Cancels: true }, _, _) => Lifecycle.Ending(s),
        // Back to what it has: what was scheduled is what the customer no longer wants.
        _ when s.MenuId == c.MenuId && s.PlanId == c.PlanId => s.Scheduled is null ? Decision.NoChange : Decision.Accept<SubscriptionEvent>(new SubscriptionScheduleWithdrawn(at)),
        _ when s.MenuId == c.MenuId => Decision.Refuse("menu_is_current", $"the subscription is on {c.MenuId} already: change its plan instead"),
        // What was scheduled while the menu was on sale was agreed, and stays so.
        _ when s.Scheduled is { } p && p.MenuId == c.MenuId && p.PlanId == c.PlanId => Decision.NoChange,
        (_, MenuState.WithdrawnUnread w, _) => w.Withdrawal.Refuse(c.MenuId),
        (_, MenuState.Received { Withdrawal: { } w }, _) => w.Refuse(c.MenuId),
        (_, MenuState.Received m, _) when m.Terms.Plan(c.PlanId) is null =>
            Decision.Refuse("plan_unknown", $"{c.PlanId} is not on {c.MenuId}; its plans are {string.Join(", ", m.Terms.Plans.Select(p => p.PlanId))}"),
        (_, MenuState.Received m, CustomerState.Known k) when k.Currency != m.Terms.Currency =>
            Decision.Refuse("currency_mismatch", $"the customer is billed in {k.Currency} and the menu is priced in {m.Terms.Currency}: publish a menu in {k.Currency}"),
        (_, MenuState.Received, _) => Decision.Accept<SubscriptionEvent>(new SubscriptionPlanChangeScheduled(c.MenuId, c.PlanId, s.Current.End, at)),
        _ => Decision.Refuse("menu_unknown", $"billing has not received {c.MenuId}: publish it, and try again in a moment"),
    });
}
