using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Billing.Invoices;
using Billing.Rating;
using static Billing.Tests.Terms;
using static Billing.Tests.Documents.ElectronicInvoices;

namespace Billing.Tests.Documents;

/// <summary>Every business term of EN 16931 that an invoice must have, and those it has besides, by number: where it stands in UBL and what it says, by the invoice itself.</summary>
public sealed class BusinessTermTests
{
    private const string Seller = "/*/cac:AccountingSupplierParty/cac:Party/", Buyer = "/*/cac:AccountingCustomerParty/cac:Party/", Sums = "/*/cac:LegalMonetaryTotal/cbc:",
        Breakdown = "/*/cac:TaxTotal/cac:TaxSubtotal/", Line = "/*/cac:InvoiceLine/", Allowance = "/*/cac:AllowanceCharge[cbc:ChargeIndicator='false']/";

    private static readonly InvoiceDocument Document = January(PercentOff("10", Billing.Accounts.DiscountScope.Usage), Prepaid(100_000), Money(1_000_000), Taxed());

    private static readonly InvoiceLine[] Charged = [.. Document.Rated.Lines.Where(l => l.Kind is LineKinds.PeriodFee or LineKinds.Included or LineKinds.Overage or LineKinds.Overrun)];
    private static readonly InvoiceLine[] TakenOff = [.. Document.Rated.Lines.Where(l => l.Kind is LineKinds.Discount or LineKinds.PrepaidTokens or LineKinds.Credit)];

    private static string Major(IEnumerable<InvoiceLine> lines, int sign = 1) => Major(Micros.Sum(lines.Select(l => l.AmountMicros)), sign);
    private static string Major(Micros amount, int sign = 1) => (sign * amount.Value / 1_000_000m).ToString("0.00", CultureInfo.InvariantCulture);
    private static string[] Each(InvoiceLine[] lines, Func<InvoiceLine, string> of) => [.. lines.Select(of)];

