using Billing.Dunning;
using Billing.Invoices;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Dunning;

/// <summary>An invoice of 11.90, due on the 15th of February, dunned on the days 1, 3, 7 and 14 after, with a final action on day 21.</summary>
public sealed class DunningTests
{
    private static readonly DateTimeOffset Due = Feb1.AddDays(14);
    private static readonly DunningSchedule Schedule = new([1, 3, 7, 14], 21, DunningFinalAction.None);
    private static readonly InvoiceFellOverdue Overdue = new(new(11_900_000), Due);
    private static readonly DunningStarted Started = new(Schedule, Due, Due);

    private static readonly InvoiceEvent[] Final =
        [new InvoiceTermsCut("acct_1", 1, 2, Due, Feb1), new InvoiceFinalized("INV-000001", January, Subscription, Customer, Usd, new(11_900_000), "ab", Feb1)];

    private static DateTimeOffset Day(double days) => Due.AddDays(days);
    private static DunningStepTaken Step(int step, double dueDay, double takenDay, long micros = 11_900_000) => new(step, new(micros), Day(dueDay), Day(takenDay));
    private static PaymentRecorded Paid(long micros, double day) => new("stripe", $"pi_{day}", new(micros), Day(day), Day(day));
    private static RefundRecorded Refunded(long micros, double day) => new("stripe", $"re_{day}", new(micros), Day(day), Day(day));
    private static CreditNoteIssued Credited(double day) => new("cn_1", "CN-000001", "outage", [new("VAT", new(10_000_000), new(1_900_000))], new(11_900_000), "cd", Day(day));
    private static DunningHeld Held(double day) => new("disputed", Day(day));
    private static DunningReleased Released(double day) => new(Day(day));
    private static DunningExhausted Exhausted(double day, DunningFinalAction action = DunningFinalAction.None) => new(action, new(11_900_000), Day(21), Day(day));

    private static Scenario<InvoiceState, InvoiceEvent> AnInvoice(params InvoiceEvent[] after) => new Scenario<InvoiceState, InvoiceEvent>(InvoiceState.Initial, InvoiceState.Evolve).Given([.. Final, .. after]);
    private static Scenario<InvoiceState, InvoiceEvent> Late(params InvoiceEvent[] after) => AnInvoice([Overdue, Started, .. after]);
    private static Decision<InvoiceEvent> Take(InvoiceState s, double day) => TakeDunningStepsDecision.Decide(new(Day(day)), s);
    private static Decision<InvoiceEvent> Fail(InvoiceState s, string reason = "card_declined", string reference = "ch_1") => RecordPaymentFailureDecision.Decide(new("stripe", reference, reason, Day(1), Day(1)), s);
    private static Decision<InvoiceEvent> Hold(InvoiceState s, string reason = "disputed") => HoldDunningDecision.Decide(new(reason, Day(2)), s);
    private static Decision<InvoiceEvent> WriteOff(InvoiceState s, string reason = "insolvent") => WriteOffInvoiceDecision.Decide(new(reason, Day(30)), s);

    [Fact] public void B5_what_falls_overdue_is_dunned_by_the_schedule_of_that_moment() => AnInvoice().When(s => MarkOverdueDecision.Decide(new(Due, Schedule), s)).Then(Overdue, Started);
    [Fact] public void What_was_paid_in_time_and_charged_back_later_is_dunned_from_then_on() =>
        AnInvoice(Paid(11_900_000, -5), Refunded(11_900_000, 45)).When(s => MarkOverdueDecision.Decide(new(Day(46), Schedule), s)).Then(new InvoiceFellOverdue(new(11_900_000), Day(46)), new DunningStarted(Schedule, Day(45), Day(46)));
    [Fact] public void Without_a_schedule_nobody_is_dunned() => AnInvoice().When(s => MarkOverdueDecision.Decide(new(Due), s)).Then(Overdue);

