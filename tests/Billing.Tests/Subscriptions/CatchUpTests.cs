using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Subscriptions;

public sealed class CatchUpTests
{
    private static readonly SubscriptionStarted Started = new(Customer, Menu, Small, Jan1);
    private static readonly SubscriptionStarted Trial = Started with { TrialEnd = Jan1.AddDays(14) };

    private static Scenario<SubscriptionState, SubscriptionEvent> Scenario => new(SubscriptionState.Initial, SubscriptionState.Evolve);
    private static Decision<SubscriptionEvent> CatchUp(DateTimeOffset at, SubscriptionState s) => CatchUpDecision.Decide(new(at), s);
    private static SubscriptionState.Known After(params SubscriptionEvent[] events) => (SubscriptionState.Known)events.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);

    [Fact]
    public void A_period_does_not_turn_before_its_end() => Scenario.Given(Started).When(s => CatchUp(Feb1.AddTicks(-1), s)).ThenNothing();

    [Fact]
    public void A_period_turns_at_its_end() => Scenario.Given(Started).When(s => CatchUp(Feb1, s)).Then(new SubscriptionPeriodTurned(1, Feb1));

    [Fact]
    public void A_long_step_turns_every_period_in_order() => Scenario.Given(Started).When(s => CatchUp(Mar1.AddDays(1), s))
        .Then(new SubscriptionPeriodTurned(1, Mar1.AddDays(1)), new SubscriptionPeriodTurned(2, Mar1.AddDays(1)));

    [Fact]
    public void A_trial_ends_at_its_end_by_itself() =>
        Scenario.Given(Trial).When(s => CatchUp(Feb1.AddDays(-1), s)).Then(new SubscriptionActivated(Jan1.AddDays(14), Feb1.AddDays(-1)));

    [Fact]
    public void What_is_due_happens_in_the_order_of_its_times()
    {
        var late = Mar1.AddDays(3);
        Scenario.Given(Trial with { TrialEnd = Feb1.AddDays(4) }, new SubscriptionPlanChangeScheduled(Menu, Metered, Feb1, Jan1.AddDays(2))).When(s => CatchUp(late, s)).Then(
            new SubscriptionPeriodTurned(1, late), new SubscriptionPlanChanged(Menu, Metered, Feb1, late), new SubscriptionActivated(Feb1.AddDays(4), late),
            new SubscriptionPeriodTurned(2, late));
    }

    [Fact]
    public void What_ends_with_the_period_does_not_turn() =>
        Scenario.Given(Started, new SubscriptionCancellationScheduled(Feb1, Jan1.AddDays(2))).When(s => CatchUp(Mar1, s)).Then(new SubscriptionCancelled(Feb1, Mar1));

    [Fact]
    public void What_is_cancelled_in_its_trial_is_never_active() =>
        Scenario.Given(Trial, new SubscriptionCancellationScheduled(Jan1.AddDays(14), Jan1)).When(s => CatchUp(Feb1, s)).Then(new SubscriptionCancelled(Jan1.AddDays(14), Feb1));

    [Fact]
    public void What_is_over_is_due_no_more() => Assert.Null(After(Started, new SubscriptionCancelled(Jan1.AddDays(9), Jan1.AddDays(9))).NextDueAt);

    [Fact]
    public void A_cancelled_subscription_turns_when_usage_comes_too_late_for_its_periods()
    {
        var (cancelled, closed) = (After(Started, new SubscriptionCancelled(Jan1, Jan1)), PeriodAfter(Opened(Small), Closed()));
        Assert.Equal([new SubscriptionPeriodTurned(1, Mar1)], TurnPeriodDecision.Decide(new(closed, Mar1), cancelled).Events);
        Assert.Equal("period_not_over", TurnPeriodDecision.Decide(new(closed, Mar1), After(Started)).Refused?.Code);
    }

    [Fact]
    public void A_cancelled_subscription_that_has_turned_for_late_usage_does_not_turn_for_it_again() => Scenario
        .Given(Started, new SubscriptionCancelled(Jan1, Jan1), new SubscriptionPeriodTurned(1, Mar1)).When(s => TurnPeriodDecision.Decide(new(PeriodAfter(Opened(Small)), Mar1), s)).ThenNothing();

    [Fact]
    public void Boundaries_come_from_what_was_stored_and_not_from_the_rules_of_the_day()
    {
        // As if the time zone had been moved by a quarter of an hour since.
        var (first, second, third) = (Feb1.AddMinutes(15), Mar1.AddMinutes(15), Mar1.AddMonths(1).AddMinutes(15));
        var state = After(Started with { Calendar = new(new(1, "Europe/Berlin"), Jan1, first, second) }, new SubscriptionPeriodTurned(1, first, third));
        Assert.Equal((new Period(first, second), new Period(second, third)), (state.Current, state.Next));
    }

    [Fact]
    public void A_snapshot_names_the_current_period_and_the_next_and_its_version_counts_the_events()
    {
        var snapshot = SubscriptionSnapshot.Of(Subscription, After(Started, new SubscriptionPeriodTurned(1, Feb1)), Terms());
        Assert.Equal((2L, February, 1, 2), (snapshot.Version, snapshot.CurrentPeriod.PeriodId, snapshot.CurrentPeriod.Number, snapshot.NextPeriod.Number));
        Assert.Equal(snapshot.CurrentPeriod.End, snapshot.NextPeriod.Start);
    }

    [Fact]
    public void A_subscription_from_the_31st_meets_the_ends_of_short_months()
    {
        var start = Jan1.AddDays(30);
        var caughtUp = CatchUp(start.AddMonths(3), After(Started with { At = start }));
        var ends = caughtUp.Events.Select((_, n) => After([Started with { At = start }, .. caughtUp.Events.Take(n + 1)]).Current.Start.Day);
        Assert.Equal([28, 31, 30], ends);
    }
}
