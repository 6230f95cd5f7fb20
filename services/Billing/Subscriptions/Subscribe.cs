using Billing.Customers;
using Billing.Menus;

namespace Billing.Subscriptions;

/// <summary>Starts a subscription to a plan of a published menu, now.</summary>
public sealed record Subscribe(string CustomerId, string MenuId, string PlanId, CustomerState Customer, MenuState Menu, DateTimeOffset At);

public static class SubscribeDecision
{
    public static Decision<SubscriptionEvent> Decide(Subscribe c, SubscriptionState state) => (state, c.Customer, c.Menu) switch
    {
        (SubscriptionState.Active a, _, _) when a.CustomerId == c.CustomerId && a.MenuId == c.MenuId && a.PlanId == c.PlanId => Decision.NoChange,
        (SubscriptionState.Active, _, _) => Decision.Refuse("subscription_exists", "a subscription with this id exists for another customer or plan; take another id"),
        (_, CustomerState.None, _) => Decision.Refuse("customer_unknown", $"there is no customer {c.CustomerId}: create it first"),
        (_, _, MenuState.None) => Decision.Refuse("menu_unknown", $"billing has not received {c.MenuId}: publish it, and try again in a moment"),
        (_, _, MenuState.Received m) when m.Terms.Plan(c.PlanId) is null =>
            Decision.Refuse("plan_unknown", $"{c.PlanId} is not on {c.MenuId}; its plans are {string.Join(", ", m.Terms.Plans.Select(p => p.PlanId))}"),
        (_, CustomerState.Known k, MenuState.Received m) when k.Currency != m.Terms.Currency =>
            Decision.Refuse("currency_mismatch", $"the customer is billed in {k.Currency} and the menu is priced in {m.Terms.Currency}: publish a menu in {k.Currency}"),
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionStarted(c.CustomerId, c.MenuId, c.PlanId, c.At)),
    };
}
