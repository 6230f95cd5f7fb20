using System.Text;
using System.Xml;
using System.Xml.Linq;
using System.Xml.XPath;
using Billing.Accounts;
using Billing.Customers;
using Billing.Documents;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Documents;

/// <summary>Invoices that are read as e-invoices, and what is read of their XML.</summary>
internal static class ElectronicInvoices
{
    public static readonly CustomerDetails Acme = new(
        "Łódź Robotics & Söhne <Ltd>", "ap@lodz.example", ["Piotrkowska 1", "Building B", "Floor 2", "Door 7"], "90-001", "Łódź", "PL", "PL 7250018312");

    private static readonly XmlNamespaceManager Names = NamesOf();

    /// <summary>Of January on the plan Metered, with a line of every kind that one month can have.</summary>
    public static InvoiceDocument January(params AccountEvent[] agreed) => Of(Terms(SellerInGermany, agreed), Opened(Metered) with { LocalTime = LocalTime.Of("UTC", Jan1, Feb1) },
        Usage(1, Tokens(Metered, TokenKind.Output, 601_000), Tokens(Metered, TokenKind.Input, 1_234_567), Tokens(Metered, TokenKind.Overrun, 3)), Closed());

    public static InvoiceDocument Of(RatingTerms terms, params PeriodEvent[] period) => Of(FactsAfter(period), terms);

    public static InvoiceDocument Of(PeriodFacts facts, RatingTerms terms) =>
        InvoiceDocument.Finalized(facts, terms, "INV-000042", new(AccountIds.Of(Customer), 5, 2, Feb1.AddDays(15), Feb1 + Grace, 1, terms.RatingVersion));

    public static RatingTerms Terms(SellerNamed seller, params AccountEvent[] agreed) => Agreed(agreed) with { Seller = SellerAfter(seller, new PaymentTermsSet(14, Jan1), Vat) };

    public static string Json(InvoiceDocument document) => Encoding.UTF8.GetString(document.ToUtf8());

    public static ElectronicInvoice Read(InvoiceDocument document) => ElectronicInvoicing.Invoice(Json(document), Acme, "finalized");

    public static XDocument Xml(ElectronicInvoice invoice) => XDocument.Parse(Encoding.UTF8.GetString(UblInvoice.Render(invoice)), LoadOptions.PreserveWhitespace);

    public static XDocument Xml(InvoiceDocument document) => Xml(Read(document));

    /// <summary>The values at a path, in the order of the document.</summary>
    public static string[] At(this XNode xml, string path) => [.. ((IEnumerable<object>)xml.XPathEvaluate(path, Names)).Select(n => n is XAttribute a ? a.Value : ((XElement)n).Value)];

    public static XElement[] Each(this XNode xml, string path) => [.. xml.XPathSelectElements(path, Names)];

    /// <summary>The one value at a path; empty where there is none.</summary>
    public static string The(this XNode xml, string path) => xml.At(path).SingleOrDefault("");

    private static XmlNamespaceManager NamesOf()
    {
        var names = new XmlNamespaceManager(new NameTable());
        names.AddNamespace("cac", "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2");
        names.AddNamespace("cbc", "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2");
        return names;
    }
}
