using System.Globalization;
using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 7: usage that arrived after an earlier period was closed. It is rated by that period's own plan, as the difference that
/// it makes to what was invoiced before: the parts are differences of the whole, so nothing is rounded twice or charged twice.
/// </summary>
public static class Adjustments
{
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, RatingTerms terms) =>
        facts.Adjustments.SelectMany(late => Lines(late, LateDifference.Of(late, terms), terms));

    private static IEnumerable<ExactLine> Lines(LateUsageAdded late, LateDifference difference, RatingTerms terms) => late.FromPlans is { } plans
        ? Lines(
            late with { Added = plans.Attributed(late.Added) }, new(plans.Attributed(difference.Before), plans.Attributed(difference.After)), plans.Prorated(terms.Menus[late.FromMenuId]), terms)
        : Lines(late, difference, terms.Menus[late.FromMenuId], terms);

    private static IEnumerable<ExactLine> Lines(LateUsageAdded late, LateDifference difference, MenuTerms menu, RatingTerms terms)
    {
        var span = InvoiceRating.Days(terms.Earlier.GetValueOrDefault(late.FromPeriodId)?.LocalTime, late.FromStart, late.FromEnd);
        foreach (var ofPlan in difference.After.GroupBy(u => u.PlanId))
        {
            var plan = InvoiceRating.PlanOf(menu, ofPlan.Key);
            var added = late.Added.Where(a => a.PlanId == plan.PlanId).ToDictionary(a => a.Kind, a => a.Tokens);
            var before = IncludedTokens.Split(plan, difference.Before.Where(b => b.PlanId == plan.PlanId)).ToDictionary(s => s.Kind, s => s.Beyond);
            foreach (var after in IncludedTokens.Split(plan, ofPlan))
            {
                var tokens = added.GetValueOrDefault(after.Kind);
                var billed = after.Beyond - before.GetValueOrDefault(after.Kind);
                if (tokens == 0 && billed == 0) continue;
                yield return new(
                    LineKinds.Adjustment, string.Create(CultureInfo.InvariantCulture, $"{plan.Name}, {span}: {Overage.Words(after.Kind)} tokens recorded after that period closed, {billed} of them billed"),
                    plan.PlanId, after.Kind, tokens, billed == 0 || after.Price.Model != PriceModel.PerUnit ? null : after.Price.PerMillionTokens, Micros(after.Price, before.GetValueOrDefault(after.Kind), billed), late.FromPeriodId);
            }
            if (added.GetValueOrDefault(TokenKind.Overrun) is var overrun and not 0)
                yield return new(LineKinds.Adjustment, $"{plan.Name}, {span}: tokens generated beyond a grant, recorded late, not billed",
                    plan.PlanId, TokenKind.Overrun, overrun, null, 0, late.FromPeriodId);
        }
    }

    /// <summary>What so many more tokens beyond the cap cost: with tiers or packages it depends on how many there were.</summary>
    private static decimal Micros(OveragePrice price, long before, long billed) => price.Model == PriceModel.PerUnit ? price.MicrosFor(billed) : price.MicrosFor(before + billed) - price.MicrosFor(before);
}
