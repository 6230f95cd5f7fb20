using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 7 for what was agreed beside the plan: late usage can lower what was missing to an earlier period's minimum, and takes that
/// period's discounts, as they were agreed when that period was invoiced. Both as the difference that it makes, so that late costs what it would have cost in time.
/// </summary>
public static class LateTerms
{
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, RatingTerms terms) =>
        facts.Adjustments.Where(late => terms.Earlier.ContainsKey(late.FromPeriodId)).SelectMany(late => Lines(late, terms));

    private static IEnumerable<ExactLine> Lines(LateUsageAdded late, RatingTerms terms)
    {
        var earlier = terms.Earlier[late.FromPeriodId];
        var difference = LateDifference.Of(late, terms);
        terms = terms with { Account = terms.AccountOf(late.FromPeriodId) };
        var before = Agreed(earlier with { Usage = difference.Before }, terms);
        var after = Agreed(earlier with { Usage = difference.After }, terms);
        foreach (var key in after.Concat(before).Select(Key).Distinct())
        {
            var micros = after.Where(l => Key(l) == key).Sum(l => l.ExactMicros) - before.Where(l => Key(l) == key).Sum(l => l.ExactMicros);
            if (micros == 0) continue;
            var line = after.Concat(before).First(l => Key(l) == key);
            yield return line with
            {
                Description = $"{InvoiceRating.Days(earlier.LocalTime, late.FromStart, late.FromEnd)}, by usage recorded late: {line.Description}",
                ExactMicros = micros, AboutPeriodId = late.FromPeriodId,
            };
        }
    }

    private static ExactLine[] Agreed(PeriodFacts facts, RatingTerms terms) =>
        [.. InvoiceRating.Charges(facts, terms).Where(l => l.Kind is LineKinds.Commitment or LineKinds.Discount)];

    private static (string, string, string) Key(ExactLine line) => (line.Kind, line.TermId, line.Product);
}