    /// <summary>Term, whether EN 16931 makes it mandatory (M) in every invoice or (in) in a group that the invoice has, path, value.</summary>
    private static readonly (string Term, string Demanded, string Path, string[] Expected)[] Table =
    [
        ("BT-1", "M", "/*/cbc:ID", [Document.Number]),
        ("BT-2", "M", "/*/cbc:IssueDate", ["2026-02-01"]),
        ("BT-3", "M", "/*/cbc:InvoiceTypeCode", ["380"]),
        ("BT-5", "M", "/*/cbc:DocumentCurrencyCode", ["USD"]),
        ("BT-9", "", "/*/cbc:DueDate", ["2026-02-15"]),
        ("BT-12", "", "/*/cac:ContractDocumentReference/cbc:ID", [Document.Facts.SubscriptionId]),
        ("BT-20", "", "/*/cac:PaymentTerms/cbc:Note", [$"Payable within 14 days, by 2026-02-15.\n{SellerInGermany.PaymentInstructions}"]),
        ("BT-22", "in BG-1", "/*/cbc:Note", [$"SHA-256 of the canonical document: {Convert.ToHexStringLower(SHA256.HashData(Document.ToUtf8()))}"]),
        ("BT-24", "M", "/*/cbc:CustomizationID", ["urn:cen.eu:en16931:2017"]),
        ("BT-27", "M", $"{Seller}cac:PartyLegalEntity/cbc:RegistrationName", ["Tokenwerke GmbH"]),
        ("BT-31", "", $"{Seller}cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID", ["DE123456789"]),
        ("BT-35", "", $"{Seller}cac:PostalAddress/cbc:StreetName", ["Torstraße 1"]),
        ("BT-36", "", $"{Seller}cac:PostalAddress/cbc:AdditionalStreetName", ["10119 Berlin"]),
        ("BT-162", "", $"{Seller}cac:PostalAddress/cac:AddressLine/cbc:Line", ["Germany"]),
        ("BT-40", "M", $"{Seller}cac:PostalAddress/cac:Country/cbc:IdentificationCode", ["DE"]),
        ("BT-43", "", $"{Seller}cac:Contact/cbc:ElectronicMail", ["billing@tokenwerke.example"]),
        ("BT-44", "M", $"{Buyer}cac:PartyLegalEntity/cbc:RegistrationName", ["Łódź Robotics & Söhne <Ltd>"]),
        ("BT-46", "", $"{Buyer}cac:PartyIdentification/cbc:ID", [Some.Customer]),
        ("BT-48", "", $"{Buyer}cac:PartyTaxScheme/cbc:CompanyID", ["PL7250018312"]),
        ("BT-50", "", $"{Buyer}cac:PostalAddress/cbc:StreetName", ["Piotrkowska 1"]),
        ("BT-51", "", $"{Buyer}cac:PostalAddress/cbc:AdditionalStreetName", ["Building B"]),
        ("BT-163", "", $"{Buyer}cac:PostalAddress/cac:AddressLine/cbc:Line", ["Floor 2, Door 7"]),
        ("BT-52", "", $"{Buyer}cac:PostalAddress/cbc:CityName", ["Łódź"]),
        ("BT-53", "", $"{Buyer}cac:PostalAddress/cbc:PostalZone", ["90-001"]),
        ("BT-55", "M", $"{Buyer}cac:PostalAddress/cac:Country/cbc:IdentificationCode", ["PL"]),
        ("BT-58", "", $"{Buyer}cac:Contact/cbc:ElectronicMail", ["ap@lodz.example"]),
        ("BT-73", "", "/*/cac:InvoicePeriod/cbc:StartDate", ["2026-01-01"]),
        ("BT-74", "", "/*/cac:InvoicePeriod/cbc:EndDate", ["2026-01-31"]),
        ("BT-92", "in BG-20", $"{Allowance}cbc:Amount", Each(TakenOff, l => Major(l.AmountMicros, -1))),
        ("BT-95", "in BG-20", $"{Allowance}cac:TaxCategory/cbc:ID", Each(TakenOff, _ => "S")),
        ("BT-96", "", $"{Allowance}cac:TaxCategory/cbc:Percent", Each(TakenOff, _ => "19")),
        ("BT-97", "", $"{Allowance}cbc:AllowanceChargeReason", Each(TakenOff, l => l.Description)),
        ("BT-106", "M", $"{Sums}LineExtensionAmount", [Major(Charged)]),
        ("BT-107", "", $"{Sums}AllowanceTotalAmount", [Major(TakenOff, -1)]),
        ("BT-109", "M", $"{Sums}TaxExclusiveAmount", [Major(Document.Rated.NetMicros)]),
        ("BT-110", "", "/*/cac:TaxTotal/cbc:TaxAmount", [Major(Document.Rated.TaxMicros)]),
        ("BT-112", "M", $"{Sums}TaxInclusiveAmount", [Major(Document.Rated.TotalMicros)]),
        ("BT-115", "M", $"{Sums}PayableAmount", [Major(Document.Rated.TotalMicros)]),
        ("BT-116", "M", $"{Breakdown}cbc:TaxableAmount", [Major(Document.Rated.NetMicros)]),
        ("BT-117", "M", $"{Breakdown}cbc:TaxAmount", [Major(Document.Rated.TaxMicros)]),
        ("BT-118", "M", $"{Breakdown}cac:TaxCategory/cbc:ID", ["S"]),
        ("BT-119", "M", $"{Breakdown}cac:TaxCategory/cbc:Percent", ["19"]),
        ("BT-126", "M", $"{Line}cbc:ID", [.. Charged.Select((_, i) => (i + 1).ToString(CultureInfo.InvariantCulture))]),
        ("BT-129", "M", $"{Line}cbc:InvoicedQuantity", Each(Charged, l => l.TokenKind is null ? "1" : l.Tokens.ToString(CultureInfo.InvariantCulture))),
        ("BT-130", "M", $"{Line}cbc:InvoicedQuantity/@unitCode", Each(Charged, _ => "C62")),
        ("BT-131", "M", $"{Line}cbc:LineExtensionAmount", Each(Charged, l => Major(l.AmountMicros))),
        ("BT-146", "M", $"{Line}cac:Price/cbc:PriceAmount", ["5", "0", "0", "12.5", "0"]),
        ("BT-149", "", $"{Line}cac:Price/cbc:BaseQuantity", Each(Charged, l => l.TokenKind is null ? "1" : "1000000")),
        ("BT-150", "", $"{Line}cac:Price/cbc:BaseQuantity/@unitCode", Each(Charged, _ => "C62")),
        ("BT-151", "M", $"{Line}cac:Item/cac:ClassifiedTaxCategory/cbc:ID", Each(Charged, _ => "S")),
        ("BT-152", "", $"{Line}cac:Item/cac:ClassifiedTaxCategory/cbc:Percent", Each(Charged, _ => "19")),
        ("BT-153", "M", $"{Line}cac:Item/cbc:Name", Each(Charged, l => l.Description)),
        ("BT-155", "", $"{Line}cac:Item/cac:SellersItemIdentification/cbc:ID", Each(Charged, l => l.PlanId)),
        ("BT-160", "in BG-32", $"{Line}cac:Item/cac:AdditionalItemProperty/cbc:Name", [.. Charged.SelectMany(l => l.TokenKind is null ? ["kind"] : new[] { "kind", "token kind" })]),
        ("BT-161", "in BG-32", $"{Line}cac:Item/cac:AdditionalItemProperty/cbc:Value", [.. Charged.SelectMany(l => l.TokenKind is { } kind ? [l.Kind, kind.Name()] : new[] { l.Kind })]),
    ];

    /// <summary>EN 16931-1, table 2: cardinality 1..1 or 1..n on every level above.</summary>
    internal static readonly string[] Mandatory =
    [
        "BT-1", "BT-2", "BT-3", "BT-5", "BT-24", "BT-27", "BT-40", "BT-44", "BT-55", "BT-106", "BT-109", "BT-112", "BT-115", "BT-116", "BT-117", "BT-118", "BT-119",
        "BT-126", "BT-129", "BT-130", "BT-131", "BT-146", "BT-151", "BT-153",
    ];

    internal static string PathOf(string term) => Table.Single(t => t.Term == term).Path;

    public static TheoryData<string> Terms => [.. Table.Select(t => t.Term)];

    [Theory, MemberData(nameof(Terms))]
    public void Term(string term)
    {
        var (_, _, path, expected) = Table.Single(t => t.Term == term);
        Assert.NotEmpty(expected);
        Assert.Equal(expected, Xml(Document).At(path));
    }

    [Fact]
    public void The_table_has_every_mandatory_term() => Assert.Equal(Mandatory.Order(), Table.Where(t => t.Demanded == "M").Select(t => t.Term).Order());

    [Fact]
    public void Every_amount_says_its_currency()
    {
        var amounts = Xml(Document).Descendants().Where(e => e.Name.LocalName.EndsWith("Amount", StringComparison.Ordinal) && !e.HasElements).ToArray();
        Assert.NotEmpty(amounts);
        Assert.All(amounts, a => Assert.Equal("USD", a.Attribute("currencyID")!.Value));
    }
}
