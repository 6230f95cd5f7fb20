using System.Globalization;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Rating;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;
using static Billing.Tests.Documents.ElectronicInvoices;

namespace Billing.Tests.Documents;

/// <summary>The terms that EN 16931 makes mandatory, in an invoice and in a credit note, for each category of tax that the product has.</summary>
public sealed class MandatoryTermTests
{
    /// <summary>What is called otherwise in a credit note.</summary>
    private static readonly (string Invoice, string CreditNote)[] Elements = [("InvoiceLine", "CreditNoteLine"), ("InvoicedQuantity", "CreditedQuantity"), ("InvoiceTypeCode", "CreditNoteTypeCode")];

    public static TheoryData<string, string, bool> Kinds
    {
        get
        {
            var kinds = new TheoryData<string, string, bool>();
            foreach (var (category, percent) in new[] { ("S", "19"), ("Z", "0"), ("E", "0"), ("AE", "0"), ("O", "") })
                foreach (var isCreditNote in new[] { false, true }) kinds.Add(category, percent, isCreditNote);
            return kinds;
        }
    }

    private static InvoiceDocument InvoiceOf(string category, string percent)
    {
        var treatment = category switch { "E" => TaxTreatment.Exempt, "AE" => TaxTreatment.ReverseCharge, _ => TaxTreatment.Standard };
        var terms = category == "O"
            ? Agreed() with { Seller = SellerAfter(Vat, SellerNotSubjectToVat), Identity = Identity(new Billing.Customers.CustomerTaxSet("DE", "", Billing.Customers.TaxStatus.Business, Jan1)) }
            : Agreed(new TaxTreatmentSet("DE", treatment, "", Jan1)) with { Seller = SellerAfter(SellerInGermany, Vat with { Rate = Percent.Parse(percent) }) };
        return Of(terms, Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), Closed());
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Every_mandatory_term_stands_with_its_value(string category, string percent, bool isCreditNote)
    {
        var invoice = InvoiceOf(category, percent);
        var (net, tax, total) = (invoice.Rated.NetMicros, invoice.Rated.TaxMicros, invoice.Rated.TotalMicros);
        var lines = invoice.Rated.Lines.Where(l => l.Kind != LineKinds.Tax).ToArray();
        string[] Each(Func<InvoiceLine, string> line, string note) => isCreditNote ? [note] : [.. lines.Select(line)];
        Dictionary<string, string[]> expected = new()
        {
            ["BT-1"] = [isCreditNote ? "CN-1" : invoice.Number], ["BT-2"] = [isCreditNote ? "2026-03-01" : "2026-02-01"], ["BT-3"] = [isCreditNote ? "381" : "380"], ["BT-5"] = ["USD"],
            ["BT-24"] = ["urn:cen.eu:en16931:2017"], ["BT-27"] = ["Tokenwerke GmbH"], ["BT-40"] = ["DE"], ["BT-44"] = [Acme.Name], ["BT-55"] = ["PL"],
            ["BT-106"] = [Major(net)], ["BT-109"] = [Major(net)], ["BT-112"] = [Major(total)], ["BT-115"] = [Major(total)], ["BT-116"] = [Major(net)], ["BT-117"] = [Major(tax)],
            // What is outside the scope of the tax has no rate, and must have none (BR-O-5).
            ["BT-118"] = [category], ["BT-119"] = percent.Length == 0 ? [] : [percent],
            ["BT-126"] = Each(l => (Array.IndexOf(lines, l) + 1).ToString(CultureInfo.InvariantCulture), "1"), ["BT-129"] = Each(l => l.TokenKind is null ? "1" : l.Tokens.ToString(CultureInfo.InvariantCulture), "1"),
            ["BT-130"] = Each(_ => "C62", "C62"), ["BT-131"] = Each(l => Major(l.AmountMicros), Major(net)), ["BT-146"] = isCreditNote ? ["12.5"] : ["5", "0", "12.5"],
            ["BT-151"] = Each(_ => category, category),
        };
        var xml = isCreditNote ? Xml(UblInvoiceTests.Credited(invoice, total)) : Xml(invoice);
        foreach (var term in BusinessTermTests.Mandatory.Where(t => t != "BT-153"))
            Assert.Equal((term, string.Join(" | ", expected[term])), (term, string.Join(" | ", xml.At(PathOf(term, isCreditNote)))));
        Assert.All(xml.At(PathOf("BT-153", isCreditNote)), name => Assert.NotEmpty(name));
        Assert.Equal(isCreditNote ? 1 : lines.Length, xml.At(PathOf("BT-153", isCreditNote)).Length);
        Assert.Empty(EN16931Rules.BrokenBy(xml, Usd, taxSlackUnits: 0));
    }

    private static string PathOf(string term, bool isCreditNote) =>
        Elements.Aggregate(BusinessTermTests.PathOf(term), (path, e) => isCreditNote ? path.Replace(e.Invoice, e.CreditNote, StringComparison.Ordinal) : path);

    private static string Major(Micros amount) => (amount.Value / 1_000_000m).ToString("0.00", CultureInfo.InvariantCulture);
}
