using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Between what an adjustment is the difference: the usage of a closed period that was invoiced before, and with what came late. Where the period's invoice is void nobody was asked for the usage that was on it, so
/// usage that costs less counts as that: late usage beyond it is demanded, what is taken back of it gives nothing back, and what was demanded late can be given back.
/// </summary>
/// <param name="After">of every plan and kind that was recorded, zeros included</param>
public sealed record LateDifference(ValueList<PlanTokens> Before, ValueList<PlanTokens> After)
{
    public static LateDifference Of(LateUsageAdded late, RatingTerms terms)
    {
        var (before, after) = (late.Before, late.Before.Plus(late.Added));
        if (!terms.IsVoid(late.FromPeriodId)) return new(before, after);
        var voided = terms.Earlier[late.FromPeriodId];
        return new(AtLeastVoided(before), AtLeastVoided(after));

        ValueList<PlanTokens> AtLeastVoided(ValueList<PlanTokens> usage) => Cost(usage) >= Cost(voided.Usage) ? usage : voided.Usage.Plus(usage.Select(u => u with { Tokens = 0 }).ToValueList());

        decimal Cost(ValueList<PlanTokens> usage) => InvoiceRating.Charges(voided with { Usage = usage }, terms with { Account = terms.AccountOf(late.FromPeriodId) }).Sum(l => l.ExactMicros);
    }
}
