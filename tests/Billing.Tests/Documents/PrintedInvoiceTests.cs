using System.Security.Cryptography;
using System.Text;
using Billing.Accounts;
using Billing.Documents;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using UglyToad.PdfPig;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Documents;

public sealed class PrintedInvoiceTests
{
    private static readonly InvoiceTermsCut Cut = new(AccountIds.Of(Customer), 5, 2, Feb1.AddDays(15), Feb1 + Grace);
    private static readonly PrintedParty Acme = new("Łódź Robotics & Söhne <Ltd>", ["Piotrkowska 1", "90-001 Łódź", "Poland", "PL7250018312"]);

    private static readonly string Json = Document(FactsAfter(
        Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000), Tokens(Metered, TokenKind.Input, 1_234_567), Tokens(Metered, TokenKind.Reasoning, 41_500)), Closed()));

    private static string Document(PeriodFacts facts) => Encoding.UTF8.GetString(InvoiceDocument.Finalized(
        facts, Agreed(PercentOff("10", DiscountScope.Usage), Money(1_000_000), Taxed()), "INV-000042", Cut).ToUtf8());

    internal static string TextOf(byte[] pdf)
    {
        using var read = UglyToad.PdfPig.PdfDocument.Open(pdf);
        return string.Join("\n", read.GetPages().Select(p => string.Join(' ', p.GetWords().Select(w => w.Text))));
    }

    [Fact]
    public void The_text_of_a_PDF_says_what_the_canonical_document_says()
    {
        var printed = Printing.Invoice(Json, Acme, "finalized");
        var text = TextOf(Billing.Documents.PdfDocument.Render(printed, SystemFaces()));
        string[] expected =
        [
            "Tokenwerke GmbH", "Tax ID DE123456789", "Łódź Robotics & Söhne <Ltd>", "INV-000042", "2026-02-01", "2026-02-15", "2026-01-01 to 2026-01-31", "601,000", "12.5 / million",
            "VAT 19 % (DE)", "Total due", "IBAN DE02", "page 1 of 1", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Json))),
        ];
        Assert.All(expected.Concat(printed.Lines.Select(l => l.Amount)).Concat(printed.Sums.Select(s => s.Amount)), words => Assert.Contains(words, text, StringComparison.Ordinal));
    }

    [Fact]
    public void Packages_and_a_pause_are_printed_with_what_they_cost()
    {
        var packaged = Some.Terms().Plans[1] with { Overage = [Billing.Menus.OveragePrice.Packaged(TokenKind.Output, new(100_000, new(1_250_000))), new(TokenKind.Reasoning, default)] };
        var facts = FactsAfter(
            Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 1_241_000)),
            new PeriodPlanChanged(Menu, Metered, false, Jan1.AddDays(15), Jan1, Paused: true), new PeriodPlanChanged(Menu, Metered, false, Jan1.AddDays(16), Jan1));
        var printed = Printing.Invoice(Encoding.UTF8.GetString(InvoiceDocument.Finalized(facts, Agreed(Some.Terms() with { Plans = [packaged] }), "INV-000042", Cut).ToUtf8()), Acme, "finalized");
        Assert.Contains(new PrintedLine("Metered, 2026-01-16 to 2026-01-17, paused", "", "", "0.00"), printed.Lines);
        Assert.Contains(new PrintedLine("Metered: output tokens beyond the cap, 13 packages of 100,000 at 1.25 USD", "1,240,033", "1.25 / 100,000", "16.25"), printed.Lines);
    }

    /// <summary>Invoices fell due at the time of day at which they had become final, once: those name that day for ever.</summary>
    [Theory, InlineData(0, 14 * 24), InlineData(0, 15 * 24), InlineData(1, 14 * 24 + 1), InlineData(1, 15 * 24)]
    public void The_last_day_to_pay_is_named_whether_or_not_it_is_whole(int finalAtHour, int dueAfterHours)
    {
        var cut = Cut with { At = Feb1.AddHours(finalAtHour), DueAt = Feb1.AddHours(dueAfterHours) };
        var json = Encoding.UTF8.GetString(InvoiceDocument.Finalized(FactsAfter(Opened(Metered)), Agreed(Taxed()), "INV-000042", cut).ToUtf8());
        var printed = Printing.Invoice(json, Acme, "finalized");
        Assert.Equal("2026-02-15", printed.Facts.Single(f => f.Label == "Due").Value);
        Assert.Contains(printed.Notes, n => n.Value.StartsWith("Payable within 14 days, by 2026-02-15.", StringComparison.Ordinal));
    }

    [Theory, InlineData("en", "Not subject to VAT"), InlineData("de", "Nicht steuerbar")]
    public void An_invoice_and_a_credit_note_of_who_is_not_subject_to_VAT_say_so(string language, string words)
    {
        var say = DocumentLanguage.Find(language)!;
        var terms = Agreed(Taxed()) with { Seller = SellerAfter(Vat, SellerNotSubjectToVat) };
        var invoice = InvoiceDocument.Finalized(FactsAfter(Opened(Metered), Closed()), terms, "INV-000042", Cut with { RatingVersion = RatingVersions.Latest });
        var json = Encoding.UTF8.GetString(invoice.ToUtf8());
        var issued = new IssueCreditNote(invoice.InvoiceId, "cn_1", "CN-000001", new(1_000_000), "Outage", TaxedParts.Of(json), Mar1);
        var state = new InvoiceState.Finalized(null, new("INV-000042", "", "", Customer, invoice.Currency, invoice.Rated.TotalMicros, "", Feb1), [], [], [], null);
        var note = CreditNoteDocument.Of(issued, state.Invoice, ((CreditNoteIssued)IssueCreditNoteDecision.Decide(issued, state).Events[0]).Parts);
        foreach (var printed in new[] { Printing.Invoice(json, Acme, "finalized", language: say), Printing.CreditNote(Encoding.UTF8.GetString(note.ToUtf8()), json, Acme, say) })
        {
            Assert.Equal(1, printed.Sums.Count(s => s.Label == words));
            Assert.Contains(words, HtmlDocument.Render(printed), StringComparison.Ordinal);
            Assert.Contains(words, TextOf(Billing.Documents.PdfDocument.Render(printed, SystemFaces())), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_amounts_that_are_printed_add_up()
    {
        var printed = Printing.Invoice(Json, null, "finalized");
        decimal Sum(IEnumerable<string> amounts) => amounts.Sum(a => decimal.Parse(a, System.Globalization.CultureInfo.InvariantCulture));
        var tax = Sum(printed.Sums.Where(s => s.Label.StartsWith("VAT", StringComparison.Ordinal)).Select(s => s.Amount));
        Assert.Equal(Sum([printed.Sums.Single(s => s.IsTotal).Amount]), Sum(printed.Lines.Select(l => l.Amount)) + tax);
    }

    /// <summary>A fee of 5.00, and late usage that is taken back: by half a fee, by all of it, by twice of it.</summary>
    [Theory]
    [InlineData(-200_000, "finalized", true, false)]
    [InlineData(-400_000, "finalized", false, false)]
    [InlineData(-800_000, "finalized", false, true)]
    [InlineData(-200_000, "void", false, false)]
    public void Who_owes_nothing_is_not_told_to_pay(long taken, string status, bool toPay, bool owed)
    {
        var late = new LateUsageAdded(PeriodIdOf(0), Menu, 0, Jan1.AddMonths(-1), Jan1, 4, [Tokens(Metered, TokenKind.Output, 2_000_000)], [Tokens(Metered, TokenKind.Output, taken)], Feb1);
        var printed = Printing.Invoice(Document(FactsAfter([Opened(Metered), late, Closed()])), Acme, status);
        string[] said = [.. printed.Notes.Select(n => n.Value)];
        Assert.Equal((toPay, owed), (said.Any(t => t.Contains("IBAN", StringComparison.Ordinal)), said.Contains("Nothing is to be paid: the amount is owed to you.")));
        Assert.Equal(toPay, printed.Facts.Any(f => f.Label == "Due"));
    }

    [Fact]
    public void A_long_invoice_has_its_pages_numbered_and_loses_no_line()
    {
        var late = Enumerable.Range(0, 40).Select(i => new LateUsageAdded(
            PeriodIdOf(i), Menu, i, Jan1.AddMonths(i - 60), Jan1.AddMonths(i - 59), 4, [], [Tokens(Metered, TokenKind.Output, 1_000_000 + i)], Feb1)).ToArray();
        var printed = Printing.Invoice(Document(FactsAfter([Opened(Metered), .. late, Closed()])), Acme, "void");
        var pdf = Billing.Documents.PdfDocument.Render(printed, SystemFaces());
        using var read = UglyToad.PdfPig.PdfDocument.Open(pdf);
        Assert.InRange(read.NumberOfPages, 3, 9);
        var text = TextOf(pdf);
        Assert.All(Enumerable.Range(1, read.NumberOfPages), n => Assert.Contains($"page {n} of {read.NumberOfPages}", text, StringComparison.Ordinal));
        Assert.All(late, l => Assert.Contains(l.Added[0].Tokens.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture), text, StringComparison.Ordinal));
        Assert.Contains("VOID", text, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_that_is_longer_than_a_page_goes_on_on_the_next()
    {
        var printed = Printing.Invoice(Json, new("Acme", [.. Enumerable.Range(1, 80).Select(i => $"Line{i}of80")]), "finalized");
        var pdf = Billing.Documents.PdfDocument.Render(printed with { Seller = printed.Seller! with { Lines = [.. Enumerable.Range(1, 80).Select(i => $"Seller{i}of80")] } }, SystemFaces());
        using var read = UglyToad.PdfPig.PdfDocument.Open(pdf);
        var words = read.GetPages().SelectMany(p => p.GetWords()).ToArray();
        Assert.All(Enumerable.Range(1, 80).SelectMany(i => new[] { $"Line{i}of80", $"Seller{i}of80" }), line => Assert.InRange(Assert.Single(words, w => w.Text == line).BoundingBox.Bottom, 60, 800));
        Assert.All(read.GetPages().SelectMany(p => p.GetWords()), w => Assert.InRange(w.BoundingBox.Bottom, 30, 810));
        Assert.Contains("Total due", TextOf(pdf), StringComparison.Ordinal);
    }

    [Fact]
    public void What_no_font_can_show_is_a_space()
    {
        var invoice = Printing.Invoice(Json, new("Acme\tRobotics\u0001Ltd", ["Piotrkowska\u009f1"]), "finalized");
        var printed = invoice with
        {
            Seller = invoice.Seller! with { Name = "Token\twerke" }, Lines = [new("Agreed\u0000line", "1\t000", "", "5.00")], Notes = [new("Reason", "two\r\nlines\tof words")],
        };
        var text = TextOf(Billing.Documents.PdfDocument.Render(printed, SystemFaces()));
        Assert.All(["Acme Robotics Ltd", "Piotrkowska 1", "Token werke", "Agreed line", "1 000", "lines of words"], words => Assert.Contains(words, text, StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_font_file_what_Helvetica_cannot_show_is_refused_by_name()
    {
        Assert.Contains("Total due", TextOf(Billing.Documents.PdfDocument.Render(Printing.Invoice(Json, new("Muster AG", ["Bern"]), "finalized"), PdfFaces.Helvetica)), StringComparison.Ordinal);
        var refused = Assert.Throws<CharacterNotInFontException>(() => Billing.Documents.PdfDocument.Render(Printing.Invoice(Json, Acme, "finalized"), PdfFaces.Helvetica));
        Assert.Contains("fonts-dejavu-core", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HTML_is_self_contained_and_escapes_what_customers_are_called()
    {
        var html = HtmlDocument.Render(Printing.Invoice(Json, Acme, "finalized"));
        Assert.Contains("S&#246;hne &lt;Ltd&gt;", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.DoesNotContain("http", html, StringComparison.Ordinal);
        Assert.Contains("INV-000042", html, StringComparison.Ordinal);
    }

    [Fact]
    public void A_draft_is_stamped_and_proves_nothing()
    {
        var printed = Printing.Invoice(Encoding.UTF8.GetString(InvoiceDocument.Draft(FactsAfter(Opened(Small)), Agreed()).ToUtf8()), null, "draft");
        Assert.Equal(("DRAFT", "Draft invoice"), (printed.Stamp, printed.Title));
        Assert.DoesNotContain(printed.Notes, n => n.Label == "Proof");
    }

    private static string PeriodIdOf(int number) => Billing.Subscriptions.PeriodIds.Of(Subscription, number, Jan1.AddMonths(number - 60));

    /// <summary>Whatever TrueType font the machine has; where there is none the tests need one installed.</summary>
    internal static PdfFaces SystemFaces()
    {
        string[] folders = ["/usr/share/fonts/truetype/dejavu/DejaVuSans", "/usr/share/fonts/truetype/liberation/LiberationSans-Regular"];
        var file = folders.Select(f => f + ".ttf").FirstOrDefault(File.Exists) ?? throw new FileNotFoundException("install fonts-dejavu-core");
        var bold = file.Replace("-Regular", "", StringComparison.Ordinal).Replace(".ttf", "-Bold.ttf", StringComparison.Ordinal);
        return new(File.ReadAllBytes(file), File.ReadAllBytes(bold));
    }
}
