using Billing.Accounts;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using static Billing.Tests.Some;

namespace Billing.Tests;

/// <summary>Terms beside the plan that the tests speak of.</summary>
public static class Terms
{
    public static readonly Currency Usd = Currency.Parse("USD");

    public static readonly SellerDescribed Seller = new(
        "Tokenwerke GmbH", ["Torstraße 1", "10119 Berlin", "Germany"], "DE123456789", "billing@tokenwerke.example", "IBAN DE02 1203 0000 0000 2020 51\nPlease quote the invoice number.", 14, Jan1);

    /// <summary>The same with what e-invoices ask for.</summary>
    public static readonly SellerNamed SellerInGermany = new(Seller.Name, Seller.AddressLines, Seller.TaxId, Seller.Email, Seller.PaymentInstructions, Jan1, "DE");

    /// <summary>One that says so.</summary>
    public static readonly SellerNamed SellerNotSubjectToVat = SellerInGermany with { TaxId = "30/123/45678", NotSubjectToVat = true };

    public static readonly TaxRateSet Vat = new("DE", "", "VAT", Percent.Parse("19"), Jan1.AddYears(-5), Jan1);

    public static RatingTerms Agreed(params AccountEvent[] events) => Agreed(null, events);

    public static RatingTerms Agreed(MenuTerms? menu, params AccountEvent[] events) => RatingTerms.Of(Book(menu)) with { Account = AccountAfter(events), Seller = SellerAfter(Seller, Vat) };

    public static AccountState AccountAfter(params AccountEvent[] events) => events.Aggregate(AccountState.Initial, AccountState.Evolve);
    public static SellerState SellerAfter(params SellerEvent[] events) => events.Aggregate(SellerState.Initial, SellerState.Evolve);
    public static RatingTerms Earlier(this RatingTerms terms, params PeriodFacts[] facts) => terms with { Earlier = facts.ToDictionary(f => f.PeriodId) };

    public static CommitmentAgreed Minimum(long micros, string id = "com_1") => new(id, Subscription, new(micros), Jan1, null, Jan1);
    public static DiscountGranted PercentOff(string percent, DiscountScope scope = DiscountScope.All, string id = "dis_1") =>
        new(id, "", "Launch", scope, Percent.Parse(percent), null, Jan1, null, Jan1);
    public static DiscountGranted AmountOff(long micros, DiscountScope scope = DiscountScope.All, string id = "dis_2") => new(id, "", "Goodwill", scope, null, new(micros), Jan1, null, Jan1);
    public static MoneyCreditGranted Money(long micros, string id = "crd_1", int priority = 0, DateTimeOffset? expires = null) => new(id, "Prepaid", new(micros), priority, expires, Jan1);
    public static TokenCreditGranted Prepaid(long tokens, string id = "crd_2", int priority = 0, DateTimeOffset? expires = null, params TokenKind[] kinds) =>
        new(id, "Token pack", tokens, kinds.Length == 0 ? [TokenKind.Output, TokenKind.Reasoning] : kinds.ToValueList(), priority, expires, Jan1);
    public static TaxIdentity Identity(params Billing.Customers.CustomerTaxSet[] sets) => new(sets.ToValueList(), sets.Length);
    public static TaxTreatmentSet Taxed(TaxTreatment treatment = TaxTreatment.Standard, string note = "") => new("DE", treatment, note, Jan1);
}
