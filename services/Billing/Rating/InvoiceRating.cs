using System.Globalization;
using Billing.Accounts;
using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// From what happened in a period to the lines of its invoice, in the order that README.md publishes. A pure function of its
/// arguments: no clock, no current price, no culture.
/// </summary>
public static class InvoiceRating
{
    /// <param name="menus">the menu of the period, and those of the closed periods it adjusts, by id</param>
    public static RatedInvoice Rate(PeriodFacts facts, IReadOnlyDictionary<string, MenuTerms> menus) => Rate(facts, RatingTerms.Of(menus));

    public static RatedInvoice Rate(PeriodFacts facts, RatingTerms terms)
    {
        var currency = terms.Menus[facts.MenuId].Currency;
        var draws = new List<CreditDraw>();
        List<ExactLine> exact = [.. Charges(facts, terms)];
        exact.AddRange(PrepaidTokens.Lines(facts, [.. exact], terms, draws));
        exact.AddRange(Adjustments.Lines(facts, terms));
        exact.AddRange(LateTerms.Lines(facts, terms));
        List<InvoiceLine> lines = [.. Rounding.ToMinorUnits(exact, currency, terms.RatingVersion).Lines];
        lines.AddRange(MoneyCredit.Lines(facts, [.. lines], terms, draws));
        lines.AddRange(Tax.Lines(facts, [.. lines], terms));
        return new([.. lines], Micros.Sum(lines.Select(l => l.AmountMicros))) { Draws = [.. draws] };
    }

    /// <summary>Steps 1 to 5: what a period costs by itself, before anything that was paid in advance.</summary>
    internal static IReadOnlyList<ExactLine> Charges(PeriodFacts facts, RatingTerms terms)
    {
        var menu = terms.Menus[facts.MenuId];
        List<ExactLine> lines = [.. PeriodFee.Lines(facts, menu), .. Overage.Lines(facts.Plans.Attributed(facts.Usage), facts.Plans.Prorated(menu))];
        lines.AddRange(MinimumCommitment.Lines(facts, [.. lines], terms));
        lines.AddRange(Discounts.Lines(facts, [.. lines], terms));
        return lines;
    }

    /// <summary>The menus that rating these facts needs.</summary>
    public static IEnumerable<string> MenusOf(PeriodFacts facts) => facts.Adjustments.Select(a => a.FromMenuId).Append(facts.MenuId).Distinct();

    internal static PlanTerms PlanOf(MenuTerms menu, string planId) =>
        menu.Plan(planId) ?? throw new InvalidOperationException($"{planId} is not on {menu.MenuId}: a report that names it must not have been applied");

    /// <summary>
    /// From the first day to the last, as the customer's calendar has them. Where local time is not known yet the days are those of UTC, and the second
    /// is the day on which it ends: such invoices replay as they were printed.
    /// </summary>
    internal static string Days(LocalTime? local, DateTimeOffset from, DateTimeOffset to) => local is null
        ? $"{Day(from)} to {Day(to)}"
        : $"{Day(local.At(from))} to {Day(local.At(to.AddTicks(-1)))}";

    internal static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
