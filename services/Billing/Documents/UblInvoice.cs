using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Billing.Documents;

/// <summary>An e-invoice as UBL 2.1 XML, by the syntax binding of EN 16931: elements stand in the order of UBL's schema, and what is empty is left out.</summary>
public static class UblInvoice
{
    internal static readonly XNamespace
        Cac = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2", Cbc = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";

    private const string Vat = "VAT", One = "C62";

    /// <returns>UTF-8 without a byte order mark</returns>
    public static byte[] Render(ElectronicInvoice invoice)
    {
        using var bytes = new MemoryStream();
        using (var xml = XmlWriter.Create(bytes, new() { Encoding = new UTF8Encoding(false), Indent = true, NewLineChars = "\n", NewLineHandling = NewLineHandling.Entitize }))
            Document(invoice).Save(xml);
        return bytes.ToArray();
    }

    private static XDocument Document(ElectronicInvoice i)
    {
        var name = i.IsCreditNote ? "CreditNote" : "Invoice";
        XNamespace root = $"urn:oasis:names:specification:ubl:schema:xsd:{name}-2";
        return new(new XElement(root + name,
            new XAttribute("xmlns", root.NamespaceName), new XAttribute(XNamespace.Xmlns + "cac", Cac.NamespaceName), new XAttribute(XNamespace.Xmlns + "cbc", Cbc.NamespaceName),
            Text("CustomizationID", ElectronicInvoice.Specification),
            Text("ID", i.Number),
            Text("IssueDate", Day(i.IssuedOn)),
            i.DueOn is { } due ? Text("DueDate", Day(due)) : null,
            Text($"{name}TypeCode", i.TypeCode),
            Text("Note", i.Note),
            Text("DocumentCurrencyCode", i.Currency.Code),
            i.Period is { } period ? Group("InvoicePeriod", Text("StartDate", Day(period.First)), Text("EndDate", Day(period.Last))) : null,
            i.Preceding is { } before ? Group("BillingReference", Group("InvoiceDocumentReference", Text("ID", before.Number), Text("IssueDate", Day(before.IssuedOn)))) : null,
            Group("ContractDocumentReference", Text("ID", i.Contract)),
            Group("AccountingSupplierParty", Party(i.Seller)),
            Group("AccountingCustomerParty", Party(i.Buyer)),
            Group("PaymentTerms", Text("Note", i.PaymentTerms)),
            i.Allowances.Select(a => Group("AllowanceCharge",
                Text("ChargeIndicator", a.IsCharge ? "true" : "false"), Text("AllowanceChargeReason", a.Reason), Money("Amount", a.AmountMicros, i.Currency), Category("TaxCategory", a.Vat))),
            Group("TaxTotal", Money("TaxAmount", i.VatMicros, i.Currency), i.Vat.Select(v => Group("TaxSubtotal",
                Money("TaxableAmount", v.BaseMicros, i.Currency), Money("TaxAmount", v.TaxMicros, i.Currency), Category("TaxCategory", v.Category, v.ReasonCode, v.Reason)))),
            Group("LegalMonetaryTotal",
                Money("LineExtensionAmount", i.LinesMicros, i.Currency), Money("TaxExclusiveAmount", i.NetMicros, i.Currency), Money("TaxInclusiveAmount", i.TotalMicros, i.Currency),
                i.Allowances.Any(a => !a.IsCharge) ? Money("AllowanceTotalAmount", i.AllowancesMicros, i.Currency) : null,
                i.Allowances.Any(a => a.IsCharge) ? Money("ChargeTotalAmount", i.ChargesMicros, i.Currency) : null,
                Money("PayableAmount", i.TotalMicros, i.Currency)),
            i.Lines.Select(l => Line(l, i))));
    }

    private static XElement? Party(TradeParty p) => Group("Party",
        Group("PartyIdentification", Text("ID", p.Id)),
        Group("PostalAddress",
            Text("StreetName", p.AddressLines.ElementAtOrDefault(0)), Text("AdditionalStreetName", p.AddressLines.ElementAtOrDefault(1)), Text("CityName", p.City), Text("PostalZone", p.PostalCode),
            Group("AddressLine", Text("Line", p.AddressLines.ElementAtOrDefault(2))), Group("Country", Text("IdentificationCode", p.Country))),
        TaxScheme(p.VatId, Vat),
        TaxScheme(p.TaxRegistration, "FC"),
        Group("PartyLegalEntity", Text("RegistrationName", p.Name)),
        Group("Contact", Text("ElectronicMail", p.Email)));

    private static XElement? TaxScheme(string number, string scheme) => number.Length == 0 ? null : Group("PartyTaxScheme", Text("CompanyID", number), Scheme(scheme));

    private static XElement? Line(TradeLine l, ElectronicInvoice i) => Group(i.IsCreditNote ? "CreditNoteLine" : "InvoiceLine",
        Text("ID", l.Id),
        Quantity(i.IsCreditNote ? "CreditedQuantity" : "InvoicedQuantity", l.Quantity),
        Money("LineExtensionAmount", l.AmountMicros, i.Currency),
        Group("Item",
            Text("Name", l.Name),
            Group("SellersItemIdentification", Text("ID", l.PlanId)),
            Category("ClassifiedTaxCategory", l.Vat),
            l.Attributes.Select(a => Group("AdditionalItemProperty", Text("Name", a.Name), Text("Value", a.Value)))),
        Group("Price",
            new XElement(Cbc + "PriceAmount", new XAttribute("currencyID", i.Currency.Code), l.Price.ToString(CultureInfo.InvariantCulture)),
            Quantity("BaseQuantity", l.PriceQuantity)));

    private static XElement? Category(string name, VatCategory category, string reasonCode = "", string reason = "") => Group(name,
        Text("ID", category.Code), Text("Percent", category.Rate?.ToString()), Text("TaxExemptionReasonCode", reasonCode), Text("TaxExemptionReason", reason), Scheme(Vat));

    private static XElement? Scheme(string id) => Group("TaxScheme", Text("ID", id));

    private static XElement Quantity(string name, long quantity) => new(Cbc + name, new XAttribute("unitCode", One), quantity);

    /// <summary>With the decimals of the currency, two at most.</summary>
    private static XElement Money(string name, Micros amount, Currency currency) => new(
        Cbc + name, new XAttribute("currencyID", currency.Code), (amount.Value / 1_000_000m).ToString(currency.Digits == 0 ? "0" : "0.00", CultureInfo.InvariantCulture));

    /// <summary>What XML cannot carry, control characters, is shown as replaced.</summary>
    private static XElement? Text(string name, string? text) =>
        string.IsNullOrEmpty(text) ? null : new(Cbc + name, string.Concat(text.EnumerateRunes().Select(r => r.Value > char.MaxValue || XmlConvert.IsXmlChar((char)r.Value) ? r : Rune.ReplacementChar)));

    /// <summary>Nothing where nothing is in it.</summary>
    private static XElement? Group(string name, params object?[] content) => new XElement(Cac + name, content) is { IsEmpty: false } group ? group : null;

    private static string Day(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
