using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Billing.Accounts;
using Billing.Documents;
using Billing.Invoices;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;
using static Billing.Tests.Documents.ElectronicInvoices;

namespace Billing.Tests.Documents;

/// <summary>Documents in English and German. The process has no culture, here as where it is deployed: words and formats come from the resource files alone.</summary>
public sealed class LanguageTests
{
    private static readonly InvoiceDocument Document = January(PercentOff("10", DiscountScope.Usage), Prepaid(100_000), Money(1_000_000), Taxed());

    private static Dictionary<string, string> File(string name) => XDocument.Load(Path.Combine(Checkout.Root, "services/Billing/Documents", name)).Root!.Elements("data").ToDictionary(d => d.Attribute("name")!.Value, d => d.Value);

    [Fact]
    public void The_tests_have_no_culture_either() => Assert.True(AppContext.TryGetSwitch("System.Globalization.Invariant", out var isInvariant) && isInvariant);

    [Fact]
    public void Every_language_has_every_text_with_the_same_placeholders()
    {
        static IEnumerable<string> Placeholders(string text) => Regex.Matches(text, "\\{\\w+\\}").Select(m => m.Value).Order();
        var english = File("Texts.resx");
        foreach (var language in DocumentLanguage.All.Where(l => l != DocumentLanguage.English))
        {
            var texts = File($"Texts.{language.Code}.resx");
            Assert.Equal(english.Keys, texts.Keys);
            Assert.All(texts, t => Assert.Equal(Placeholders(english[t.Key]), Placeholders(t.Value)));
            Assert.All(texts, t => Assert.Equal(t.Value, language[t.Key]));
        }
    }

    public static TheoryData<string, string, string> Lines => new()
    {
        { "LineFee", "Metered, 2026-01-01 to 2026-01-31", "Metered, 01.01.2026 bis 31.01.2026" },
        { "LineFeeTrial", "Metered, 2026-01-01 to 2026-01-14, trial", "Metered, 01.01.2026 bis 14.01.2026, Testphase" },
        { "LineFeePaused", "Metered, 2026-01-15 to 2026-01-31, paused", "Metered, 15.01.2026 bis 31.01.2026, pausiert" },
        { "LinePackage", "Metered: output tokens beyond the cap, 1 package of 100,000 at 2.00 USD", "Metered: Ausgabe-Token über dem Kontingent, 1 Paket mit 100.000 zu 2,00 USD" },
        { "LinePackages", "Metered: output tokens beyond the cap, 1,200 packages of 100,000 at 2.00 USD", "Metered: Ausgabe-Token über dem Kontingent, 1.200 Pakete mit 100.000 zu 2,00 USD" },
        { "LineFeePart", "Metered, 2026-01-01 to 2026-01-14, 45.1613 % of 2026-01-01 to 2026-01-31", "Metered, 01.01.2026 bis 14.01.2026, 45,1613 % von 01.01.2026 bis 31.01.2026" },
        { "LineIncluded", "Metered: cached input tokens included", "Metered: Eingabe-Token aus dem Cache, enthalten" },
        { "LineOverage", "Metered: output tokens beyond the cap, 12.5 per million", "Metered: Ausgabe-Token über dem Kontingent, 12,5 je Million" },
        { "LineOverageTier", "Metered: output tokens beyond the cap, 1,001 to 600,000, 12.5 per million", "Metered: Ausgabe-Token über dem Kontingent, 1.001 bis 600.000, 12,5 je Million" },
        { "LineOverrun", "Metered: tokens generated beyond a grant, not billed", "Metered: Token über die Freigabe hinaus, nicht berechnet" },
        { "LineMinimum", "Minimum of 1,090.00 USD a period: what is missing to it", "Mindestbetrag von 1.090,00 USD je Zeitraum: was daran fehlt" },
        { "LinePercentOffUsage", "Launch: 7.5 % off usage", "Launch: 7,5 % Rabatt auf die Nutzung" },
        { "LinePercentOffSubscription", "Launch: 10 % off the subscription", "Launch: 10 % Rabatt auf das Abonnement" },
        { "LineOffUsage", "Goodwill: off usage", "Goodwill: Rabatt auf die Nutzung" },
        { "LineOffSubscription", "Goodwill: off the subscription", "Goodwill: Rabatt auf das Abonnement" },
        { "LinePrepaid", "Token pack: 100,000 output tokens paid in advance", "Token pack: 100.000 Ausgabe-Token, im Voraus bezahlt" },
        { "LineCreditUsage", "Prepaid: credit used for usage", "Prepaid: Guthaben verwendet für die Nutzung" },
        { "LineCreditSubscription", "Prepaid: credit used for the subscription", "Prepaid: Guthaben verwendet für das Abonnement" },
        { "LineLate", "Metered, 2026-01-01 to 2026-01-31: output tokens recorded after that period closed, 80000 of them billed", "Metered, 01.01.2026 bis 31.01.2026: Ausgabe-Token, erfasst nach Abschluss dieses Zeitraums, davon 80.000 berechnet" },
        { "LineLateOverrun", "Metered, 2026-01-01 to 2026-01-31: tokens generated beyond a grant, recorded late, not billed", "Metered, 01.01.2026 bis 31.01.2026: Token über die Freigabe hinaus, nachträglich erfasst, nicht berechnet" },
        { "LineLateTerm", "2026-01-01 to 2026-01-31, by usage recorded late: Launch: 10 % off usage", "01.01.2026 bis 31.01.2026, durch nachträglich erfasste Nutzung: Launch: 10 % Rabatt auf die Nutzung" },
        { "LineTax", "VAT 19 % (DE)", "USt. 19 % (DE)" },
        { "LineTaxUnknown", "No tax: it is not known how the customer is taxed", "Keine Steuer: es ist nicht bekannt, wie der Kunde besteuert wird" },
        { "LineTaxNoRate", "No tax: the seller has no rate for usage in US-CA", "Keine Steuer: der Verkäufer hat in US-CA keinen Satz für Nutzung" },
        { "LineReverseCharge", "Reverse charge: the customer owes the tax (FR)", "Steuerschuldnerschaft des Leistungsempfängers (FR)" },
        { "LineReverseChargeNote", "Reverse charge: the customer owes the tax (FR): FR40303265045", "Steuerschuldnerschaft des Leistungsempfängers (FR): FR40303265045" },
        { "LineExempt", "Exempt from tax (DE)", "Steuerfrei (DE)" },
        { "LineExemptNote", "Exempt from tax (DE): certificate 7", "Steuerfrei (DE): certificate 7" },
        { "LineNotTaxed", "not taxed", "nicht besteuert" },
    };

