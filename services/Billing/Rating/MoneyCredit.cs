using Billing.Accounts;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 9: money that the customer has with us pays what is left, in whole minor units. It lowers the base of tax, each product in
/// proportion to what is left of it: whoever bought the credit was taxed then, and what was given away was never a price.
/// </summary>
public static class MoneyCredit
{
    /// <param name="lines">rounded</param>
    public static IEnumerable<InvoiceLine> Lines(PeriodFacts facts, IReadOnlyList<InvoiceLine> lines, RatingTerms terms, ICollection<CreditDraw> draws)
    {
        var currency = terms.Menus[facts.MenuId].Currency;
        var unit = currency.MinorUnit.Value;
        var open = Products.All.Select(p => lines.Where(l => l.Product == p).Sum(l => l.AmountMicros.Value) / unit).ToArray();
        foreach (var grant in terms.Account.CreditFor(facts.Start, facts.End).Where(g => g.IsMoney))
        {
            var used = Math.Min(grant.Left / unit, open.Sum());
            if (used <= 0) break;
            var parts = Apportion.ByRemainder(used, [.. open.Select(o => Math.Max(o, 0))]);
            draws.Add(new(grant.GrantId, 0, new(used * unit)));
            for (var i = 0; i < parts.Length; i++)
            {
                if (parts[i] == 0) continue;
                open[i] -= parts[i];
                yield return new(LineKinds.Credit, $"{grant.Name}: credit used for {(Products.All[i] == Products.Usage ? "usage" : "the subscription")}", facts.PlanId, null, 0, null, new(-parts[i] * unit), "")
                {
                    Product = Products.All[i], TermId = grant.GrantId,
                };
            }
        }
    }
}
