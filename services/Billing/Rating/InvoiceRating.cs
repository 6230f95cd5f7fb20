using System.Globalization;
using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// From what happened in a period to the lines of its invoice: period fee, included tokens, overage by kind, adjustments of
/// earlier periods, rounding. A pure function of its arguments: no clock, no current price, no culture.
/// </summary>
public static class InvoiceRating
{
    /// <param name="menus">the menu of the period, and those of the closed periods it adjusts, by id</param>
    public static RatedInvoice Rate(PeriodFacts facts, IReadOnlyDictionary<string, MenuTerms> menus)
    {
        var menu = menus[facts.MenuId];
        return Rounding.ToMinorUnits(
            [.. PeriodFee.Lines(facts, menu), .. Overage.Lines(facts.Plans.Attributed(facts.Usage), facts.Plans.Prorated(menu)), .. Adjustments.Lines(facts, menus)],
            menu.Currency);
    }

    /// <summary>The menus that rating these facts needs.</summary>
    public static IEnumerable<string> MenusOf(PeriodFacts facts) => facts.Adjustments.Select(a => a.FromMenuId).Append(facts.MenuId).Distinct();

    internal static PlanTerms PlanOf(MenuTerms menu, string planId) =>
        menu.Plan(planId) ?? throw new InvalidOperationException($"{planId} is not on {menu.MenuId}: a report that names it must not have been applied");

    internal static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
