using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 4: what is missing to the minimum that was agreed for the period. It is measured by the list price, before discounts: a
/// discount must not be answered by a higher commitment. A period that is partly trial or paused, or was cut short, owes that part of the
/// minimum in which a plan was paid. Late usage of other periods counts towards their minimum, not this one.
/// </summary>
public static class MinimumCommitment
{
    /// <param name="charges">fee and overage of the period</param>
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, IReadOnlyList<ExactLine> charges, RatingTerms terms)
    {
        var charged = charges.Sum(l => l.ExactMicros);
        var paid = facts.Plans.Served().Where(s => !s.Segment.Trial).ToArray();
        foreach (var agreed in terms.Account.Commitments.Where(c => c.SubscriptionId == facts.SubscriptionId && facts.StartsIn(c.From, terms.Account.EndOf(c.CommitmentId, c.Until))))
        {
            var missing = paid.Sum(s => facts.Plans.Between(s.Segment.From, s.To, agreed.AmountMicros.Value)) - charged;
            if (missing <= 0) continue;
            charged += missing;
            var currency = terms.Menus[facts.MenuId].Currency;
            yield return new(
                LineKinds.Commitment, $"Minimum of {agreed.AmountMicros.ToMajorUnits(currency)} {currency} a period: what is missing to it",
                facts.PlanId, null, 0, null, missing, "") { TermId = agreed.CommitmentId };
        }
    }

    /// <summary>Agreements hold for whole periods: those that start within them, by the customer's clocks.</summary>
    internal static bool StartsIn(this PeriodFacts facts, DateTimeOffset from, DateTimeOffset? until) =>
        facts.Local(facts.Start) is var start && start >= from && (until is not { } end || start < end);
}