    [Fact] public void Before_its_time_no_step_is_taken() => Late().When(s => Take(s, 0.999)).ThenNothing();
    [Fact] public void B5_a_step_is_taken_once_when_it_is_due() => Late().When(s => Take(s, 1)).Then(Step(1, 1, 1));
    [Fact] public void A_step_that_is_late_does_not_move_the_next_one_while_that_is_to_come() => Late(Step(1, 1, 1)).When(s => Take(s, 6)).Then(Step(2, 3, 6));
    [Fact] public void After_all_steps_dunning_is_exhausted() => Late(Step(1, 1, 1), Step(2, 3, 3), Step(3, 7, 7), Step(4, 14, 14)).When(s => Take(s, 21)).Then(Exhausted(21));
    [Fact] public void What_is_exhausted_stays_so() => Late(Step(1, 1, 1), Step(2, 3, 3), Step(3, 7, 7), Step(4, 14, 14), Exhausted(21)).When(s => Take(s, 400)).ThenNothing();
    [Fact] public void A_part_that_is_paid_lowers_what_is_asked_for() => Late(Step(1, 1, 1), Paid(1_900_000, 2)).When(s => Take(s, 3)).Then(Step(2, 3, 3, 10_000_000));
    [Fact] public void What_is_paid_is_not_asked_for() => Late(Step(1, 1, 1), Paid(11_900_000, 2)).When(s => Take(s, 400)).ThenNothing();
    [Fact] public void What_is_credited_is_not_asked_for() => Late(Step(1, 1, 1), Credited(2)).When(s => Take(s, 400)).ThenNothing();
    [Fact] public void What_is_void_is_not_asked_for() => Late(new InvoiceVoided("x", Day(2))).When(s => Take(s, 400)).ThenNothing();
    [Fact] public void What_went_back_is_asked_for_again_where_dunning_had_stopped() => Late(Step(1, 1, 1), Paid(11_900_000, 2), Refunded(11_900_000, 32)).When(s => Take(s, 33)).Then(Step(2, 33, 33));
    [Fact] public void What_is_held_is_not_asked_for() => Late(Step(1, 1, 1), Held(2)).When(s => Take(s, 400)).ThenNothing();
    [Fact] public void A_hold_moves_what_is_still_to_come() => Late(Step(1, 1, 1), Held(2), Released(22)).When(s => Take(s, 26)).Then(Step(2, 23, 26));
    [Fact] public void A_payment_while_it_is_held_goes_on_stopping_it() => Late(Held(2), Paid(11_900_000, 3), Released(4), Refunded(11_900_000, 12)).When(s => Take(s, 12)).Then(Step(1, 11, 12));
    [Fact] public void What_was_held_before_it_was_late_waits_from_its_first_day() =>
        AnInvoice(Held(-3), Overdue, Started, Released(10)).When(s => Take(s, 11)).Then(Step(1, 11, 11));

    [Fact] public void What_was_noticed_to_be_late_long_after_it_was_held_has_waited_since_then() =>
        AnInvoice(Held(2), Overdue, Started with { At = Day(9) }, Released(10)).When(s => Take(s, 10)).Then(Step(1, 9, 10));

    /// <summary>Days on which billing looks, and what it does then: a step, or X for the final action. It was away in between.</summary>
    [Theory]
    [InlineData("1 3 7 14 21", "1:1 3:2 7:3 14:4 21:X")]
    [InlineData("2 6 13 20.5 27.4 27.5", "2:1 6:2 13:3 20.5:4 27.5:X")]
    [InlineData("21 22 23 24 27 33 34 40 41", "21:1 23:2 27:3 34:4 41:X")]
    [InlineData("1 3 7 21 27 28", "1:1 3:2 7:3 21:4 28:X")]
    [InlineData("100 100 100", "100:1")]
    public void Whoever_was_away_asks_once_a_look_and_leaves_the_days_of_the_schedule_before_what_follows(string looks, string taken)
    {
        var state = Final.Concat([Overdue, Started]).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
        var told = new List<string>();
        foreach (var look in looks.Split(' '))
        {
            var events = Take(state, double.Parse(look, System.Globalization.CultureInfo.InvariantCulture)).Events;
            Assert.InRange(events.Count, 0, 1);
            told.AddRange(events.Select(e => $"{look}:{(e is DunningStepTaken t ? t.Step : "X")}"));
            state = events.Aggregate(state, InvoiceState.Evolve);
        }
        Assert.Equal(taken, string.Join(' ', told));
    }

