using System.Text;
using Billing.Invoices;
using Billing.Periods;
using static Billing.Tests.Some;

namespace Billing.Tests.Invoices;

public sealed class InvoiceDocumentTests
{
    private static readonly PeriodState ClosedJanuary = PeriodAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), Closed());

    private static FinalizeInvoice Command(PeriodState period) => new(period, Book(), "INV-000001", Feb1 + Grace);

    [Fact]
    public void The_document_is_canonical_to_the_byte()
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
            Encoding.UTF8.GetString(InvoiceDocument.Finalized(facts, Book(), "INV-000001", Feb1 + Grace).ToUtf8()));
    }

    [Fact]
    public void A_closed_period_gets_its_invoice() =>
        new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve).When(s => FinalizeInvoiceDecision.Decide(Command(ClosedJanuary), s)).Then(
            new InvoiceFinalized("INV-000001", January, Subscription, Customer, Currency.Parse("USD"), new(12_500_000),
                Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
                    InvoiceDocument.Finalized(((PeriodState.Closed)ClosedJanuary).Facts, Book(), "INV-000001", Feb1 + Grace).ToUtf8())), Feb1 + Grace));

    [Fact]
    public void An_open_period_has_no_final_invoice() => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve)
        .When(s => FinalizeInvoiceDecision.Decide(Command(PeriodAfter(Opened(Metered))), s)).ThenRefused("period_not_closed");

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
