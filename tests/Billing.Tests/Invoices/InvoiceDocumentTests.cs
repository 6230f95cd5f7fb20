using System.Text;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using static Billing.Tests.Some;

namespace Billing.Tests.Invoices;

public sealed class InvoiceDocumentTests
{
    private static readonly PeriodState ClosedJanuary = PeriodAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), Closed());

    private static FinalizeInvoice Command(PeriodState period) => new(period, RatingTerms.Of(Book()), "INV-000001", Feb1 + Grace);

    [Fact]
    public void An_invoice_older_than_terms_keeps_its_bytes()
    {
        var facts = ((PeriodState.Closed)ClosedJanuary).Facts;
        Assert.Equal(
            $$"""
            {"format":"invoice/1","invoiceId":"{{InvoiceIds.Of(January)}}","number":"INV-000001","status":"finalized","customerId":"{{Customer}}","subscriptionId":"{{Subscription}}",
            "period":{"id":"{{January}}","number":0,"start":"2026-01-01T00:00:00.000000Z","end":"2026-02-01T00:00:00.000000Z"},"menuId":"{{Menu}}","planId":"{{Metered}}","currency":"USD",
            "lines":[{"kind":"period_fee","description":"Metered, 2026-01-01 to 2026-02-01","planId":"{{Metered}}","amountMicros":5000000},
            {"kind":"included","description":"Metered: output tokens included","planId":"{{Metered}}","tokenKind":"output","tokens":1000,"amountMicros":0},
            {"kind":"overage","description":"Metered: output tokens beyond the cap, 12.5 per million","planId":"{{Metered}}","tokenKind":"output","tokens":600000,"perMillionTokens":"12.5","amountMicros":7500000}],
            "totalMicros":12500000,"finalizedAt":"2026-02-01T01:00:00.000000Z"}
            """.Replace("\n", "", StringComparison.Ordinal),
            Encoding.UTF8.GetString(InvoiceDocument.Finalized(facts, RatingTerms.Of(Book()), "INV-000001", null, Feb1 + Grace).ToUtf8()));
    }

    [Fact]
    public void The_document_is_canonical_to_the_byte()
    {
        var facts = ((PeriodState.Closed)ClosedJanuary).Facts;
        var terms = Terms.Agreed(Terms.Money(1_500_000), Terms.Taxed());
        Assert.Equal(
            $$"""
            {"format":"invoice/2","invoiceId":"{{InvoiceIds.Of(January)}}","number":"INV-000001","status":"finalized","seller":{"name":"Tokenwerke GmbH","addressLines":["Torstraße 1","10119 Berlin","Germany"],
            "taxId":"DE123456789","email":"billing@tokenwerke.example","paymentInstructions":"IBAN DE02 1203 0000 0000 2020 51\nPlease quote the invoice number.","paymentTermsDays":14},
            "customerId":"{{Customer}}","subscriptionId":"{{Subscription}}",
            "period":{"id":"{{January}}","number":0,"start":"2026-01-01T00:00:00.000000Z","end":"2026-02-01T00:00:00.000000Z"},"menuId":"{{Menu}}","planId":"{{Metered}}","currency":"USD",
            "lines":[{"kind":"period_fee","description":"Metered, 2026-01-01 to 2026-02-01","planId":"{{Metered}}","amountMicros":5000000,"product":"subscription"},
            {"kind":"included","description":"Metered: output tokens included","planId":"{{Metered}}","tokenKind":"output","tokens":1000,"amountMicros":0,"product":"usage"},
            {"kind":"overage","description":"Metered: output tokens beyond the cap, 12.5 per million","planId":"{{Metered}}","tokenKind":"output","tokens":600000,"perMillionTokens":"12.5","amountMicros":7500000,"product":"usage"},
            {"kind":"credit","description":"Prepaid: credit used for the subscription","planId":"{{Metered}}","amountMicros":-600000,"product":"subscription","termId":"crd_1"},
            {"kind":"credit","description":"Prepaid: credit used for usage","planId":"{{Metered}}","amountMicros":-900000,"product":"usage","termId":"crd_1"},
            {"kind":"tax","description":"VAT 19 % (DE)","planId":"{{Metered}}","amountMicros":2090000,"tax":{"jurisdiction":"DE","treatment":"standard","rate":"19","baseMicros":11000000} }],
            "netMicros":11000000,"taxMicros":2090000,"totalMicros":13090000,"finalizedAt":"2026-02-01T01:00:00.000000Z","dueAt":"2026-02-15T01:00:00.000000Z"}
            """.Replace("\n", "", StringComparison.Ordinal).Replace("} }]", "}}]", StringComparison.Ordinal),
            Encoding.UTF8.GetString(InvoiceDocument.Finalized(facts, terms, "INV-000001", new("", 2, 2, Feb1.AddDays(14) + Grace, Feb1 + Grace)).ToUtf8()));
    }

    [Fact]
    public void A_closed_period_gets_its_invoice_by_the_terms_as_they_stand()
    {
        var terms = Terms.Agreed(Terms.Taxed());
        var cut = new InvoiceTermsCut(AccountIds.Of(Customer), 1, 2, Feb1.AddDays(15), Feb1 + Grace, RatingVersion: RatingVersions.Latest);
        new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve).When(s => FinalizeInvoiceDecision.Decide(Command(ClosedJanuary) with { Terms = terms }, s)).Then(
            cut,
            new InvoiceFinalized("INV-000001", January, Subscription, Customer, Currency.Parse("USD"), new(14_880_000),
                Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
                    InvoiceDocument.Finalized(((PeriodState.Closed)ClosedJanuary).Facts, terms, "INV-000001", cut).ToUtf8())), Feb1 + Grace));
    }

    /// <summary>The day that it names is whole, however late on its own day it became final.</summary>
    [Theory, InlineData(0, 0, 1), InlineData(0, 23.99, 1), InlineData(14, 0, 15), InlineData(14, 1, 15), InlineData(14, 23.99, 15)]
    public void An_invoice_falls_overdue_when_its_last_day_has_ended(int termsDays, double finalAtHour, int dueAfterDays)
    {
        var terms = Terms.Agreed(Terms.Taxed()) with { Seller = Terms.SellerAfter(Terms.SellerInGermany, new PaymentTermsSet(termsDays, Jan1)) };
        var decision = FinalizeInvoiceDecision.Decide(Command(ClosedJanuary) with { Terms = terms, At = Feb1.AddHours(finalAtHour) }, InvoiceState.Initial);
        var (final, due) = (decision.Events.Aggregate(InvoiceState.Initial, InvoiceState.Evolve), Feb1.AddDays(dueAfterDays));
        Assert.Empty(MarkOverdueDecision.Decide(new(due.AddTicks(-1)), final).Events);
        Assert.Equal([due], MarkOverdueDecision.Decide(new(due), final).Events.Select(e => ((InvoiceFellOverdue)e).At));
        using var json = System.Text.Json.JsonDocument.Parse(InvoiceDocument.Finalized(((PeriodState.Closed)ClosedJanuary).Facts, terms, "INV-000001", (InvoiceTermsCut)decision.Events[0]).ToUtf8());
        Assert.Equal(DateOnly.FromDateTime(Feb1.AddDays(termsDays).UtcDateTime), Billing.Documents.Printing.LastDay(json.RootElement));
        Assert.Equal(Billing.Documents.Printing.LastDay(json.RootElement), ((InvoiceTermsCut)decision.Events[0]).LastDay);
    }

    [Fact]
    public void An_open_period_has_no_final_invoice() => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve)
        .When(s => FinalizeInvoiceDecision.Decide(Command(PeriodAfter(Opened(Metered))), s)).ThenRefused("period_not_closed");

    /// <summary>February has late usage of January on it.</summary>
    [Fact]
    public void Late_usage_waits_until_its_own_periods_invoice_is_final()
    {
        var january = ((PeriodState.Closed)ClosedJanuary).Facts;
        var february = PeriodAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, january.Usage, [Tokens(Metered, TokenKind.Output, 400_000)], Mar1), Closed());
        var command = Command(february) with { Terms = Terms.Agreed(Terms.Taxed()).Earlier(january), ToInvoice = new HashSet<string> { January, February } };
        new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve).When(s => FinalizeInvoiceDecision.Decide(command, s)).ThenRefused("earlier_invoice_not_final");
        // One that was empty at its close has none.
        var empty = FactsAfter(Opened(Metered) with { Ended = true }, Closed());
        Assert.Equal(2, FinalizeInvoiceDecision.Decide(command with { Terms = Terms.Agreed(Terms.Taxed()).Earlier(empty) }, InvoiceState.Initial).Events.Count);
        Assert.Equal(2, FinalizeInvoiceDecision.Decide(command with { ToInvoice = new HashSet<string> { February } }, InvoiceState.Initial).Events.Count);
    }

    [Fact]
    public void B2_a_final_invoice_stays_as_it_is_under_any_other_number() => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve)
        .Given(new InvoiceFinalized("INV-000001", January, Subscription, Customer, Currency.Parse("USD"), new(1), "", Feb1))
        .When(s => FinalizeInvoiceDecision.Decide(Command(ClosedJanuary) with { Number = "INV-000002" }, s)).ThenNothing();

    [Fact]
    public void B4_the_view_folds_to_the_same_facts_as_the_state()
    {
        PeriodEvent[] events = [Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 5)), Closed(), Usage(2, Tokens(Metered, TokenKind.Output, 7))];
        var view = events.Aggregate((PeriodView?)null, (v, e) => PeriodView.Fold(v, January, e))!;
        var state = (PeriodState.Closed)PeriodAfter(events);
        Assert.Equal((state.Facts, state.Late, state.Version, "closed"), (view.Facts, view.Late, view.Version, view.Status));
    }
}
