using System.Text;
using Billing.Accounts;
using Billing.Customers;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Billing.Subscriptions;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>Which treatment and which rate hold for a period: those of its last moment, by the customer's clocks.</summary>
public sealed class TaxTests
{
    private static readonly CustomerTaxSet German = new("DE", "", TaxStatus.Business, Jan1);
    private static readonly TaxRateSet Tva = new("FR", "", "TVA", Percent.Parse("20"), Jan1.AddYears(-5), Jan1);

    private static RatingTerms ByIdentity(RatingTerms terms, params CustomerTaxSet[] sets) => terms with { Identity = Identity(sets) };
    private static IEnumerable<string> TaxOf(PeriodFacts facts, RatingTerms terms) => InvoiceRating.Rate(facts, terms).Lines.Where(l => l.Kind == LineKinds.Tax).Select(l => l.Description);

    [Fact]
    public void A_customer_who_moves_is_taxed_for_each_period_where_it_was_then()
    {
        var terms = Agreed(Taxed() with { From = Jan1 }, Taxed() with { Jurisdiction = "FR", From = Mar1, At = Feb1 }) with { Seller = SellerAfter(Vat, Tva) };
        // January is finalized after the move was written down.
        Assert.Equal(["VAT 19 % (DE)"], TaxOf(FactsAfter(Opened(Small)), terms));
        Assert.Equal(["VAT 19 % (DE)"], TaxOf(FactsAfter(Opened(Small, 1)), terms));
        Assert.Equal(["TVA 20 % (FR)"], TaxOf(FactsAfter(Opened(Small, 1) with { Start = Mar1, End = Mar1.AddMonths(1) }), terms));
    }

    [Fact]
    public void Before_treatments_had_dates_the_last_word_held_for_all() =>
        Assert.Equal(["TVA 20 % (FR)"], TaxOf(FactsAfter(Opened(Small)), Agreed(Taxed(), Taxed() with { Jurisdiction = "FR", At = Mar1 }) with { Seller = SellerAfter(Vat, Tva) }));

    [Fact]
    public void Without_a_treatment_the_tax_identity_says_where() => Assert.Equal(["VAT 19 % (DE)"], TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed(), German)));

    [Fact]
    public void A_region_without_rates_of_its_own_has_its_countrys() =>
        Assert.Equal(["VAT 19 % (DE)"], TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed(), German with { Region = "BE" })));

    [Fact]
    public void What_is_agreed_goes_before_the_identity() =>
        Assert.Equal(["Reverse charge: the customer owes the tax (FR)"], TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed(Taxed(TaxTreatment.ReverseCharge) with { Jurisdiction = "FR", From = Jan1 }), German)));

    [Fact]
    public void An_identity_holds_from_its_day_on_and_the_first_one_before() => Assert.Equal(
        ["VAT 19 % (DE)", "Exempt from tax (DE)"],
        [
            .. TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed(), German with { At = Feb1.AddDays(3) }, German with { Status = TaxStatus.Exempt, At = Feb1.AddDays(9) })),
            .. TaxOf(FactsAfter(Opened(Small, 1)), ByIdentity(Agreed(), German, German with { Status = TaxStatus.Exempt, At = Feb1.AddDays(9) })),
        ]);

    [Fact]
    public void An_invoice_without_tax_says_what_is_not_known()
    {
        Assert.Equal(["No tax: it is not known how the customer is taxed"], TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed())));
        Assert.Equal(["No tax: the seller has no rate for subscription in US"], TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed(), German with { Country = "US" })));
        // A seller that charges no tax has nothing to say, nor have invoices that are older than this.
        Assert.Empty(TaxOf(FactsAfter(Opened(Small)), ByIdentity(Agreed() with { Seller = SellerAfter(Seller) })));
        Assert.Empty(TaxOf(FactsAfter(Opened(Small)), Agreed()));
    }

    [Theory]
    [InlineData("America/New_York", "19")]
    [InlineData("Europe/Berlin", "19")]
    [InlineData("Pacific/Auckland", "19")]
    public void The_rate_of_a_new_year_does_not_reach_the_old_one_in_any_time_zone(string zone, string rate)
    {
        var anchor = new BillingAnchor(1, zone);
        var (start, end) = (BillingCalendar.StartOf(1, Jan1.AddDays(-45), anchor), BillingCalendar.StartOf(2, Jan1.AddDays(-45), anchor));
        var facts = FactsAfter(Opened(Small) with { Start = start, End = end, LocalTime = LocalTime.Of(zone, start, end) });
        var terms = ByIdentity(Agreed(), German) with { Seller = SellerAfter(Vat, Vat with { Rate = Percent.Parse("16"), From = Jan1 }) };
        Assert.Equal(["Small, 2025-12-01 to 2025-12-31"], InvoiceRating.Rate(facts, terms).Lines.Where(l => l.Kind == LineKinds.PeriodFee).Select(l => l.Description));
        Assert.Equal([$"VAT {rate} % (DE)"], TaxOf(facts, terms));
    }

    [Fact]
    public void A_document_holds_the_hash_of_the_note_and_never_the_note()
    {
        var json = Encoding.UTF8.GetString(InvoiceDocument.Draft(FactsAfter(Opened(Small)), Agreed(new TaxTreatmentSet("FR", TaxTreatment.ReverseCharge, "", Jan1, Jan1, new('a', 64)))).ToUtf8());
        Assert.Equal(new('a', 64), Billing.Documents.Printing.TaxNoteSha256(json));
        Assert.Contains(Billing.Documents.Printing.Invoice(json, null, "draft", "FR123").Sums, s => s.Label == "Reverse charge: the customer owes the tax (FR): FR123");
        Assert.Contains(Billing.Documents.Printing.Invoice(json, null, "draft").Sums, s => s.Label == "Reverse charge: the customer owes the tax (FR)");
    }
}
