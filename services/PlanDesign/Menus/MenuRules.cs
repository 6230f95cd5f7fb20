using System.Globalization;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Menus;

/// <summary>Whether the plans of a menu keep what the menu says it keeps: its rules, and how many plans there may be.</summary>
internal static class MenuRules
{
    /// <param name="rules">Those of the document; null for none.</param>
    public static IEnumerable<MenuFinding> Broken(MenuDocument document, MenuConstraints? rules)
    {
        var plans = document.Solved.Tiers;
        var free = rules?.FreeTierCapTokens;
        // A free tier is bound by the rules on longest and listed caps alone, which are checked before any menu is solved, and does not count.
        SolvedTier[] sold = [.. plans.Where(p => p.CapTokens != free)];
        if (document.PlansMax is { } most && sold.Length > most) yield return new("plans", $"has {sold.Length} plans for sale, plansMax says at most {most}");
        if (rules is null) yield break;
        if (free is not null && plans.All(p => p.CapTokens != free)) yield return new("plans", $"has no plan of {free} tokens, constraints.freeTierCapTokens says there is one for nothing");
        for (var n = 0; n < plans.Count; n++)
        {
            var (plan, cap, price) = (plans[n], plans[n].CapTokens, plans[n].PricePerConversation);
            if (cap == free)
            {
                if (plan.PeriodFee.Value != 0) yield return new($"plans[{n}].periodFeeMicros", "is not nothing, constraints.freeTierCapTokens says it is");
                continue;
            }
            if (cap < rules.CapTokensMin) yield return new($"plans[{n}].capTokens", $"is {cap}, constraints.capTokensMin says at least {rules.CapTokensMin}");
            if (cap > rules.CapTokensMax) yield return new($"plans[{n}].capTokens", $"is {cap}, constraints.capTokensMax says at most {rules.CapTokensMax}");
            if (rules.AllowedCapTokens is { } listed && !listed.Contains(cap)) yield return new($"plans[{n}].capTokens", $"is {cap}, which is none of constraints.allowedCapTokens");
            if (price > rules.PriceMax * (1 + MenuVerification.Tolerance)) yield return Price(n, price, $"constraints.priceMax says at most {Number(rules.PriceMax)}");
            if (price < rules.PriceMin * (1 - MenuVerification.Tolerance)) yield return Price(n, price, $"constraints.priceMin says at least {Number(rules.PriceMin)}");
        }
        if (rules.PriceRatioMax is { } ratio && sold.Length > 1)
        {
            var (dearest, cheapest) = (sold.Max(p => p.PricePerConversation), sold.Min(p => p.PricePerConversation));
            if (dearest > ratio * cheapest * (1 + MenuVerification.Tolerance))
                yield return new("plans", $"cost from {Number(cheapest)} to {Number(dearest)}, constraints.priceRatioMax says at most {Number(ratio)} times the cheapest");
        }
        if (rules.NobodyExcluded && free is null && plans.Sum(p => p.Share) < 1 - MenuVerification.Tolerance)
            yield return new("plans", $"are for {Number(plans.Sum(p => p.Share))} of customers, constraints.nobodyExcluded says for all");
    }

    private static MenuFinding Price(int n, double price, string rule) => new($"plans[{n}].pricePerConversation", $"is {Number(price)}, {rule}");

    private static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";
}
