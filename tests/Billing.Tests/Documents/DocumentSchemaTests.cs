using System.Text;
using System.Text.Json;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Documents;

/// <summary>Documents are by the published schemas, which name every property that a document has, in its order, and every kind of line.</summary>
public sealed class DocumentSchemaTests
{
    private static readonly PublishedSchema OfInvoices = new("invoice.schema.json"), OfCreditNotes = new("credit_note.schema.json");

    /// <summary>An invoice with everything that may be on one.</summary>
    private static byte[] Whole()
    {
        var late = new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, [], [Tokens(Metered, TokenKind.Output, 900_000)], Mar1);
        var facts = FactsAfter(Opened(Metered, 1), Usage(1, Tokens(Metered, TokenKind.Output, 601_000), Tokens(Metered, TokenKind.Reasoning, 5), Tokens(Metered, TokenKind.Overrun, 3)), late, Closed()) with { CustomerDetailsSha256 = new string('a', 64), LocalTime = LocalTime.Of("Europe/Berlin", Feb1, Mar1) };
        var reasoning = Billing.Menus.OveragePrice.Packaged(TokenKind.Reasoning, new(3, new(2_000_000)));
        var menu = Some.Terms() with { Plans = [Some.Terms().Plans[0], Some.Terms().Plans[1] with { Caps = [new(CapWindow.BillingPeriod, 1, Cap.GeneratedTokens, CapEnforcement.Billed)], Overage = [Some.Terms().Plans[1].Overage[0], reasoning] }] };
        var terms = Agreed(menu, Minimum(90_000_000), PercentOff("10"), Prepaid(100_000), Money(1_000_000), Taxed());
        return InvoiceDocument.Finalized(facts, terms, "INV-1", new("", 0, 0, Mar1, Mar1)).ToUtf8();
    }

    private static byte[] Note() => new CreditNoteDocument(
        "cn_019b76daa80070008000000000000001", "CN-000001", "inv_019b76daa80070008000000000000001", "INV-000001", Customer, Usd, "why", [new("VAT 19 % (DE)", new(1_000_000), new(190_000)), new("not taxed", new(-10_000), Micros.Zero)], Mar1).ToUtf8();

    [Theory, MemberData(nameof(Audit.DocumentSumsTests.Issued), MemberType = typeof(Audit.DocumentSumsTests))]
    public void What_is_issued_is_by_the_schema(string what, PeriodFacts facts, Billing.Accounts.AccountEvent[] events, long total)
    {
        _ = (what, total);
        var terms = Agreed(events);
        Assert.Empty(OfInvoices.Faults(InvoiceDocument.Finalized(facts, terms, "INV-000001", new("", 0, 0, Mar1, Mar1)).ToUtf8()));
        foreach (var seller in new[] { SellerInGermany, SellerNotSubjectToVat })
            Assert.Empty(OfInvoices.Faults(InvoiceDocument.Finalized(facts, terms with { Seller = SellerAfter(seller, Vat) }, "INV-000001", new("", 0, 0, Mar1, Mar1)).ToUtf8()));
        Assert.Empty(OfInvoices.Faults(InvoiceDocument.Draft(facts, terms).ToUtf8()));
        Assert.Empty(OfInvoices.Faults(InvoiceDocument.Finalized(facts, RatingTerms.Of(Book()), "INV-000001", null, Mar1).ToUtf8()));
    }

    [Fact]
    public void An_invoice_with_everything_on_it_and_a_credit_note_are_by_their_schemas()
    {
        Assert.Empty(OfInvoices.Faults(Whole()));
        Assert.Empty(OfCreditNotes.Faults(Note()));
    }

    [Theory, InlineData("export-1.ndjson", 4), InlineData("export-2.ndjson", 5)]
    public void What_earlier_versions_issued_is_by_the_schemas_of_today(string export, int documents)
    {
        var of = File.ReadLines(Path.Combine(Checkout.Root, "tests/Billing.Host.Tests/Pinned", export)).Select(l => JsonDocument.Parse(l).RootElement).Where(l => l.TryGetProperty("document", out _)).ToArray();
        Assert.Equal(documents, of.Length);
        Assert.All(of, l => Assert.Empty((l.GetProperty("kind").GetString() == "invoice" ? OfInvoices : OfCreditNotes).Faults(Encoding.UTF8.GetBytes(l.GetProperty("document").GetString()!))));
    }

    [Theory]
    [InlineData("\"status\":\"finalized\"", "\"status\":\"paid\"", "/status is none of those that are allowed")]
    [InlineData("\"format\":\"invoice/2\",", "", "/format is missing")]
    [InlineData("\"format\":\"invoice/2\",", "\"format\":\"invoice/2\",\"discount\":1,", "/discount has no place")]
    [InlineData("\"invoiceId\":\"inv_", "\"invoiceId\":\"INV_", "/invoiceId is not like ^inv_")]
    [InlineData("\"paymentTermsDays\":14", "\"paymentTermsDays\":366", "/seller/paymentTermsDays is above 365")]
    [InlineData("\"paymentTermsDays\":14", "\"paymentTermsDays\":-1", "/seller/paymentTermsDays is below 0")]
    [InlineData("\"paymentTermsDays\":14", "\"paymentTermsDays\":\"14\"", "/seller/paymentTermsDays is no integer")]
    [InlineData("\"paymentTermsDays\":14", "\"paymentTermsDays\":14.5", "/seller/paymentTermsDays is no integer")]
    [InlineData("\"firstDay\":\"2026-02-01\"", "\"firstDay\":\"2026-02-30\"", "/period/firstDay is no date")]
    [InlineData(".000000Z\",\"end\"", "Z\",\"end\"", "/period/start is not like")]
    [InlineData("\"kind\":\"period_fee\"", "\"kind\":\"fee\"", "/lines/0/kind is none of those that are allowed")]
    [InlineData("\"treatment\":\"standard\"", "\"treatment\":\"none\"", "/tax/treatment is none of those that are allowed")]
    public void What_is_not_by_the_schema_is_named(string issued, string forged, string told)
    {
        var document = Encoding.UTF8.GetString(Whole());
        Assert.Contains(issued, document, StringComparison.Ordinal);
        Assert.Contains(OfInvoices.Faults(Encoding.UTF8.GetBytes(document.Replace(issued, forged, StringComparison.Ordinal))), f => f.Contains(told, StringComparison.Ordinal));
    }

    [Fact]
    public void The_schema_names_every_property_of_an_invoice_in_its_order()
    {
        using var json = JsonDocument.Parse(Whole());
        var schema = OfInvoices.Root;
        Assert.Equal(schema.GetProperty("properties").EnumerateObject().Select(p => p.Name), json.RootElement.EnumerateObject().Select(p => p.Name));
        var line = schema.GetProperty("$defs").GetProperty("line").GetProperty("properties");
        var lines = json.RootElement.GetProperty("lines").EnumerateArray().ToArray();
        Assert.Equal(line.EnumerateObject().Select(p => p.Name).Order(), lines.SelectMany(l => l.EnumerateObject().Select(p => p.Name)).Distinct().Order());
        var period = schema.GetProperty("properties").GetProperty("period").GetProperty("properties");
        Assert.Equal(period.EnumerateObject().Select(p => p.Name), json.RootElement.GetProperty("period").EnumerateObject().Select(p => p.Name));
        Assert.Equal(
            typeof(LineKinds).GetFields().Select(f => (string)f.GetValue(null)!).Order(), line.GetProperty("kind").GetProperty("enum").EnumerateArray().Select(k => k.GetString()!).Order());
        Assert.Equal(lines.Select(l => l.GetProperty("kind").GetString()).Distinct().Order(), line.GetProperty("kind").GetProperty("enum").EnumerateArray().Select(k => k.GetString()).Order());
    }

    [Fact]
    public void The_schema_names_every_property_of_a_credit_note_in_its_order()
    {
        using var json = JsonDocument.Parse(Note());
        Assert.Equal(OfCreditNotes.Root.GetProperty("properties").EnumerateObject().Select(p => p.Name), json.RootElement.EnumerateObject().Select(p => p.Name));
    }
}
