using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 3: tokens beyond a billed cap, each kind at its own price. Included tokens and overrun are shown at no charge, so that
/// the tokens on an invoice add up to what was recorded.
/// </summary>
public static class Overage
{
    public static IEnumerable<ExactLine> Lines(ValueList<PlanTokens> usage, MenuTerms menu)
    {
        foreach (var ofPlan in usage.GroupBy(u => u.PlanId))
        {
            var plan = InvoiceRating.PlanOf(menu, ofPlan.Key);
            foreach (var split in IncludedTokens.Split(plan, ofPlan))
            {
                if (split.Included != 0)
                    yield return new(LineKinds.Included, $"{plan.Name}: {Words(split.Kind)} tokens included", plan.PlanId, split.Kind, split.Included, null, 0, "");
                if (split.Beyond != 0)
                    yield return new(LineKinds.Overage, $"{plan.Name}: {Words(split.Kind)} tokens beyond the cap, {split.Price} per million",
                        plan.PlanId, split.Kind, split.Beyond, split.Price, split.Price.MicrosFor(split.Beyond), "");
            }
            if (Overrun(ofPlan) is var overrun and not 0)
                yield return new(LineKinds.Overrun, $"{plan.Name}: tokens generated beyond a grant, not billed", plan.PlanId, TokenKind.Overrun, overrun, null, 0, "");
        }
    }

    internal static long Overrun(IEnumerable<PlanTokens> usage) => usage.Where(u => u.Kind == TokenKind.Overrun).Sum(u => u.Tokens);

    internal static string Words(TokenKind kind) => kind.Name().Replace('_', ' ');
}
