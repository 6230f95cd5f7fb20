using System.Text;
using Billing.Accounts;
using Billing.Documents;
using Billing.Invoices;
using Billing.Rating;
using Billing.Sellers;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;
using static Billing.Tests.Documents.ElectronicInvoices;

namespace Billing.Tests.Documents;

/// <summary>What is not known is refused by the number of its term, with what sets it, instead of guessed.</summary>
public sealed class BusinessTermMissingTests
{
    private static BusinessTermMissingException Refused(RatingTerms terms, Billing.Customers.CustomerDetails? customer = null) =>
        Assert.Throws<BusinessTermMissingException>(() => ElectronicInvoicing.Invoice(Json(Of(terms, Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), Closed())), customer ?? Acme, "finalized"));

    private static void Says(BusinessTermMissingException refused, string term, string command)
    {
        Assert.Equal(term, refused.Term);
        Assert.Contains(term, refused.Message, StringComparison.Ordinal);
        Assert.Contains(command, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_seller_that_nobody_described() => Says(Refused(Agreed(Taxed()) with { Seller = SellerAfter(Vat) }), "BT-27", "billing seller describe");

    [Fact]
    public void A_seller_without_a_country() => Says(Refused(Agreed(Taxed())), "BT-40", "--country");

    [Fact]
    public void A_seller_without_a_tax_number() => Says(Refused(Terms(SellerInGermany with { TaxId = "" }, Taxed())), "BT-31", "--tax-id");

    [Fact]
    public void A_customer_that_was_erased() =>
        Says(Assert.Throws<BusinessTermMissingException>(() => ElectronicInvoicing.Invoice(Json(January(Taxed())), null, "finalized")), "BT-44", "billing customer details");

    /// <summary>Of before codes were looked up: the history stays, and the e-invoice says what to mend.</summary>
    [Theory]
    [InlineData("UK")]
    [InlineData("ZZ")]
    public void A_country_of_the_seller_that_is_none(string country) => Says(Refused(Terms(SellerInGermany with { Country = country }, Taxed())), "BT-40", "billing seller describe --country");

    [Theory]
    [InlineData("UK")]
    [InlineData("EL")]
    public void A_country_of_the_customer_that_is_none(string country) => Says(Refused(Terms(SellerInGermany, Taxed()), Acme with { Country = country }), "BT-55", "billing customer details --country");

    [Fact]
    public void A_country_that_is_a_word() => Says(Refused(Terms(SellerInGermany, Taxed()), Acme with { Country = "Poland" }), "BT-55", "billing customer details --country");

    [Theory]
    [InlineData("")]
    [InlineData("7250018312")]
    [InlineData("UK123456789")]
    [InlineData("PL72500183")]
    public void A_customer_that_owes_the_tax_without_a_VAT_identifier(string taxId) =>
        Says(Refused(Terms(SellerInGermany, Taxed(TaxTreatment.ReverseCharge)), Acme with { TaxId = taxId }), "BT-48", "billing customer details --tax-id");

    [Fact]
    public void A_seller_with_a_VAT_identifier_and_no_tax() => Says(Refused(Agreed() with { Seller = SellerAfter(SellerInGermany) }), "BT-118", "billing seller tax-rate");

    /// <summary>Who is liable, and set no rate yet, has a tax number of the same form as who is not.</summary>
    [Fact]
    public void A_seller_without_a_VAT_identifier_that_set_no_rate_and_does_not_say_that_it_is_not_subject_to_VAT()
    {
        var refused = Refused(Agreed() with { Seller = SellerAfter(SellerNotSubjectToVat with { NotSubjectToVat = false }) });
        Says(refused, "BT-118", "billing seller tax-rate");
        Says(refused, "BT-118", "billing seller describe … --not-subject-to-vat");
    }

    /// <summary>Its number was none of a known form when it was said.</summary>
    [Fact]
    public void A_seller_with_a_VAT_identifier_that_says_that_it_is_not_subject_to_VAT() =>
        Says(Refused(Agreed() with { Seller = SellerAfter(SellerInGermany with { NotSubjectToVat = true }) }), "BT-118", "billing seller tax-rate");

    [Fact]
    public void A_customer_of_whom_nothing_is_known() => Says(Refused(Terms(SellerInGermany) with { Identity = Identity() }), "BT-118", "billing customer tax");

    [Fact]
    public void A_product_without_a_rate() => Says(Refused(Terms(SellerInGermany, Taxed()) with { Seller = SellerAfter(SellerInGermany, Vat with { Product = Products.Usage }) }), "BT-151", "billing seller tax-rate");

    [Fact]
    public void Two_taxes_of_one_rate() => Says(
        Refused(Terms(SellerInGermany, Taxed()) with { Seller = SellerAfter(SellerInGermany, Vat, Vat with { Product = Products.Usage, Name = "Levy" }) }), "BT-116", "billing seller tax-rate");

    [Fact]
    public void Amounts_of_three_decimals() => Says(Refused(Agreed(Billing.Tests.Some.Terms("KWD"), Taxed()) with { Seller = SellerAfter(SellerInGermany, Vat) }), "BT-112", "KWD");

    [Fact]
    public void A_draft_and_a_void_invoice()
    {
        var draft = Encoding.UTF8.GetString(InvoiceDocument.Draft(FactsAfter(Opened(Small)), Agreed()).ToUtf8());
        Says(Assert.Throws<BusinessTermMissingException>(() => ElectronicInvoicing.Invoice(draft, Acme, "draft")), "BT-1", "billing invoice finalize");
        Says(Assert.Throws<BusinessTermMissingException>(() => ElectronicInvoicing.Invoice(Json(January(Taxed())), Acme, "void")), "BT-115", "void");
    }
}
