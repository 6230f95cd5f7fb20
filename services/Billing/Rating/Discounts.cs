using Billing.Accounts;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 5: percentages first, each of what the one before left; then amounts, never below zero. Both in the order in which they
/// were granted. A discount is a line for each product it takes from, for their taxes may differ.
/// </summary>
public static class Discounts
{
    /// <param name="charges">fee, overage and commitment of the period</param>
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, IReadOnlyList<ExactLine> charges, RatingTerms terms)
    {
        var left = Products.All.ToDictionary(p => p, p => charges.Where(l => l.Product == p).Sum(l => l.ExactMicros));
        var granted = terms.Account.Discounts
            .Where(d => (d.SubscriptionId.Length == 0 || d.SubscriptionId == facts.SubscriptionId) && facts.StartsIn(d.From, terms.Account.EndOf(d.DiscountId, d.Until))).ToArray();
        foreach (var discount in granted.OrderBy(d => d.Off is null))
        {
            var products = Products.All.Where(p => p.IsIn(discount.Scope) && left[p] > 0).ToArray();
            var whole = products.Sum(p => left[p]);
            foreach (var product in products)
            {
                var off = discount.Off is { } percent ? percent.Of(left[product]) : Proportion.Of(Math.Min(discount.OffMicros!.Value.Value, whole), left[product], whole);
                left[product] -= off;
                if (off != 0)
                    yield return new(LineKinds.Discount, Words(discount, product), facts.PlanId, null, 0, null, -off, "") { Product = product, TermId = discount.DiscountId };
            }
        }
    }

    private static string Words(DiscountGranted discount, string product) =>
        $"{discount.Name}: {(discount.Off is { } percent ? $"{percent} % off" : "off")} {(product == Products.Usage ? "usage" : "the subscription")}";
}
