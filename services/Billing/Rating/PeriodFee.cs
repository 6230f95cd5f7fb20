using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>Step 1: the price of the plan for one period.</summary>
public static class PeriodFee
{
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, MenuTerms menu)
    {
        var plan = InvoiceRating.PlanOf(menu, facts.PlanId);
        yield return new(
            LineKinds.PeriodFee, $"{plan.Name}, {InvoiceRating.Day(facts.Start)} to {InvoiceRating.Day(facts.End)}",
            plan.PlanId, null, 0, null, plan.PeriodFeeMicros.Value, "");
    }
}
