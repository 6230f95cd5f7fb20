using Billing.Dunning;
using Billing.Invoices;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Dunning;

/// <summary>Whatever happens to a late invoice, and however often billing looks.</summary>
public sealed class DunningProperties
{
    private static readonly DunningSchedule Schedule = new([0, 1, 3, 7, 14], 21, DunningFinalAction.MarkUncollectible);
    private static readonly DateTimeOffset Due = Feb1.AddDays(14);

    private sealed record Order(int Hours, Func<InvoiceState, DateTimeOffset, Decision<InvoiceEvent>> Decide);

    private static readonly Gen<Order> AnyOrder = Gen.Select(Gen.Int[0, 150], Gen.Int[0, 4], Gen.Long[1, 1_190], (hours, what, cents) => new Order(hours, (s, at) => what switch
    {
        0 => HoldDunningDecision.Decide(new("disputed", at), s),
        1 => ReleaseDunningDecision.Decide(new(at), s),
        2 => RecordPaymentDecision.Decide(new("bank", $"{at:O}", new(cents * 10_000), "USD", at, at), s),
        3 => RecordRefundDecision.Decide(new("bank", $"{at:O}", new(cents * 10_000), "USD", at, at), s),
        _ => RecordPaymentFailureDecision.Decide(new("bank", $"{at:O}", "declined", at, at), s),
    }));

    /// <summary>What is taken when billing looks at every order, and so many hours in between.</summary>
    private static List<InvoiceEvent> Taken(IEnumerable<Order> orders, int lookHours)
    {
        InvoiceEvent[] events =
        [
            new InvoiceTermsCut("acct_1", 1, 2, Due, Feb1), new InvoiceFinalized("INV-1", January, Subscription, Customer, Usd, new(11_900_000), "ab", Feb1), new InvoiceFellOverdue(new(11_900_000), Due),
            new DunningStarted(Schedule, Due, Due),
        ];
        var (state, taken, at) = (events.Aggregate(InvoiceState.Initial, InvoiceState.Evolve), new List<InvoiceEvent>(), Due);
        foreach (var order in orders.Append(new(1_000, (_, _) => Decision.NoChange)))
        {
            for (var end = at.AddHours(order.Hours); at < end;)
            {
                at = lookHours == 0 || at.AddHours(lookHours) > end ? end : at.AddHours(lookHours);
                foreach (var e in TakeDunningStepsDecision.Decide(new(at), state).Events) Happened(e);
            }
            foreach (var e in order.Decide(state, at).Events) state = InvoiceState.Evolve(state, e);
        }
        return taken;

        void Happened(InvoiceEvent e)
        {
            taken.Add(e);
            state = InvoiceState.Evolve(state, e);
        }
    }

    private static IEnumerable<(int Step, DateTimeOffset DueAt, long Micros)> Told(IEnumerable<InvoiceEvent> taken) => taken.Where(e => e is not InvoiceWrittenOff).Select(e => e switch
    {
        DunningStepTaken t => (t.Step, t.DueAt, t.OutstandingMicros.Value),
        DunningExhausted x => (0, x.DueAt, x.OutstandingMicros.Value),
        _ => throw new System.Diagnostics.UnreachableException(e.GetType().Name),
    });

    /// <summary>While it looks once within the shortest gap of the schedule.</summary>
    [Fact]
    public void Steps_are_the_same_for_the_same_times_however_often_billing_looks() => Gen.Select(AnyOrder.Array[0, 20], Gen.Int[1, 23]).Sample((orders, hours) =>
        Told(Taken(orders, 1)).Where(t => t.Step > 0).SequenceEqual(Told(Taken(orders, hours)).Where(t => t.Step > 0)));

    [Fact]
    public void However_seldom_it_looks_the_days_of_the_schedule_lie_between_the_last_step_and_the_final_action() => Gen.Select(AnyOrder.Array[0, 20], Gen.Int[0, 900]).Sample((orders, hours) =>
    {
        var taken = Taken(orders, hours);
        var final = taken.OfType<DunningExhausted>().SingleOrDefault();
        return final is null || final.At - taken.OfType<DunningStepTaken>().Last().At >= TimeSpan.FromDays(Schedule.FinalDay - Schedule.StepDays[^1]);
    });

    [Fact]
    public void Steps_come_in_order_each_once_and_none_without_something_to_pay() => AnyOrder.Array[0, 20].Sample(orders =>
    {
        var told = Told(Taken(orders, 5)).ToArray();
        var steps = told.Where(t => t.Step > 0).Select(t => t.Step).ToArray();
        return steps.SequenceEqual(Enumerable.Range(1, steps.Length)) && told.Zip(told.Skip(1)).All(t => t.First.DueAt < t.Second.DueAt) && told.All(t => t.Micros > 0)
            && (told.Length == 0 || told[^1].Step > 0 || steps.Length == Schedule.StepDays.Count);
    });
}
