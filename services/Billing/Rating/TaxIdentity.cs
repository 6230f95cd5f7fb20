using Billing.Accounts;
using Billing.Customers;
using Billing.Sellers;

namespace Billing.Rating;

/// <summary>Where a customer is taxed by what is known of it, for whoever has no treatment agreed: an exempt one is exempt, everybody else pays the rate of the place.</summary>
/// <param name="Sets">in order of what was said</param>
/// <param name="Version">events of the customer so far: an invoice names it, and is replayed with the identity as it was</param>
public sealed record TaxIdentity(ValueList<CustomerTaxSet> Sets, long Version)
{
    /// <summary>What was said last before a moment; before the first word, the first one. A region that has rates goes before its country. Reverse charge is never guessed: that the number was checked is somebody's word.</summary>
    public AccountTax? At(DateTimeOffset moment, IEnumerable<TaxRateSet> rates)
    {
        if ((Sets.LastOrDefault(s => s.At <= moment) ?? (Sets.Count > 0 ? Sets[0] : null)) is not { } set) return null;
        var region = set.Region.Length == 0 ? set.Country : $"{set.Country}-{set.Region}";
        return new(rates.Any(r => r.Jurisdiction == region) ? region : set.Country, set.Status == TaxStatus.Exempt ? TaxTreatment.Exempt : TaxTreatment.Standard, "");
    }
}
