using System.Globalization;
using System.Xml.Linq;
using Billing.Documents;
using Billing.Rating;

namespace Billing.Tests.Documents;

/// <summary>UBL back to the terms of EN 16931, by its paths alone: what a customer's program makes of the file.</summary>
internal static class UblReader
{
    public static ElectronicInvoice Read(XDocument xml)
    {
        var isCreditNote = xml.Root!.Name.LocalName == "CreditNote";
        return new(
            isCreditNote, xml.The("/*/cbc:ID"), Day(xml.The("/*/cbc:IssueDate")), xml.The("/*/cbc:DueDate") is { Length: > 0 } due ? Day(due) : null, Currency.Parse(xml.The("/*/cbc:DocumentCurrencyCode")),
            xml.The("/*/cbc:Note"), xml.The("/*/cac:ContractDocumentReference/cbc:ID"),
            xml.The("/*/cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID") is { Length: > 0 } before ? new(before, Day(xml.The("/*/cac:BillingReference/cac:InvoiceDocumentReference/cbc:IssueDate"))) : null,
            xml.The("/*/cac:InvoicePeriod/cbc:StartDate") is { Length: > 0 } first ? new(Day(first), Day(xml.The("/*/cac:InvoicePeriod/cbc:EndDate"))) : null,
            Party(xml.Each("/*/cac:AccountingSupplierParty/cac:Party").Single()), Party(xml.Each("/*/cac:AccountingCustomerParty/cac:Party").Single()), xml.The("/*/cac:PaymentTerms/cbc:Note"),
            xml.Each(isCreditNote ? "/*/cac:CreditNoteLine" : "/*/cac:InvoiceLine").Select(l => Line(l, isCreditNote ? "cbc:CreditedQuantity" : "cbc:InvoicedQuantity")).ToValueList(),
            xml.Each("/*/cac:AllowanceCharge").Select(a => new TradeAllowance(bool.Parse(a.The("cbc:ChargeIndicator")), Money(a.The("cbc:Amount")), a.The("cbc:AllowanceChargeReason"), Category(a, "cac:TaxCategory"))).ToValueList(),
            xml.Each("/*/cac:TaxTotal/cac:TaxSubtotal").Select(v => new VatBreakdown(
                Money(v.The("cbc:TaxableAmount")), Money(v.The("cbc:TaxAmount")), Category(v, "cac:TaxCategory"), v.The("cac:TaxCategory/cbc:TaxExemptionReason"), v.The("cac:TaxCategory/cbc:TaxExemptionReasonCode"))).ToValueList());
    }

    private static TradeParty Party(XElement p) => new(
        p.The("cac:PartyIdentification/cbc:ID"), p.The("cac:PartyLegalEntity/cbc:RegistrationName"),
        [.. new[] { "cbc:StreetName", "cbc:AdditionalStreetName", "cac:AddressLine/cbc:Line" }.SelectMany(l => p.At($"cac:PostalAddress/{l}"))], p.The("cac:PostalAddress/cbc:CityName"),
        p.The("cac:PostalAddress/cbc:PostalZone"), p.The("cac:PostalAddress/cac:Country/cbc:IdentificationCode"), p.The("cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID"),
        p.The("cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='FC']/cbc:CompanyID"), p.The("cac:Contact/cbc:ElectronicMail"));

    private static TradeLine Line(XElement l, string quantity) => new(
        l.The("cbc:ID"), l.The("cac:Item/cbc:Name"), l.The("cac:Item/cac:SellersItemIdentification/cbc:ID"), long.Parse(l.The(quantity), CultureInfo.InvariantCulture),
        decimal.Parse(l.The("cac:Price/cbc:PriceAmount"), CultureInfo.InvariantCulture), long.Parse(l.The("cac:Price/cbc:BaseQuantity"), CultureInfo.InvariantCulture), Money(l.The("cbc:LineExtensionAmount")),
        Category(l, "cac:Item/cac:ClassifiedTaxCategory"), l.Each("cac:Item/cac:AdditionalItemProperty").Select(a => new ItemAttribute(a.The("cbc:Name"), a.The("cbc:Value"))).ToValueList());

    private static VatCategory Category(XElement at, string path) =>
        new(at.The($"{path}/cbc:ID"), at.The($"{path}/cbc:Percent") is { Length: > 0 } rate ? Percent.Parse(rate) : null);

    private static Micros Money(string text) => new((long)(decimal.Parse(text, CultureInfo.InvariantCulture) * 1_000_000));

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);
}
