using System.Globalization;
using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 1: the price of the plan for the period. Where several plans held, each for its part of the whole period, on exact fractions of time: the
/// parts are differences of cumulative amounts, so that however often the plan changes, nothing is lost or charged twice.
/// </summary>
public static class PeriodFee
{
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, MenuTerms menu)
    {
        var times = facts.Plans;
        foreach (var (segment, to) in times.Spans())
        {
            var plan = InvoiceRating.PlanOf(menu, segment.PlanId);
            var span = InvoiceRating.Days(facts.LocalTime, segment.From, to);
            yield return segment.Trial || segment.Paused
                ? new(LineKinds.PeriodFee, $"{plan.Name}, {span}, {(segment.Paused ? "paused" : "trial")}", plan.PlanId, null, 0, null, 0, "")
                : new(
                    LineKinds.PeriodFee, $"{plan.Name}, {span}{Part(facts, segment.From, to)}", plan.PlanId, null, 0, null,
                    times.Between(segment.From, to, plan.PeriodFeeMicros.Value), "");
        }
    }

    /// <summary>How much of the whole period it is, for a reader who checks the sum; nothing when it is all of it.</summary>
    private static string Part(PeriodFacts facts, DateTimeOffset from, DateTimeOffset to)
    {
        var times = facts.Plans;
        if (from == times.FullStart && to == times.End) return "";
        var percent = 100m * (to - from).Ticks / (times.End - times.FullStart).Ticks;
        return string.Create(CultureInfo.InvariantCulture, $", {percent:0.####} % of {InvoiceRating.Days(facts.LocalTime, times.FullStart, times.End)}");
    }
}
