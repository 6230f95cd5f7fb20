using System.Xml.Linq;

namespace Billing.Tests.Documents;

/// <summary>The sequences of UBL 2.1's schemas, written down from them: as far as EN 16931 uses their elements, and the neighbours that would be confused.</summary>
internal static class UblOrder
{
    private static readonly Dictionary<string, string> Sequences = new()
    {
        ["Invoice"] = """
            UBLVersionID CustomizationID ProfileID ID CopyIndicator UUID IssueDate IssueTime DueDate InvoiceTypeCode Note TaxPointDate DocumentCurrencyCode TaxCurrencyCode AccountingCost BuyerReference
            InvoicePeriod OrderReference BillingReference DespatchDocumentReference ReceiptDocumentReference OriginatorDocumentReference ContractDocumentReference AdditionalDocumentReference ProjectReference
            AccountingSupplierParty AccountingCustomerParty PayeeParty TaxRepresentativeParty Delivery PaymentMeans PaymentTerms AllowanceCharge TaxTotal LegalMonetaryTotal InvoiceLine
            """,
        ["CreditNote"] = """
            UBLVersionID CustomizationID ProfileID ID CopyIndicator UUID IssueDate IssueTime TaxPointDate CreditNoteTypeCode Note DocumentCurrencyCode TaxCurrencyCode AccountingCost BuyerReference
            InvoicePeriod DiscrepancyResponse OrderReference BillingReference DespatchDocumentReference ReceiptDocumentReference ContractDocumentReference AdditionalDocumentReference OriginatorDocumentReference
            AccountingSupplierParty AccountingCustomerParty PayeeParty TaxRepresentativeParty Delivery PaymentMeans PaymentTerms AllowanceCharge TaxTotal LegalMonetaryTotal CreditNoteLine
            """,
        ["InvoicePeriod"] = "StartDate StartTime EndDate EndTime DescriptionCode Description",
        ["BillingReference"] = "InvoiceDocumentReference",
        ["InvoiceDocumentReference"] = "ID CopyIndicator UUID IssueDate",
        ["ContractDocumentReference"] = "ID",
        ["AccountingSupplierParty"] = "Party",
        ["AccountingCustomerParty"] = "Party",
        ["Party"] = "EndpointID PartyIdentification PartyName PostalAddress PartyTaxScheme PartyLegalEntity Contact",
        ["PartyIdentification"] = "ID",
        ["PostalAddress"] = "StreetName AdditionalStreetName CityName PostalZone CountrySubentity AddressLine Country",
        ["AddressLine"] = "Line",
        ["Country"] = "IdentificationCode Name",
        ["PartyTaxScheme"] = "RegistrationName CompanyID TaxScheme",
        ["TaxScheme"] = "ID Name",
        ["PartyLegalEntity"] = "RegistrationName CompanyID",
        ["Contact"] = "ID Name Telephone Telefax ElectronicMail",
        ["PaymentTerms"] = "ID PaymentMeansID Note",
        ["AllowanceCharge"] = "ID ChargeIndicator AllowanceChargeReasonCode AllowanceChargeReason MultiplierFactorNumeric PrepaidIndicator Amount BaseAmount TaxCategory",
        ["TaxTotal"] = "TaxAmount RoundingAmount TaxSubtotal",
        ["TaxSubtotal"] = "TaxableAmount TaxAmount CalculationSequenceNumeric Percent TaxCategory",
        ["TaxCategory"] = "ID Name Percent BaseUnitMeasure PerUnitAmount TaxExemptionReasonCode TaxExemptionReason TierRange TaxScheme",
        ["ClassifiedTaxCategory"] = "ID Name Percent BaseUnitMeasure PerUnitAmount TaxExemptionReasonCode TaxExemptionReason TierRange TaxScheme",
        ["LegalMonetaryTotal"] = "LineExtensionAmount TaxExclusiveAmount TaxInclusiveAmount AllowanceTotalAmount ChargeTotalAmount PrepaidAmount PayableRoundingAmount PayableAmount",
        ["InvoiceLine"] = "ID UUID Note InvoicedQuantity LineExtensionAmount TaxPointDate AccountingCost InvoicePeriod OrderLineReference DocumentReference AllowanceCharge TaxTotal Item Price",
        ["CreditNoteLine"] = "ID UUID Note CreditedQuantity LineExtensionAmount TaxPointDate AccountingCost InvoicePeriod OrderLineReference DocumentReference TaxTotal AllowanceCharge Item Price",
        ["Item"] = "Description Name BuyersItemIdentification SellersItemIdentification StandardItemIdentification OriginCountry CommodityClassification ClassifiedTaxCategory AdditionalItemProperty",
        ["SellersItemIdentification"] = "ID",
        ["AdditionalItemProperty"] = "ID Name NameCode TestMethod Value",
        ["Price"] = "PriceAmount BaseQuantity AllowanceCharge",
    };

    public static void MustHold(XDocument xml)
    {
        foreach (var parent in xml.Descendants().Where(e => e.HasElements))
        {
            var sequence = Sequences[parent.Name.LocalName].Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
            var at = parent.Elements().Select(e => Array.IndexOf(sequence, e.Name.LocalName)).ToArray();
            Assert.All(at, i => Assert.NotEqual(-1, i));
            Assert.Equal(at.Order(), at);
        }
    }
}