    /// <summary>Billing once took at one look whatever was due: such a history is what it was.</summary>
    [Fact]
    public void Steps_that_were_taken_at_once_before_fold_as_they_did() => Late(Step(1, 1, 13), Step(2, 3, 13), Step(3, 7, 13)).When(s => Take(s, 14)).Then(Step(4, 14, 14));

    [Fact]
    public void The_final_action_writes_off_what_is_left() => AnInvoice(Overdue, Started with { Schedule = Schedule with { FinalAction = DunningFinalAction.MarkUncollectible } }, Step(4, 14, 14)).When(s => Take(s, 21)).Then(
        Exhausted(21, DunningFinalAction.MarkUncollectible), new InvoiceWrittenOff(new(11_900_000), "dunning is exhausted", Day(21)));

    [Fact] public void B5_a_hold_is_placed_once() => AnInvoice().When(s => Hold(s)).Then(new DunningHeld("disputed", Day(2)));
    [Fact] public void A_hold_needs_a_reason() => Late().When(s => Hold(s, " ")).ThenRefused("reason_missing");
    [Fact] public void A_hold_for_another_reason_is_another_one() => Late(Held(1)).When(s => Hold(s, "insolvent")).ThenRefused("dunning_held");
    [Fact] public void What_is_paid_needs_no_hold() => Late(Paid(11_900_000, 1)).When(s => Hold(s)).ThenRefused("nothing_to_dun");
    [Fact] public void What_is_exhausted_needs_no_hold() => Late(Exhausted(21)).When(s => Hold(s)).ThenRefused("dunning_exhausted");
    [Fact] public void B5_a_hold_is_released_once() => Late(Held(1)).When(s => ReleaseDunningDecision.Decide(new(Day(2)), s)).Then(Released(2));

    [Fact] public void B5_a_failure_is_recorded_once_by_its_reference() => Late().When(s => Fail(s)).Then(new PaymentFailed("stripe", "ch_1", "card_declined", Day(1), Day(1)));
    [Fact] public void A_failure_changes_neither_what_is_owed_nor_the_next_step() => Late(new PaymentFailed("stripe", "ch_1", "card_declined", Day(1), Day(1))).When(s => Take(s, 1)).Then(Step(1, 1, 1));
    [Fact] public void A_reference_with_another_reason_is_refused() => Late(new PaymentFailed("stripe", "ch_1", "card_declined", Day(1), Day(1))).When(s => Fail(s, "expired_card")).ThenRefused("payment_reference_reused");
    [Fact] public void A_failure_has_a_reference() => Late().When(s => Fail(s, reference: "")).ThenRefused("reference_missing");
    [Fact] public void The_reference_of_a_failure_is_short() => Late().When(s => Fail(s, reference: new('x', 201))).ThenRefused("reference_too_long");
    [Fact] public void A_failure_has_a_reason() => Late().When(s => Fail(s, "")).ThenRefused("reason_missing");
    [Fact] public void A_void_invoice_is_collected_by_nobody() => AnInvoice(new InvoiceVoided("x", Day(1))).When(s => Fail(s)).ThenRefused("invoice_void");

