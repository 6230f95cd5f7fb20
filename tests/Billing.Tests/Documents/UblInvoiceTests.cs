using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Billing.Accounts;
using Billing.Customers;
using Billing.Documents;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;
using static Billing.Tests.Documents.ElectronicInvoices;

namespace Billing.Tests.Documents;

public sealed class UblInvoiceTests
{
    /// <summary>Invoices in euros and yen under any agreement, with late usage of an earlier period or without.</summary>
    internal static readonly Gen<InvoiceDocument> AnyInvoice = Gen.Select(
        Gen.OneOf(Rating.AgreedTermsProperties.AnyTerms("EUR"), Rating.AgreedTermsProperties.AnyTerms("JPY")), Rating.AgreedTermsProperties.AnyMonth, Rating.AgreedTermsProperties.AnyMonth, Gen.Bool, (terms, month, late, isLate) =>
        {
            var named = terms with { Seller = terms.Seller with { Seller = terms.Account.Taxes.Count > 0 ? SellerInGermany : SellerNotSubjectToVat } };
            var before = FactsAfter([Opened(Metered), .. month]);
            return isLate
                ? Of(named.Earlier(before), Opened(Metered, 1), new LateUsageAdded(Billing.Tests.Some.January, Menu, 0, Jan1, Feb1, 9, before.Usage, FactsAfter([Opened(Metered), .. late]).Usage, Mar1, before.Plans))
                : Of(before, named);
        });

    /// <summary>Of an invoice that is credited in up to five notes, the last of them for what is left.</summary>
    private static readonly Gen<ElectronicInvoice> AnyCreditNote = Gen.Select(AnyInvoice, Gen.Int[1, 30].Array[0, 4], Gen.Int[0, 4]).Where(x => x.Item1.Rated.TotalMicros >= x.Item1.Currency.MinorUnit * 200).Select((invoice, percents, which) =>
    {
        var unit = invoice.Currency.MinorUnit.Value;
        // One of several in yen may be too far off its rate, and has no e-invoice.
        try
        {
            var notes = CreditedInTurn(invoice, [.. percents.Select(p => new Micros(invoice.Rated.TotalMicros.Value / unit * p / 130 * unit)), (Micros?)null]);
            return notes[which % notes.Length];
        }
        catch (BusinessTermMissingException missing) when (missing.Term == "BT-117") { return null; }
    }).Where(note => note is not null).Select(note => note!);

    internal static ElectronicInvoice Credited(InvoiceDocument invoice, Micros amount, DocumentLanguage? language = null, string reason = "Outage on 12 January") => CreditedInTurn(invoice, [amount], language, reason).Single();

    /// <param name="amounts">of notes that follow each other; null takes what is left</param>
    internal static ElectronicInvoice[] CreditedInTurn(InvoiceDocument invoice, Micros?[] amounts, DocumentLanguage? language = null, string reason = "Outage on 12 January")
    {
        var json = Json(invoice);
        var state = new InvoiceState.Finalized(null, new(invoice.Number, "", "", Customer, invoice.Currency, invoice.Rated.TotalMicros, "", Feb1 + Grace), [], [], [], null);
        return [.. amounts.Select((amount, i) =>
        {
            var issued = (CreditNoteIssued)IssueCreditNoteDecision.Decide(new(invoice.InvoiceId, $"cn_{i + 1}", $"CN-{i + 1}", amount, reason, TaxedParts.Of(json), Mar1), state).Events[0];
            var note = ElectronicInvoicing.CreditNote(Encoding.UTF8.GetString(CreditNoteDocument.Of(invoice.InvoiceId, state.Invoice, issued).ToUtf8()), json, Acme, language: language);
            state = (InvoiceState.Finalized)InvoiceState.Evolve(state, issued);
            return note;
        })];
    }

    [Fact]
    public void An_invoice_comes_back_from_its_XML_as_it_was() => AnyInvoice.Sample(i => UblReader.Read(Xml(i)) == Read(i));

    [Fact]
    public void A_credit_note_comes_back_from_its_XML_as_it_was() => AnyCreditNote.Sample(n => UblReader.Read(Xml(n)) == n);

