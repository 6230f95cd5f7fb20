using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Billing.Accounts;
using Billing.Audit;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Verifier;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Audit;

/// <summary>The verifier adds every document up, whatever the event beside it repeats.</summary>
public sealed class DocumentSumsTests
{
    private static readonly PeriodFacts Used = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)));

    /// <summary>800,000 tokens of January are taken back: more than February's fee.</summary>
    private static readonly PeriodFacts TakenBack = FactsAfter(
        Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, [Tokens(Metered, TokenKind.Output, 801_000)], [Tokens(Metered, TokenKind.Output, -800_000)], Mar1));

    public static TheoryData<string, PeriodFacts, AccountEvent[], long> Issued => new()
    {
        { "nothing but its plan", Used, [], 12_500_000 },
        { "credit and tax", Used, [Money(1_500_000), Taxed()], 13_090_000 },
        { "nothing is left to pay", Used, [Money(90_000_000), Taxed()], 0 },
        { "a discount of all of it", Used, [PercentOff("100"), Taxed()], 0 },
        { "it is owed to the customer, tax too", TakenBack, [Taxed()], -5_950_000 },
        { "exempt", Used, [Taxed(TaxTreatment.Exempt, "cert. 7")], 12_500_000 },
    };

    [Theory, MemberData(nameof(Issued))]
    public void What_was_issued_adds_up(string what, PeriodFacts facts, AccountEvent[] events, long total)
    {
        _ = what;
        var document = Document(facts, events);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"\"totalMicros\":{total},"), document, StringComparison.Ordinal);
        Assert.Empty(Check(document, total));
    }

    [Fact]
    public void An_invoice_that_is_older_than_tax_adds_up() =>
        Assert.Empty(Check(Encoding.UTF8.GetString(InvoiceDocument.Finalized(Used, RatingTerms.Of(Book()), "INV-000001", null, Mar1).ToUtf8()), 12_500_000));

    /// <summary>The event names the forged document's own hash and total.</summary>
    [Theory]
    [InlineData("\"amountMicros\":7500000", "\"amountMicros\":7400000", 14_880_000, "its lines add up to 14780000 and totalMicros is 14880000 (a difference of -100000)")]
    [InlineData("\"totalMicros\":14880000", "\"totalMicros\":90000000", 90_000_000, "its lines add up to 14880000 and totalMicros is 90000000 (a difference of -75120000)")]
    [InlineData("\"taxMicros\":2380000", "\"taxMicros\":2380001", 14_880_000, "its lines of tax add up to 2380000 and taxMicros is 2380001 (a difference of -1)")]
    [InlineData("\"netMicros\":12500000", "\"netMicros\":12600000", 14_880_000, "netMicros and taxMicros add up to 14980000 and totalMicros is 14880000 (a difference of 100000)")]
    [InlineData("\"amountMicros\":7500000", "\"amountMicros\":9223372036854775807", 14_880_000, "its lines add up to 9223372036862155807 and totalMicros is 14880000 (a difference of 9223372036847275807)")]
    public void A_forged_invoice_is_named_with_the_difference(string issued, string forged, long total, string told)
    {
        var document = Document(Used, [Taxed()]);
        Assert.Contains(issued, document, StringComparison.Ordinal);
        Assert.Equal([$"the document of INV-000001 does not add up: {told}"], Check(document.Replace(issued, forged, StringComparison.Ordinal), total));
    }

    private static readonly string Note = Encoding.UTF8.GetString(new CreditNoteDocument(
        "cn_a", "CN-000001", "inv_a", "INV-000001", Customer, Usd, "why", [new("VAT 19 % (DE)", new(1_000_000), new(190_000)), new("not taxed", new(-10_000), Micros.Zero)], Mar1).ToUtf8());

    [Theory]
    [InlineData("\"reason\":\"why\"", "\"reason\":\"why\"", null)]
    [InlineData("\"netMicros\":1000000", "\"netMicros\":1000001", "its parts add up to 990001 and netMicros is 990000 (a difference of 1)")]
    [InlineData("\"taxMicros\":190000}", "\"taxMicros\":180000}", "the tax of its parts adds up to 180000 and taxMicros is 190000 (a difference of -10000)")]
    [InlineData("\"totalMicros\":1180000", "\"totalMicros\":9180000", "netMicros and taxMicros add up to 1180000 and totalMicros is 9180000 (a difference of -8000000)")]
    public void A_credit_note_adds_up_or_is_named_with_the_difference(string issued, string forged, string? told)
    {
        Assert.Contains(issued, Note, StringComparison.Ordinal);
        var findings = Check(Document(Used, []), 12_500_000, Note.Replace(issued, forged, StringComparison.Ordinal));
        Assert.Equal(told is null ? [] : [$"the document of CN-000001 does not add up: {told}"], findings);
    }

    private static string Document(PeriodFacts facts, AccountEvent[] events) =>
        Encoding.UTF8.GetString(InvoiceDocument.Finalized(facts, Agreed(events), "INV-000001", new("", 0, 0, Mar1, Mar1)).ToUtf8());

    /// <summary>An export whose events agree with the documents as far as they speak of them.</summary>
    private static IEnumerable<string> Check(string invoice, long total, string? note = null)
    {
        var (export, period) = (new ExportFormat(), invoice.Contains(January, StringComparison.Ordinal) && !invoice.Contains(February, StringComparison.Ordinal) ? January : February);
        var data = string.Create(CultureInfo.InvariantCulture, $$"""
            {"number":"INV-000001","periodId":"{{period}}","subscriptionId":"{{Subscription}}","customerId":"{{Customer}}","currency":"USD","totalMicros":{{total}},"documentSha256":"{{Sha256(invoice)}}"}
            """);
        List<string> lines = [export.Manifest(note is null ? 2 : 3, note is null ? 2 : 3, 0, 0, 1, note is null ? 0 : 1), Event(1, "invoice_finalized", data), Event(2, "invoice_voided", "{}")];
        if (note is not null) lines.Add(Event(3, "credit_note_issued", $$"""{"creditNoteId":"cn_a","number":"CN-000001","documentSha256":"{{Sha256(note)}}"}"""));
        lines.Add(export.Invoice("inv_a", "INV-000001", Sha256(invoice), invoice));
        if (note is not null) lines.Add(export.CreditNote("cn_a", "CN-000001", "inv_a", Sha256(note), note));
        lines.Add(export.End());
        return VerifyExport.Check(lines).Select(f => f.Finding);

        string Event(int version, string type, string data) => export.Event(new(version, "inv_a", version, type, data) { Id = new(version, 0, 0, new byte[8]) });
    }

    private static string Sha256(string document) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(document)));
}
