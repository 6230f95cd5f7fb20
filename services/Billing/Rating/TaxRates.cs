using Billing.Sellers;

namespace Billing.Rating;

/// <summary>Which of the seller's rates may tax a day: those that began by then. Until version 3 of rating the first one taxed the days before it too.</summary>
public static class TaxRates
{
    public static TaxRateSet? RateFor(this RatingTerms terms, string jurisdiction, string product, DateTimeOffset on) =>
        terms.Seller.Rate(jurisdiction, product, on) ?? (terms.TaxesEarly() ? terms.Seller.FirstRate(jurisdiction, product) : null);

    public static IEnumerable<TaxRateSet> RatesFor(this RatingTerms terms, DateTimeOffset on) => terms.Seller.Rates.Where(r => r.From <= on || terms.TaxesEarly());

    private static bool TaxesEarly(this RatingTerms terms) => terms.RatingVersion < RatingVersions.Corrected;
}
