using Billing.Sellers;

namespace Billing.Rating;

/// <summary>
/// Which of the seller's rates may tax a moment: those that began by then, of them the one of the seller's latest day. Until version 3 of rating the first one taxed the days before it too, until version 5 one that was
/// set from now on began when the customer's clocks showed what those of UTC did, and until version 7 the one that had begun last by the customer's clocks counted.
/// </summary>
public static class TaxRates
{
    /// <param name="on">what the customer's clocks show at the moment</param>
    public static TaxRateSet? RateFor(this RatingTerms terms, string jurisdiction, string product, DateTimeOffset on, DateTimeOffset moment) =>
        terms.RatingVersion >= RatingVersions.RatesByDay
            ? terms.Seller.Rate(jurisdiction, product, on, moment)
            : terms.Seller.RateBegunLast(jurisdiction, product, on, terms.Counted(on, moment)) ?? (terms.TaxesEarly() ? terms.Seller.FirstRate(jurisdiction, product) : null);

    /// <param name="on">likewise</param>
    public static IEnumerable<TaxRateSet> RatesFor(this RatingTerms terms, DateTimeOffset on, DateTimeOffset moment) =>
        terms.Seller.Rates.Where(r => r.Begins(on - terms.Counted(on, moment)) <= on || terms.TaxesEarly());

    private static DateTimeOffset Counted(this RatingTerms terms, DateTimeOffset on, DateTimeOffset moment) => terms.RatingVersion < RatingVersions.RatesFromNow ? on : moment;

    private static bool TaxesEarly(this RatingTerms terms) => terms.RatingVersion < RatingVersions.Corrected;
}
