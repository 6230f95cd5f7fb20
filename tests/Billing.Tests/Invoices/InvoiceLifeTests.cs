using Billing.Invoices;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Invoices;

/// <summary>An invoice of 11.90: 10.00 and 19 % VAT, due on the 15th of February.</summary>
public sealed class InvoiceLifeTests
{
    private static readonly string Id = InvoiceIds.Of(January);
    private static readonly DateTimeOffset Due = Feb1.AddDays(14);
    private static readonly InvoiceTermsCut Cut = new("acct_1", 1, 2, Due, Feb1);
    private static readonly InvoiceFinalized Final = new("INV-000001", January, Subscription, Customer, Usd, new(11_900_000), "ab", Feb1);
    private static readonly TaxedPart[] Parts = [new("VAT 19 % (DE)", new(10_000_000), new(1_900_000))];

    private static PaymentRecorded Paid(long micros, string reference = "pi_1") => new("stripe", reference, new(micros), Feb1, Feb1);
    private static RefundRecorded Refunded(long micros, string reference = "re_1") => new("stripe", reference, new(micros), Feb1, Feb1);
    private static CreditNoteIssued Credited(long net, long tax, string id = "cn_1") => new(id, "CN-000001", "outage", [new("VAT 19 % (DE)", new(net), new(tax))], new(net + tax), "cd", Feb1);

