using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;

namespace Billing.Audit;

/// <summary>Other terms for what has happened: what an invoice would have been by them. Nothing of it is ever stored.</summary>
/// <param name="Menu">null keeps the invoice's own</param>
/// <param name="PlanInstead">plan ids of the other menu, by those that were subscribed to; a plan that is not named is found by its name</param>
/// <param name="Fees">period fees in place of those of a plan, by the id that was subscribed to</param>
/// <param name="Rates">in place of every rate of the jurisdictions that they name</param>
/// <param name="RatingVersion">one of RatingVersions; null is that of the invoice</param>
public sealed record OtherTerms(
    MenuTerms? Menu, IReadOnlyDictionary<string, string> PlanInstead, IReadOnlyDictionary<string, Micros> Fees, IReadOnlyList<TaxRateSet> Rates, int? RatingVersion)
{
    /// <summary>The terms of an invoice with these in their place. The events of its period stay as they are, and so do the ids that they name.</summary>
    /// <returns>or a refusal: plan_unmatched, currency_mismatch</returns>
    public (RatingTerms? Terms, Refusal? Refused) InPlaceOf(RatingTerms own, PeriodFacts facts)
    {
        var menus = new Dictionary<string, MenuTerms>();
        foreach (var (id, menu) in own.Menus)
        {
            var (instead, refusal) = InPlaceOf(menu, UsedPlans(facts, id));
            if (refusal is not null) return (null, refusal);
            menus[id] = instead!;
        }
        string[] named = [.. Rates.Select(r => r.Jurisdiction)];
        var seller = own.Seller with { Rates = [.. own.Seller.Rates.Where(r => !named.Contains(r.Jurisdiction)), .. Rates] };
        return (own with { Menus = menus, Seller = seller }, null);
    }

    /// <summary>A plan that nobody had in this period needs no counterpart.</summary>
    private static HashSet<string> UsedPlans(PeriodFacts facts, string menuId) =>
    [
        .. facts.MenuId == menuId ? facts.Plans.Segments.Select(s => s.PlanId).Concat(facts.Usage.Select(u => u.PlanId)) : [],
        .. facts.Adjustments.Where(a => a.FromMenuId == menuId)
            .SelectMany(a => a.Before.Concat(a.Added).Select(u => u.PlanId).Concat((a.FromPlans?.Segments ?? []).Select(s => s.PlanId))),
    ];

    private (MenuTerms? Menu, Refusal? Refused) InPlaceOf(MenuTerms menu, HashSet<string> used)
    {
        if (Menu is not null && Menu.Currency != menu.Currency)
            return (null, Decision.Refuse("currency_mismatch", $"{menu.MenuId} is in {menu.Currency} and {Menu.MenuId} in {Menu.Currency}: choose a menu in {menu.Currency}"));
        var plans = new List<PlanTerms>();
        foreach (var plan in menu.Plans)
        {
            var other = Menu is null ? plan : PlanInstead.TryGetValue(plan.PlanId, out var id) ? Menu.Plan(id) : Menu.Plans.FirstOrDefault(p => p.Name == plan.Name);
            if (other is null && used.Contains(plan.PlanId))
                return (null, Decision.Refuse("plan_unmatched", $"say which plan of {Menu!.MenuId} stands for {plan.PlanId} ({plan.Name}): it has {string.Join(", ", Menu.Plans.Select(p => $"{p.PlanId} ({p.Name})"))}"));
            other ??= plan;
            plans.Add(other with { PlanId = plan.PlanId, PeriodFeeMicros = Fees.TryGetValue(plan.PlanId, out var fee) ? fee : other.PeriodFeeMicros });
        }
        return (menu with { Plans = plans.ToValueList() }, null);
    }
}
