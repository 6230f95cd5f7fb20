using System.Globalization;
using System.Xml.Linq;

namespace Billing.Tests.Documents;

/// <summary>The rules of EN 16931 on sums, prices and categories, computed from the XML alone, without slack but for the tax of credit notes.</summary>
internal static class EN16931Rules
{
    public static string[] BrokenBy(XDocument xml, Currency currency, int taxSlackUnits)
    {
        decimal The(string path) => xml.The(path) is { Length: > 0 } text ? Number(text) : 0;
        decimal Sum(string path) => xml.At(path).Sum(Number);
        decimal Total(string name) => The($"/*/cac:LegalMonetaryTotal/cbc:{name}");
        var (unit, decimals) = (currency.MinorUnit.Value / 1_000_000m, currency.Digits);
        var lines = xml.Each("/*/cac:InvoiceLine | /*/cac:CreditNoteLine");
        var breakdown = xml.Each("/*/cac:TaxTotal/cac:TaxSubtotal");
        List<(string Rule, bool Holds)> rules =
        [
            ("BR-16 there is a line", lines.Length > 0),
            ("BR-27 no price is below zero", xml.At("//cac:Price/cbc:PriceAmount").All(p => Number(p) >= 0)),
            ("BR-CO-10 lines add up to BT-106", Total("LineExtensionAmount") == lines.Sum(l => Number(l.The("cbc:LineExtensionAmount")))),
            ("BR-CO-11 allowances add up to BT-107", Total("AllowanceTotalAmount") == Sum("/*/cac:AllowanceCharge[cbc:ChargeIndicator='false']/cbc:Amount")),
            ("BR-CO-12 charges add up to BT-108", Total("ChargeTotalAmount") == Sum("/*/cac:AllowanceCharge[cbc:ChargeIndicator='true']/cbc:Amount")),
            ("BR-CO-13 BT-109 = BT-106 - BT-107 + BT-108", Total("TaxExclusiveAmount") == Total("LineExtensionAmount") - Total("AllowanceTotalAmount") + Total("ChargeTotalAmount")),
            ("BR-CO-14 the breakdown adds up to BT-110", The("/*/cac:TaxTotal/cbc:TaxAmount") == Sum("/*/cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount")),
            ("BR-CO-15 BT-112 = BT-109 + BT-110", Total("TaxInclusiveAmount") == Total("TaxExclusiveAmount") + The("/*/cac:TaxTotal/cbc:TaxAmount")),
            ("BR-CO-16 BT-115 = BT-112 - BT-113", Total("PayableAmount") == Total("TaxInclusiveAmount") - Total("PrepaidAmount")),
            ("BR-CO-18 there is a breakdown", breakdown.Length > 0),
            ("BR-CO-25 what is owed has a due date or terms", Total("PayableAmount") <= 0 || xml.At("/*/cbc:DueDate | /*/cac:PaymentTerms/cbc:Note").Length > 0),
            ("BR-CO-26 the seller is identified", xml.At("/*/cac:AccountingSupplierParty/cac:Party/cac:PartyIdentification/cbc:ID | /*/cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID").Length > 0),
            ("BR-DEC amounts have the currency's decimals", xml.At("//cbc:LineExtensionAmount | //cbc:TaxAmount | //cbc:TaxableAmount | //cbc:Amount | /*/cac:LegalMonetaryTotal/*").All(a => Number(a).Scale == decimals)),
            ("each category has one breakdown", breakdown.Select(Key).Distinct().Count() == breakdown.Length),
            ("every category that is used is broken down", xml.Each("//cac:ClassifiedTaxCategory | /*/cac:AllowanceCharge/cac:TaxCategory").All(c => breakdown.Any(b => Key(b) == CategoryKey(c)))),
        ];
        foreach (var part in breakdown)
        {
            var (taxable, tax, rate) = (Number(part.The("cbc:TaxableAmount")), Number(part.The("cbc:TaxAmount")), part.The("cac:TaxCategory/cbc:Percent") is { Length: > 0 } percent ? Number(percent) : 0);
            var owed = decimal.Round(taxable * rate / 100 / unit, MidpointRounding.AwayFromZero) * unit;
            rules.Add(($"BR-CO-17 tax {tax} is {rate} % of {taxable}", Math.Abs(tax - owed) <= taxSlackUnits * unit));
            decimal Of(XElement[] elements, string category, string amount) => elements.Where(e => CategoryKey(e.Each(category).Single()) == Key(part)).Sum(e => Number(e.The(amount)));
            var sum = Of(lines, "cac:Item/cac:ClassifiedTaxCategory", "cbc:LineExtensionAmount") - Of(xml.Each("/*/cac:AllowanceCharge[cbc:ChargeIndicator='false']"), "cac:TaxCategory", "cbc:Amount")
                + Of(xml.Each("/*/cac:AllowanceCharge[cbc:ChargeIndicator='true']"), "cac:TaxCategory", "cbc:Amount");
            rules.Add(($"BR-S-8 and its like: something on the invoice is of {Key(part)}", xml.Each("//cac:ClassifiedTaxCategory | /*/cac:AllowanceCharge/cac:TaxCategory").Any(c => CategoryKey(c) == Key(part))));
            rules.Add(($"BR-S-8 and its like: {taxable} is {sum}, what the lines of {Key(part)} add up to", taxable == sum));
            rules.Add(($"BR-E-10 and its like: a reason stands where none is charged: {Key(part)}", part.The("cac:TaxCategory/cbc:ID") is "E" or "AE" or "O" == part.The("cac:TaxCategory/cbc:TaxExemptionReason").Length > 0));
        }
        return [.. rules.Where(r => !r.Holds).Select(r => r.Rule)];
    }

    private static (string, string) Key(XElement breakdown) => CategoryKey(breakdown.Each("cac:TaxCategory").Single());

    private static (string, string) CategoryKey(XElement category) => (category.The("cbc:ID"), category.The("cbc:Percent"));

    private static decimal Number(string text) => decimal.Parse(text, CultureInfo.InvariantCulture);
}