    private static Scenario<InvoiceState, InvoiceEvent> AnInvoice(params InvoiceEvent[] after) => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve).Given([Cut, Final, .. after]);

    private static Decision<InvoiceEvent> Void(InvoiceState s, string reason = "wrong customer", LateUsageTies? ties = null) => VoidInvoiceDecision.Decide(new(reason, Feb1, ties ?? LateUsageTies.None), s);
    private static readonly LateUsageTies Carries = new(["per_1"], []), GivenBack = new([], ["INV-000002"]);
    private static Decision<InvoiceEvent> Pay(InvoiceState s, long micros, string currency = "USD", string reference = "pi_1") =>
        RecordPaymentDecision.Decide(new("stripe", reference, new(micros), currency, Feb1, Feb1), s);
    private static Decision<InvoiceEvent> Refund(InvoiceState s, long micros, string reference = "re_1") => RecordRefundDecision.Decide(new("stripe", reference, new(micros), "USD", Feb1, Feb1), s);
    private static Decision<InvoiceEvent> Credit(InvoiceState s, long? micros, string id = "cn_1", string reason = "outage", LateUsageTies? ties = null) =>
        IssueCreditNoteDecision.Decide(new(Id, id, "CN-000001", micros is { } m ? new Micros(m) : null, reason, Parts.ToValueList(), Feb1) { Ties = ties ?? LateUsageTies.None }, s);

    public static TheoryData<InvoiceEvent[], string, long> Standings => new()
    {
        { [], "finalized", 11_900_000 },
        { [Paid(5_000_000)], "finalized", 6_900_000 },
        { [Paid(11_900_000)], "paid", 0 },
        { [Paid(12_000_000)], "paid", -100_000 },
        { [Paid(12_000_000), Refunded(100_000)], "paid", 0 },
        { [Paid(11_900_000), Refunded(11_900_000)], "finalized", 11_900_000 },
        { [Credited(10_000_000, 1_900_000)], "paid", 0 },
        { [Credited(5_000_000, 950_000), Paid(5_950_000)], "paid", 0 },
        { [new InvoiceFellOverdue(new(11_900_000), Due)], "overdue", 11_900_000 },
        { [new InvoiceFellOverdue(new(11_900_000), Due), Paid(11_900_000)], "paid", 0 },
    };

    [Theory, MemberData(nameof(Standings))]
    public void What_is_left_to_pay_is_folded(InvoiceEvent[] after, string status, long outstanding)
    {
        var state = (InvoiceState.Finalized)new InvoiceEvent[] { Cut, Final }.Concat(after).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
        Assert.Equal((status, outstanding), (state.Status, state.OutstandingMicros.Value));
    }

    [Fact] public void B5_an_invoice_that_nobody_paid_can_be_voided_once() => AnInvoice().When(s => Void(s)).Then(new InvoiceVoided("wrong customer", Feb1));
    [Fact] public void Voiding_needs_a_reason() => AnInvoice().When(s => Void(s, " ")).ThenRefused("reason_missing");
    [Fact] public void A_paid_invoice_is_not_voided() => AnInvoice(Paid(1_000_000)).When(s => Void(s)).ThenRefused("invoice_paid");
    [Fact] public void A_paid_invoice_whose_payment_went_back_can_be_voided() => AnInvoice(Paid(1_000_000), Refunded(1_000_000)).When(s => Void(s)).Then(new InvoiceVoided("wrong customer", Feb1));
    [Fact] public void B3_an_invoice_that_demands_late_usage_of_an_earlier_period_is_not_voided() => AnInvoice().When(s => Void(s, ties: Carries)).ThenRefused("invoice_carries_late_usage");
    [Fact] public void B3_an_invoice_whose_usage_a_later_one_gives_back_is_not_voided() => AnInvoice().When(s => Void(s, ties: GivenBack)).ThenRefused("usage_given_back");
    [Fact] public void B5_a_repeat_of_a_void_changes_nothing_whatever_was_given_back_since() => AnInvoice(new InvoiceVoided("wrong customer", Feb1)).When(s => Void(s, ties: GivenBack)).ThenNothing();

    /// <summary>Neither way leads to the other where both are closed.</summary>
    [Theory, InlineData(11_900_000, "issue a credit note"), InlineData(0, "grant again the credit that it used"), InlineData(-5_950_000, "record a refund")]
    public void What_late_usage_keeps_from_voiding_says_what_works_instead(long total, string instead)
    {
        var state = new InvoiceEvent[] { Cut, Final with { TotalMicros = new(total) } }.Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
        foreach (var ties in new[] { Carries, GivenBack })
        {
            Assert.Contains(instead, Void(state, ties: ties).Refused!.Value.Detail, StringComparison.Ordinal);
            if (total > 0) continue;
            var refused = Credit(state, null, ties: ties).Refused!.Value;
            Assert.Equal("nothing_to_credit", refused.Code);
            Assert.Contains(instead, refused.Detail, StringComparison.Ordinal);
            Assert.DoesNotContain("void the invoice", refused.Detail, StringComparison.Ordinal);
            Assert.DoesNotContain("voiding it", refused.Detail, StringComparison.Ordinal);
        }
    }

    [Fact] public void A_credited_invoice_is_not_voided() => AnInvoice(Credited(1_000_000, 190_000)).When(s => Void(s)).ThenRefused("invoice_credited");
    [Fact] public void Nothing_happens_to_an_invoice_that_is_not_final() =>
        new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve).When(s => Void(s)).ThenRefused("invoice_unknown");

    [Fact] public void B5_a_payment_is_recorded_once_by_its_reference() => AnInvoice().When(s => Pay(s, 5_000_000)).Then(Paid(5_000_000));
    [Fact] public void More_than_is_due_is_recorded_too() => AnInvoice().When(s => Pay(s, 99_000_000)).Then(Paid(99_000_000));
    [Fact] public void A_reference_with_another_amount_is_refused() => AnInvoice(Paid(5_000_000)).When(s => Pay(s, 5_010_000)).ThenRefused("payment_reference_reused");
    [Fact] public void A_void_invoice_takes_no_payment() => AnInvoice(new InvoiceVoided("x", Feb1)).When(s => Pay(s, 1_000_000)).ThenRefused("invoice_void");
    [Fact] public void A_repeat_of_a_payment_changes_nothing_even_on_a_void_invoice() =>
        AnInvoice(Paid(1_000_000), Refunded(1_000_000), new InvoiceVoided("x", Feb1)).When(s => Pay(s, 1_000_000)).ThenNothing();
    [Theory, InlineData(0, "USD", "pi_1", "amount_invalid"), InlineData(-10_000, "USD", "pi_1", "amount_invalid"), InlineData(5_000, "USD", "pi_1", "amount_invalid"), InlineData(10_000, "EUR", "pi_1", "currency_mismatch"), InlineData(10_000, "USD", "", "reference_missing")]
    public void Payments_that_cannot_be_are_refused(long micros, string currency, string reference, string code) => AnInvoice().When(s => Pay(s, micros, currency, reference)).ThenRefused(code);

    /// <summary>It is the key of an index, which takes no more than 2,704 bytes.</summary>
    [Fact]
    public void A_reference_is_short()
    {
        AnInvoice().When(s => Pay(s, 5_000_000, reference: new('ä', 200))).Then(Paid(5_000_000, new('ä', 200)));
        AnInvoice().When(s => Pay(s, 5_000_000, reference: new('x', 201))).ThenRefused("reference_too_long");
        AnInvoice(Paid(5_000_000)).When(s => Refund(s, 5_000_000, new('x', 201))).ThenRefused("reference_too_long");
        AnInvoice().When(s => RecordPaymentDecision.Decide(new(new('x', 201), "pi_1", new(5_000_000), "USD", Feb1, Feb1), s)).ThenRefused("reference_too_long");
        // What was recorded before that was so is still known.
        AnInvoice(Paid(5_000_000, new('x', 201))).When(s => Pay(s, 5_000_000, reference: new('x', 201))).ThenNothing();
    }

    [Theory, InlineData(5, null), InlineData(6, "time_span_invalid")]
    public void What_has_not_happened_yet_is_not_recorded_but_for_a_clock_that_is_a_little_ahead(int minutes, string? code)
    {
        var said = Feb1.AddMinutes(minutes);
        var (payment, refund) = (new RecordPayment("stripe", "pi_2", new(1_000_000), "USD", said, Feb1), new RecordRefund("stripe", "re_2", new(1_000_000), "USD", said, Feb1));
        Assert.Equal((code, code), (RecordPaymentDecision.Decide(payment, Now()).Refused?.Code, RecordRefundDecision.Decide(refund, Now(Paid(1_000_000))).Refused?.Code));

        static InvoiceState Now(params InvoiceEvent[] after) => new InvoiceEvent[] { Cut, Final }.Concat(after).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
    }

    [Fact] public void B5_a_refund_is_recorded_once_by_its_reference() => AnInvoice(Paid(11_900_000)).When(s => Refund(s, 900_000)).Then(Refunded(900_000));
    [Fact] public void An_invoice_below_zero_is_paid_out() => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve)
        .Given(Cut, Final with { TotalMicros = new(-5_000_000) }).When(s => Refund(s, 5_000_000)).Then(Refunded(5_000_000));
    [Fact] public void What_was_paid_out_for_an_invoice_below_zero_is_not_voided() => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve)
        .Given(Cut, Final with { TotalMicros = new(-5_000_000) }, Refunded(5_000_000)).When(s => Void(s)).ThenRefused("invoice_paid");
    [Fact] public void A_repeat_of_a_refund_changes_nothing_even_on_a_void_invoice() =>
        AnInvoice(Paid(1_000_000), Refunded(1_000_000), new InvoiceVoided("wrong customer", Feb1)).When(s => Refund(s, 1_000_000)).ThenNothing();
    [Fact] public void Nothing_goes_back_on_a_void_invoice() =>
        AnInvoice(Paid(1_000_000), Refunded(1_000_000), new InvoiceVoided("wrong customer", Feb1)).When(s => Refund(s, 1_000_000, "re_2")).ThenRefused("invoice_void");
    [Fact] public void No_more_goes_back_than_came_in() => AnInvoice(Paid(1_000_000), Refunded(400_000)).When(s => Refund(s, 610_000, "re_2")).ThenRefused("refund_exceeds_payments");

    [Fact] public void B5_a_credit_note_takes_net_and_tax_in_proportion() => AnInvoice().When(s => Credit(s, 1_190_000)).Then(Noted(Credited(1_000_000, 190_000)));
    [Fact] public void A_credit_note_without_an_amount_takes_all_that_is_left() => AnInvoice(Credited(1_000_000, 190_000, "cn_0")).When(s => Credit(s, null)).Then(Noted(Credited(9_000_000, 1_710_000)));
    [Fact] public void A_paid_invoice_can_be_credited_and_the_money_is_owed_back() => AnInvoice(Paid(11_900_000)).When(s => Credit(s, 1_190_000)).Then(Noted(Credited(1_000_000, 190_000)));
    [Fact] public void No_more_is_credited_than_is_left() => AnInvoice(Credited(1_000_000, 190_000, "cn_0")).When(s => Credit(s, 10_720_000)).ThenRefused("credit_exceeds_invoice");
    [Fact] public void Nothing_left_nothing_credited() => AnInvoice(Credited(10_000_000, 1_900_000, "cn_0")).When(s => Credit(s, null)).ThenRefused("nothing_to_credit");
    [Fact] public void What_demands_nothing_is_not_credited() => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve)
        .Given(Cut, Final with { TotalMicros = Micros.Zero }).When(s => Credit(s, null)).ThenRefused("nothing_to_credit");
    [Fact]
    public void What_cannot_be_credited_says_what_can_be_done_instead()
    {
        InvoiceState Of(long total, params InvoiceEvent[] after) => new InvoiceEvent[] { Cut, Final with { TotalMicros = new(total) } }.Concat(after).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
        Assert.StartsWith("the invoice owes the customer 5.95 USD and demands nothing: record a refund", Credit(Of(-5_950_000), null).Refused!.Value.Detail, StringComparison.Ordinal);
        Assert.Contains("voiding it gives back the credit", Credit(Of(0), null).Refused!.Value.Detail, StringComparison.Ordinal);
        Assert.Contains("given back with a refund", Credit(Of(11_900_000, Credited(10_000_000, 1_900_000, "cn_0")), null).Refused!.Value.Detail, StringComparison.Ordinal);
    }

    [Fact] public void A_credit_note_needs_a_reason() => AnInvoice().When(s => Credit(s, 10_000, reason: "")).ThenRefused("reason_missing");
    [Fact] public void A_credit_notes_id_is_for_one_note() => AnInvoice(Credited(1_000_000, 190_000)).When(s => Credit(s, 20_000)).ThenRefused("credit_note_exists");
    [Fact] public void A_void_invoice_is_not_credited() => AnInvoice(new InvoiceVoided("x", Feb1)).When(s => Credit(s, null)).ThenRefused("invoice_void");

    [Fact] public void B5_an_invoice_falls_overdue_once() => AnInvoice(Paid(1_900_000)).When(s => MarkOverdueDecision.Decide(new(Due), s)).Then(new InvoiceFellOverdue(new(10_000_000), Due));
    [Fact] public void Nothing_is_overdue_before_its_day() => AnInvoice().When(s => MarkOverdueDecision.Decide(new(Due.AddTicks(-1)), s)).ThenNothing();
    [Fact] public void What_is_paid_does_not_fall_overdue() => AnInvoice(Paid(11_900_000)).When(s => MarkOverdueDecision.Decide(new(Due), s)).ThenNothing();

    private static CreditNoteIssued Noted(CreditNoteIssued note)
    {
        var command = new IssueCreditNote(Id, note.CreditNoteId, note.Number, null, note.Reason, Parts.ToValueList(), Feb1);
        return note with { DocumentSha256 = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(CreditNoteDocument.Of(command, Final, note.Parts).ToUtf8())) };
    }
}