    [Fact]
    public void Whatever_a_customer_is_called_comes_back_but_for_control_characters()
    {
        var named = Read(January(Taxed())) with { Note = "a\r\nb\tc <&>\"' 𝒳\u0001" };
        Assert.Equal(named with { Note = "a\r\nb\tc <&>\"' 𝒳\uFFFD" }, UblReader.Read(Xml(named)));
    }

    [Fact]
    public void The_lines_and_allowances_are_those_of_the_invoice() => AnyInvoice.Sample(i =>
    {
        var e = Read(i);
        var lines = e.Lines.Select(l => (l.Name, l.PlanId, l.AmountMicros.Value));
        var allowances = e.Allowances.Select(a => (a.Reason, "", a.IsCharge ? a.AmountMicros.Value : -a.AmountMicros.Value));
        bool IsAllowance(InvoiceLine l) => l.Kind is LineKinds.Discount or LineKinds.PrepaidTokens or LineKinds.Credit;
        var invoiced = i.Rated.Lines.Where(l => l.Kind != LineKinds.Tax).ToArray();
        return lines.SequenceEqual(invoiced.Where(l => !IsAllowance(l)).Select(l => (l.Description, l.PlanId, l.AmountMicros.Value)))
            && allowances.SequenceEqual(invoiced.Where(IsAllowance).Select(l => (l.Description, "", l.AmountMicros.Value)))
            && (e.NetMicros, e.VatMicros, e.TotalMicros) == (i.Rated.NetMicros, i.Rated.TaxMicros, i.Rated.TotalMicros);
    });

    [Fact]
    public void The_sums_obey_the_rules_of_EN_16931() => AnyInvoice.Sample(i => Assert.Empty(EN16931Rules.BrokenBy(Xml(i), i.Currency, taxSlackUnits: 0)));

    /// <summary>Its tax is a share of the invoice's, not computed again: of several notes each may be a unit or two off, and all together are not.</summary>
    [Fact]
    public void So_do_those_of_a_credit_note_but_for_the_rounding_of_its_share_of_the_tax() => AnyCreditNote.Sample(n => Assert.Empty(EN16931Rules.BrokenBy(Xml(n), n.Currency, taxSlackUnits: 2)));