    [Fact] public void B5_what_is_left_is_written_off_once() => Late(Paid(1_900_000, 2)).When(s => WriteOff(s)).Then(new InvoiceWrittenOff(new(10_000_000), "insolvent", Day(30)));
    [Fact] public void Writing_off_needs_a_reason() => Late().When(s => WriteOff(s, "")).ThenRefused("reason_missing");
    [Fact] public void What_is_paid_is_not_written_off() => Late(Paid(11_900_000, 2)).When(s => WriteOff(s)).ThenRefused("nothing_to_write_off");
    [Fact] public void What_was_written_off_is_credited_and_not_voided() => Late(new InvoiceWrittenOff(new(11_900_000), "x", Day(30))).When(s => VoidInvoiceDecision.Decide(new("x", Day(31), LateUsageTies.None), s)).ThenRefused("invoice_written_off");

    public static TheoryData<InvoiceEvent[], string, string, double?> States => new()
    {
        { [], "finalized", "current", null },
        { [Paid(11_900_000, -1)], "paid", "current", null },
        { [Held(-1)], "finalized", "on_hold", null },
        { [Overdue], "overdue", "overdue", null },
        { [Overdue, Started], "overdue", "overdue", 1 },
        { [Overdue, Started, Step(1, 1, 1)], "overdue", "in_dunning", 3 },
        { [Overdue, Started, Step(1, 1, 1), Held(2)], "overdue", "on_hold", null },
        { [Overdue, Started, Step(1, 1, 1), Held(2), Released(4)], "overdue", "in_dunning", 5 },
        { [Overdue, Started, Step(1, 1, 1), Paid(11_900_000, 2)], "paid", "resolved", null },
        { [Overdue, Started, Step(4, 14, 14)], "overdue", "in_dunning", 21 },
        { [Overdue, Started, Step(4, 14, 14), Exhausted(21)], "overdue", "exhausted", null },
        { [Overdue, Started, Step(4, 14, 14), Exhausted(21), Paid(11_900_000, 22)], "paid", "resolved", null },
        { [Overdue, new InvoiceWrittenOff(new(11_900_000), "x", Day(30))], "uncollectible", "exhausted", null },
        { [Overdue, new InvoiceWrittenOff(new(11_900_000), "x", Day(30)), Paid(1_900_000, 31)], "uncollectible", "exhausted", null },
        { [Overdue, new InvoiceWrittenOff(new(11_900_000), "x", Day(30)), Paid(11_900_000, 31)], "paid", "resolved", null },
        { [Overdue, new InvoiceWrittenOff(new(11_900_000), "x", Day(30)), Credited(31)], "paid", "resolved", null },
        // What is charged back is demanded again, and paying just that settles it: the loss stays what it was.
        { [Overdue, Started, Step(2, 3, 3), new InvoiceWrittenOff(new(11_900_000), "x", Day(5)), Paid(4_000_000, 6), Refunded(4_000_000, 8)], "overdue", "in_dunning", 10 },
        { [Overdue, Started, Step(2, 3, 3), new InvoiceWrittenOff(new(11_900_000), "x", Day(5)), Paid(4_000_000, 6), Refunded(4_000_000, 8), Paid(4_000_000, 9)], "uncollectible", "exhausted", null },
    };

    [Theory, MemberData(nameof(States))]
    public void Where_it_stands_is_folded(InvoiceEvent[] after, string status, string dunning, double? nextDay)
    {
        var state = (InvoiceState.Finalized)Final.Concat(after).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
        Assert.Equal((status, dunning, nextDay is { } day ? Day(day) : (DateTimeOffset?)null), (state.Status, state.DunningStatus.Name(), state.Dunning?.NextAt));
    }

    [Fact]
    public void What_is_paid_after_all_is_taken_back_from_the_loss_before_it_is_too_much()
    {
        var state = (InvoiceState.Finalized)Final.Concat([Overdue, new InvoiceWrittenOff(new(11_900_000), "x", Day(30)), Paid(12_000_000, 31)]).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
        Assert.Equal((0, -100_000), (state.WrittenOffMicros.Value, state.OutstandingMicros.Value));
    }
}
