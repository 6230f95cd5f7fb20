namespace Billing.Menus;

public sealed record ReceiveMenu(MenuTerms Terms);

public static class ReceiveMenuDecision
{
    public static Decision<MenuEvent> Decide(ReceiveMenu c, MenuState state) => state switch
    {
        MenuState.Received r when r.Terms == c.Terms => Decision.NoChange,
        MenuState.Received => Decision.Refuse("menu_changed", $"{c.Terms.MenuId} was received before with other terms; a published menu never changes: publish a new one"),
        _ => FirstFault(c.Terms) is { } fault ? Decision.Refuse("menu_not_rateable", fault) : Accept(c.Terms),
    };

    private static Decision<MenuEvent> Accept(MenuTerms t) => Decision.Accept<MenuEvent>(
        new MenuTermsReceived(t.MenuId, t.Name, t.Currency, t.ConversationsPerPeriod, t.Plans, t.Models, t.PublishedAt));

    /// <summary>What no invoice could be made from is refused when it arrives, not when the first month closes.</summary>
    private static string? FirstFault(MenuTerms menu)
    {
        if (menu.Plans.Count == 0) return "the menu has no plan";
        if (menu.Plans.Select(p => p.PlanId).Distinct().Count() != menu.Plans.Count) return "two plans of the menu have the same id";
        return menu.Plans.Select(FirstFault).FirstOrDefault(f => f is not null);
    }

    private static string? FirstFault(PlanTerms plan)
    {
        if (plan.PeriodFeeMicros < Micros.Zero) return $"the period fee of {plan.PlanId} is negative";
        if (plan.Caps.Any(c => c.Tokens < 0)) return $"a cap of {plan.PlanId} is negative";
        if (plan.Overage.Select(o => o.Kind).Distinct().Count() != plan.Overage.Count) return $"{plan.PlanId} has two overage prices for one token kind";
        if (plan.Overage.Select(o => o.FirstFault()).FirstOrDefault(f => f is not null) is { } price) return $"{price} in {plan.PlanId}";
        if (plan.BilledCaps().Any(c => c.Window != CapWindow.BillingPeriod))
            return $"{plan.PlanId} bills tokens beyond a cap over {plan.BilledCaps().First(c => c.Window != CapWindow.BillingPeriod).Window.Name()}: only billing_period caps can be billed";
        var billed = plan.BilledCaps().SelectMany(c => c.Counts).ToArray();
        if (billed.Distinct().Count() != billed.Length) return $"two billed caps of {plan.PlanId} count the same token kind";
        if (billed.Contains(TokenKind.Overrun)) return $"{plan.PlanId} bills overrun, which is never billed";
        foreach (var kind in billed)
            if (plan.Overage.All(o => o.Kind != kind)) return $"{plan.PlanId} bills {kind.Name()} beyond a cap but has no overage price for it";
        return null;
    }
}