    /// <summary>A fee of 5.00, and late usage that is taken back: by half a fee, by all of it, by twice of it.</summary>
    [Theory]
    [InlineData(-200_000, true, false)]
    [InlineData(-400_000, false, false)]
    [InlineData(-800_000, false, true)]
    public void Who_owes_nothing_is_not_told_to_pay(long taken, bool toPay, bool owed)
    {
        var before = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 2_000_000)));
        var late = new LateUsageAdded(Billing.Tests.Some.January, Menu, 0, Jan1, Feb1, 9, before.Usage, [Tokens(Metered, TokenKind.Output, taken)], Mar1, before.Plans);
        var e = Read(Of(Terms(SellerInGermany, Taxed()).Earlier(before), Opened(Metered, 1), late));
        Assert.Equal((toPay, toPay, owed), (e.DueOn is not null, e.PaymentTerms.Contains("Payable", StringComparison.Ordinal), e.PaymentTerms == "Nothing is to be paid: the amount is owed to you."));
        Assert.Equal(toPay || owed, e.TotalMicros != Micros.Zero);
        Assert.Empty(EN16931Rules.BrokenBy(Xml(e), e.Currency, 0));
        Assert.Equal(e, UblReader.Read(Xml(e)));
    }

    /// <summary>Where a unit of the currency has no cents the official rules leave no room for errors that add up.</summary>
    [Theory]
    [InlineData("JPY", "10", 10_000, "500 500")]
    [InlineData("ISK", "24", 10_000, "1000 1000")]
    [InlineData("JPY", "10", 999, "7 7 7 7")]
    public void Notes_that_follow_each_other_stay_near_the_rate(string currency, string rate, long net, string amounts)
    {
        var unit = Currency.Parse(currency).MinorUnit.Value;
        var tax = (long)decimal.Round(Percent.Parse(rate).Of(net));
        var parts = new[] { new TaxedPart("VAT", new(net * unit), new(tax * unit)) }.ToValueList();
        var state = new InvoiceState.Finalized(null, new("INV-1", "", "", Customer, Currency.Parse(currency), new((net + tax) * unit), "", Feb1 + Grace), [], [], [], null);
        foreach (var (amount, i) in amounts.Split(' ').Select(a => (Micros?)new Micros(long.Parse(a, CultureInfo.InvariantCulture) * unit)).Append(null).Select((a, i) => (a, i)))
        {
            var issued = (CreditNoteIssued)IssueCreditNoteDecision.Decide(new("inv_1", $"cn_{i}", $"CN-{i}", amount, "Outage", parts, Mar1), state).Events[0];
            var part = issued.Parts.Single();
            Assert.True(Math.Abs((part.TaxMicros.Value / unit) - Percent.Parse(rate).Of(part.NetMicros.Value / unit)) < 1, $"note {i}: {part.NetMicros.Value / unit} + {part.TaxMicros.Value / unit}");
            state = (InvoiceState.Finalized)InvoiceState.Evolve(state, issued);
        }
        Assert.Equal((net, tax), (state.CreditNotes.Sum(n => n.Parts[0].NetMicros.Value) / unit, state.CreditNotes.Sum(n => n.Parts[0].TaxMicros.Value) / unit));
    }

    [Theory]
    [InlineData("tickets #12 #13", "#AAI#tickets #12 #13")]
    [InlineData("items #1, #2", "#AAI#items #1, #2")]
    [InlineData("Outage on 12 January", "Outage on 12 January")]
    public void A_reason_with_a_number_sign_is_not_taken_for_a_code(string reason, string begins) =>
        Assert.Contains(begins, Xml(Credited(January(Taxed()), new(1_000_000), reason: reason)).The("/*/cbc:Note"), StringComparison.Ordinal);

    [Fact]
    public void What_a_late_correction_takes_back_of_a_discount_is_a_charge()
    {
        var before = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 101_000)));
        var terms = Terms(SellerInGermany, AmountOff(8_000_000), Taxed()).Earlier(before);
        var late = new LateUsageAdded(Billing.Tests.Some.January, Menu, 0, Jan1, Feb1, 9, before.Usage, [Tokens(Metered, TokenKind.Output, -100_000)], Mar1, before.Plans);
        var e = Read(Of(terms, Opened(Metered, 1), late));
        Assert.Contains(e.Allowances, a => a.IsCharge);
        Assert.Contains(e.Lines, l => l is { Quantity: -100_000, Price: 12.5m, AmountMicros.Value: -1_250_000 });
        Assert.Empty(EN16931Rules.BrokenBy(Xml(e), e.Currency, 0));
        Assert.Equal(e, UblReader.Read(Xml(e)));
    }

    [Theory]
    [InlineData("standard", "19", "S", "19", "", "")]
    [InlineData("standard", "0", "Z", "0", "", "")]
    [InlineData("exempt", "19", "E", "0", "Exempt from tax (DE): certificate 7", "")]
    [InlineData("reverse_charge", "19", "AE", "0", "Reverse charge: the customer owes the tax (DE): certificate 7", "VATEX-EU-AE")]
    [InlineData("", "", "O", "", "Not subject to VAT", "VATEX-EU-O")]
    public void How_the_customer_is_taxed_is_the_category(string treatment, string rate, string category, string percent, string reason, string code)
    {
        var terms = treatment.Length == 0
            ? Agreed() with { Seller = SellerAfter(SellerNotSubjectToVat) }
            : Agreed(new TaxTreatmentSet("DE", Enum.GetValues<TaxTreatment>().Single(t => t.Name() == treatment), "", Jan1)) with { Seller = SellerAfter(SellerInGermany, Vat with { Rate = Percent.Parse(rate) }) };
        var xml = Xml(ElectronicInvoicing.Invoice(Json(Of(terms, Opened(Metered), Closed())), Acme, "finalized", treatment is "" or "standard" ? "" : "certificate 7"));
        Assert.Equal([category], xml.At("/*/cac:InvoiceLine/cac:Item/cac:ClassifiedTaxCategory/cbc:ID"));
        Assert.Equal(
            (category, percent, reason, code),
            (xml.The("/*//cac:TaxSubtotal/cac:TaxCategory/cbc:ID"), xml.The("/*//cac:TaxSubtotal/cac:TaxCategory/cbc:Percent"), xml.The("/*//cbc:TaxExemptionReason"), xml.The("/*//cbc:TaxExemptionReasonCode")));
        // BR-O-2: whoever is not subject to tax has no VAT identifier.
        Assert.Equal(category == "O", xml.At("/*//cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']").Length == 0);
        Assert.Empty(EN16931Rules.BrokenBy(xml, Usd, 0));
    }

    /// <summary>It was stored with a line that says so, until the seller's word went before its table.</summary>
    [Fact]
    public void An_invoice_that_misses_a_rate_is_outside_the_scope_where_the_seller_is_not_subject_to_VAT()
    {
        var terms = Agreed() with { Seller = SellerAfter(SellerNotSubjectToVat, Vat with { Jurisdiction = "FR" }), Identity = Identity(new CustomerTaxSet("DE", "", TaxStatus.Business, Jan1)), RatingVersion = RatingVersions.RatesFromNow };
        var invoice = Of(terms, Opened(Metered), Closed());
        Assert.Contains(invoice.Rated.Lines, l => l.Description == "No tax: the seller has no rate for subscription in DE");
        Assert.Equal(["O"], Xml(invoice).At("/*//cac:TaxSubtotal/cac:TaxCategory/cbc:ID"));
        Assert.Empty(EN16931Rules.BrokenBy(Xml(invoice), Usd, 0));
        Assert.Contains(Printing.Invoice(Json(invoice), null, "finalized").Sums, s => s.Label == "Not subject to VAT");
    }

    [Fact]
    public void Products_that_are_taxed_apart_are_broken_down_apart()
    {
        var terms = Agreed(Taxed()) with { Seller = SellerAfter(SellerInGermany, Vat, Vat with { Product = Products.Usage, Rate = Percent.Parse("7") }) };
        var xml = Xml(Of(terms, Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), Closed()));
        Assert.Equal(["19", "7"], xml.At("/*/cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:Percent"));
        Assert.Equal(["19", "7", "7"], xml.At("/*/cac:InvoiceLine/cac:Item/cac:ClassifiedTaxCategory/cbc:Percent"));
    }

    /// <summary>The invoice says for each rate what was taxed by it, also that it was nothing; an e-invoice must not.</summary>
    [Fact]
    public void A_rate_that_nothing_was_taxed_by_is_not_broken_down()
    {
        var terms = Agreed(Taxed()) with { Seller = SellerAfter(SellerInGermany, Vat, Vat with { Product = Products.Usage, Rate = Percent.Parse("7") }) };
        var invoice = Of(terms, Opened(Metered), Closed());
        Assert.Equal(2, invoice.Rated.Lines.Count(l => l.Kind == LineKinds.Tax));
        var xml = Xml(invoice);
        Assert.Equal(["19"], xml.At("/*/cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:Percent"));
        Assert.Empty(EN16931Rules.BrokenBy(xml, invoice.Currency, taxSlackUnits: 0));
        Assert.Empty(EN16931Rules.BrokenBy(Xml(Credited(invoice, new(1_190_000))), invoice.Currency, taxSlackUnits: 0));
    }

    /// <summary>Tokens that were included stand on a line of no amount, and that line is of a rate.</summary>
    [Fact]
    public void A_rate_of_lines_without_amount_is_broken_down()
    {
        var terms = Agreed(Taxed()) with { Seller = SellerAfter(SellerInGermany, Vat, Vat with { Product = Products.Usage, Rate = Percent.Parse("7") }) };
        var invoice = Of(terms, Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 1)), Closed());
        Assert.Equal(["5.00", "0.00"], Xml(invoice).At("/*/cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount"));
        Assert.Empty(EN16931Rules.BrokenBy(Xml(invoice), invoice.Currency, taxSlackUnits: 0));
    }

    [Theory]
    [InlineData("DE 123 456 789", "DE123456789")]
    [InlineData("EL123456789", "EL123456789")]
    [InlineData("GR 123456789", "EL123456789")]
    [InlineData("ATU12345678", "ATU12345678")]
    [InlineData("CHE-123.456.789 MWST", "CHE-123.456.789MWST")]
    [InlineData("BE 0123.456.789", "BE0123456789")]
    [InlineData("PL 725-001-83-12", "PL7250018312")]
    [InlineData("NL123456789.B01", "NL123456789B01")]
    [InlineData("XI123456789", "XI123456789")]
    [InlineData("NO123456789MVA", "NO123456789MVA")]
    [InlineData("GB123456789", "GB123456789")]
    [InlineData("de123456789", "DE123456789")]
    [InlineData("che-123.456.789 mwst", "CHE-123.456.789MWST")]
    [InlineData("AU 51 824 753 556", "AU51824753556")]
    public void A_tax_number_with_its_country_in_front_is_the_VAT_identifier(string taxId, string vatId)
    {
        var xml = Xml(Of(Terms(SellerInGermany with { TaxId = taxId }, Taxed()), Opened(Metered), Closed()));
        Assert.Equal([vatId], xml.At("/*/cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID"));
    }

    [Theory]
    [InlineData("30/123/45678")]
    [InlineData("HRB12345")]
    [InlineData("HRB 12345")]
    [InlineData("UK123456789")]
    [InlineData("ZZ123456789")]
    [InlineData("DE12345678")]
    [InlineData("NIP 7250018312")]
    [InlineData("ID 12345")]
    [InlineData("NR 12345")]
    [InlineData("no. 12345")]
    [InlineData("CIF B12345678")]
    [InlineData("VAT DE123456789")]
    public void Any_other_tax_number_is_no_VAT_identifier(string taxId)
    {
        var xml = Xml(Of(Terms(SellerInGermany with { TaxId = taxId }, Taxed()), Opened(Metered), Closed()));
        Assert.Equal([taxId], xml.At("/*/cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='FC']/cbc:CompanyID"));
        Assert.Equal([taxId], xml.At("/*/cac:AccountingSupplierParty/cac:Party/cac:PartyIdentification/cbc:ID"));
        Assert.Empty(EN16931Rules.BrokenBy(xml, Usd, 0));
    }

    [Fact]
    public void Why_something_is_credited_is_a_note_and_no_term_of_payment()
    {
        var invoice = January(Taxed());
        string[] Said(ElectronicInvoice note) => [.. Xml(note).At("/*/cbc:Note").Single().Split('\n').Take(1), .. Xml(note).At("/*/cac:PaymentTerms/cbc:Note")];
        Assert.Equal(["Outage on 12 January: credited on invoice INV-000042", "Nothing is to be paid: this amount is credited to the customer."], Said(Credited(invoice, new(1_190_000))));
        Assert.Equal(
            ["Outage on 12 January: gutgeschrieben zu Rechnung INV-000042", "Es ist nichts zu zahlen: Dieser Betrag wird dem Kunden gutgeschrieben."], Said(Credited(invoice, new(1_190_000), DocumentLanguage.German)));
        Assert.Contains("SHA-256 of the canonical document: ", Credited(invoice, new(1_190_000)).Note, StringComparison.Ordinal);
    }

    [Fact]
    public void A_credit_note_names_its_invoice()
    {
        var xml = Xml(Credited(January(Taxed()), new(1_190_000)));
        Assert.Equal(
            ("CreditNote", "381", "INV-000042", "2026-02-01", "1.00", "0.19", "1.19"),
            (xml.Root!.Name.LocalName, xml.The("/*/cbc:CreditNoteTypeCode"), xml.The("/*/cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"), xml.The("/*/cac:BillingReference/cac:InvoiceDocumentReference/cbc:IssueDate"),
            xml.The("/*/cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount"), xml.The("/*/cac:TaxTotal/cbc:TaxAmount"), xml.The("/*/cac:LegalMonetaryTotal/cbc:PayableAmount")));
        Assert.Equal(["1"], xml.At("/*/cac:CreditNoteLine/cbc:CreditedQuantity"));
    }

    [Fact]
    public void Elements_stand_in_the_order_of_the_schema() => AnyInvoice.Sample(i => UblOrder.MustHold(Xml(i)));

    [Fact]
    public void So_do_those_of_a_credit_note() => AnyCreditNote.Sample(n => UblOrder.MustHold(Xml(n)));
}