    [Theory, MemberData(nameof(Lines))]
    public void A_line_is_said_again(string form, string english, string german)
    {
        Assert.Equal(german, DocumentLanguage.German.Line(english));
        Assert.Equal(english, DocumentLanguage.English.Line(english));
        Assert.StartsWith("Line", form, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_form_of_a_line_has_an_example() =>
        Assert.Equal(File("Texts.resx").Keys.Where(k => k.StartsWith("Line", StringComparison.Ordinal)).Order(), Lines.Select(l => (string)l[0]).Order());

    [Fact]
    public void Whatever_rating_writes_on_a_line_has_a_form() => UblInvoiceTests.AnyInvoice.Sample(i =>
        Assert.All(i.Rated.Lines, l => Assert.NotEqual(l.Description, DocumentLanguage.German.Line(l.Description))));

    [Fact]
    public void What_has_no_form_stays_as_it_is() => Assert.Equal("Consulting, two days", DocumentLanguage.German.Line("Consulting, two days"));

    [Fact]
    public void A_German_invoice_has_German_words_numbers_and_days()
    {
        var printed = Printing.Invoice(Json(Document), Printing.Party(Acme, DocumentLanguage.German), "finalized", language: DocumentLanguage.German);
        string[] expected =
        [
            "Rechnung INV-000042", "Rechnung an", "Rechnungsnummer", "01.02.2026", "15.02.2026", "01.01.2026 bis 31.01.2026", "USt-IdNr. DE123456789", "USt-IdNr. PL 7250018312", "Beschreibung", "Einzelpreis",
            "Betrag, USD", "1.234.567", "12,5 / Mio.", "7,50", "-0,75", "USt. 19 % (DE) auf", "Zu zahlen", "Zahlbar innerhalb von 14 Tagen, bis zum 15.02.2026.",
        ];
        var html = System.Net.WebUtility.HtmlDecode(HtmlDocument.Render(printed));
        Assert.Contains("<html lang=\"de\">", html, StringComparison.Ordinal);
        var pdf = PrintedInvoiceTests.TextOf(PdfDocument.Render(printed, PrintedInvoiceTests.SystemFaces()));
        Assert.Contains("Seite 1 von 1", pdf, StringComparison.Ordinal);
        Assert.All(expected, words => Assert.Contains(words, html, StringComparison.Ordinal));
        Assert.All(expected.Where(w => w != "Rechnung an"), words => Assert.Contains(words, pdf, StringComparison.Ordinal));
        Assert.Equal("STORNIERT", Printing.Invoice(Json(Document), null, "void", language: DocumentLanguage.German).Stamp);
        foreach (var text in new[] { html, pdf }) Assert.DoesNotMatch("\\d{4}-\\d\\d-\\d\\d|Invoice|Total|tokens", text);
    }

    [Fact]
    public void A_German_credit_note_has_German_words()
    {
        var json = Json(Document);
        var note = Encoding.UTF8.GetString(new CreditNoteDocument("cn", "CN-1", Document.InvoiceId, Document.Number, Customer, Usd, "Ausfall", TaxedParts.Of(json), Mar1).ToUtf8());
        var printed = Printing.CreditNote(note, json, null, DocumentLanguage.German);
        Assert.Equal("Rechnungskorrektur", printed.Title);
        Assert.Equal(["Korrektur zu Rechnung INV-000042: USt. 19 % (DE)"], printed.Lines.Select(l => l.Description));
        Assert.Equal(["Korrektur netto", "USt. 19 % (DE)", "Gutgeschrieben"], printed.Sums.Select(s => s.Label));
    }

    [Fact]
    public void A_German_e_invoice_has_German_words_and_the_numbers_and_days_of_XML()
    {
        var (german, english) = (ElectronicInvoicing.Invoice(Json(Document), Acme, "finalized", language: DocumentLanguage.German), Read(Document));
        Assert.Equal("Metered, 01.01.2026 bis 31.01.2026", german.Lines[0].Name);
        Assert.StartsWith("Zahlbar innerhalb von 14 Tagen", german.PaymentTerms, StringComparison.Ordinal);
        Assert.Equal(Words(english), Words(german));

        // All but the words.
        static string Words(ElectronicInvoice i)
        {
            var xml = Xml(i);
            foreach (var words in xml.Each("//cbc:Note | //cac:Item/cbc:Name | //cbc:AllowanceChargeReason")) words.Value = "";
            return xml.ToString();
        }
    }

    [Fact]
    public void A_language_without_texts_is_not_found()
    {
        Assert.Equal(["en", "de"], DocumentLanguage.All.Select(l => l.Code));
        Assert.Same(DocumentLanguage.English, DocumentLanguage.Find(""));
        Assert.Null(DocumentLanguage.Find("fr"));
    }
}
