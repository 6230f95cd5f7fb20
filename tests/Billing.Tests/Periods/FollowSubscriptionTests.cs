using Billing.Periods;
using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Periods;

/// <summary>What happens to a subscription, as its periods write it down.</summary>
public sealed class FollowSubscriptionTests
{
    private static readonly DateTimeOffset Jan10 = Jan1.AddDays(9), Apr1 = Jan1.AddMonths(3);
    private static readonly string March = PeriodIds.Of(Subscription, 2, Mar1);
    private static readonly SubscriptionStarted Started = new(Customer, Menu, Small, Jan1);
    private static readonly LocalTime Utc = new("UTC", []);
    private static readonly PeriodOpened OpenedMarch = new(Subscription, Customer, Menu, Small, 2, Mar1, Apr1, February, Feb1, LocalTime: Utc);

    private static Dictionary<string, PeriodEvent[]> Follow(SubscriptionEvent[] before, params SubscriptionEvent[] events)
    {
        Dictionary<string, PeriodState> periods = [];
        foreach (var p in FollowSubscription.Decide(Subscription, SubscriptionState.Initial, before, _ => PeriodState.Initial).Events)
            periods[p.PeriodId] = p.Events.Aggregate(PeriodState.Initial, PeriodState.Evolve);
        var decision = FollowSubscription.Decide(
            Subscription, before.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve), events, id => periods.GetValueOrDefault(id, PeriodState.Initial));
        Assert.Null(decision.Refused);
        return decision.Events.ToDictionary(e => e.PeriodId, e => e.Events.ToArray());
    }

    private static void Equal(Dictionary<string, PeriodEvent[]> actual, params (string Period, PeriodEvent[] Events)[] expected) =>
        Assert.Equal(expected.OrderBy(e => e.Period, StringComparer.Ordinal).SelectMany(e => e.Events.Select(x => (e.Period, x))),
            actual.OrderBy(e => e.Key, StringComparer.Ordinal).SelectMany(e => e.Value.Select(x => (e.Key, x))));

    [Fact]
    public void A_start_opens_two_periods() => Equal(Follow([], Started), (January, [Opened(Small) with { LocalTime = Utc }]), (February, [Opened(Small, 1) with { LocalTime = Utc }]));

    [Fact]
    public void A_turn_opens_the_period_after_the_next() => Equal(Follow([Started], new SubscriptionPeriodTurned(1, Feb1)), (March, [OpenedMarch]));

    [Fact]
    public void A_change_now_splits_the_current_period_and_begins_the_next() => Equal(
        Follow([Started], new SubscriptionPlanChanged(Menu, Metered, Jan10, Jan10)),
        (January, [new PeriodPlanChanged(Menu, Metered, false, Jan10, Jan10)]), (February, [new PeriodPlanChanged(Menu, Metered, false, Feb1, Jan10)]));

    [Fact]
    public void A_change_at_the_end_begins_with_the_period_that_turned() => Equal(
        Follow([Started], new SubscriptionPeriodTurned(1, Feb1), new SubscriptionPlanChanged(Menu, Metered, Feb1, Feb1)),
        (February, [new PeriodPlanChanged(Menu, Metered, false, Feb1, Feb1)]), (March, [OpenedMarch, new PeriodPlanChanged(Menu, Metered, false, Mar1, Feb1)]));

    [Fact]
    public void The_end_of_a_trial_begins_the_fee() => Equal(
        Follow([Started with { TrialEnd = Jan10 }], new SubscriptionActivated(Jan10, Jan10)),
        (January, [new PeriodPlanChanged(Menu, Small, false, Jan10, Jan10)]), (February, [new PeriodPlanChanged(Menu, Small, false, Feb1, Jan10)]));

    [Fact]
    public void A_trial_that_ends_with_its_period_leaves_it_a_trial_and_begins_the_fee_with_the_next() => Equal(
        Follow([Started with { TrialEnd = Feb1 }], new SubscriptionActivated(Feb1, Feb1), new SubscriptionPeriodTurned(1, Feb1)),
        (February, [new PeriodPlanChanged(Menu, Small, false, Feb1, Feb1)]), (March, [OpenedMarch]));

    [Fact]
    public void Whatever_the_day_of_the_start_and_the_length_of_the_trial_no_period_refuses_to_follow()
    {
        for (var day = 0; day < 365; day++)
            foreach (var trial in (int[])[1, 28, 29, 30, 31, 59, 61])
            {
                var started = new SubscriptionStarted(Customer, Menu, Small, Jan1.AddDays(day), null, Jan1.AddDays(day + trial));
                var due = CatchUpDecision.Decide(new(Jan1.AddDays(day + 100)), SubscriptionState.Evolve(SubscriptionState.Initial, started)).Events;
                Follow([started], [.. due]);
            }
    }

    [Fact]
    public void A_pause_rests_from_its_moment_and_in_the_period_that_is_open_ahead() => Equal(
        Follow([Started], new SubscriptionPaused(Jan10, null, Jan10)),
        (January, [new PeriodPlanChanged(Menu, Small, false, Jan10, Jan10, Paused: true)]), (February, [new PeriodPlanChanged(Menu, Small, false, Feb1, Jan10, Paused: true)]));

    [Fact]
    public void A_period_that_opens_in_a_pause_rests() => Equal(
        Follow([Started, new SubscriptionPaused(Jan10, null, Jan10)], new SubscriptionPeriodTurned(1, Feb1)), (March, [OpenedMarch with { Paused = true }]));

    [Fact]
    public void What_is_resumed_goes_on_from_its_moment() => Equal(
        Follow([Started, new SubscriptionPaused(Jan10, null, Jan10)], new SubscriptionPeriodTurned(1, Feb1), new SubscriptionResumed(Feb1.AddDays(2), Feb1.AddDays(2))),
        (February, [new PeriodPlanChanged(Menu, Small, false, Feb1.AddDays(2), Feb1.AddDays(2))]),
        (March, [OpenedMarch with { Paused = true }, new PeriodPlanChanged(Menu, Small, false, Mar1, Feb1.AddDays(2))]));

    [Fact]
    public void What_is_resumed_with_the_end_of_a_period_begins_with_the_next() => Equal(
        Follow([Started, new SubscriptionPaused(Jan10, Feb1, Jan10)], new SubscriptionResumed(Feb1, Feb1), new SubscriptionPeriodTurned(1, Feb1)),
        (February, [new PeriodPlanChanged(Menu, Small, false, Feb1, Feb1)]), (March, [OpenedMarch]));

    [Fact]
    public void A_cancellation_now_ends_the_current_period_and_the_next() => Equal(
        Follow([Started], new SubscriptionCancelled(Jan10, Jan10)), (January, [new PeriodPlanEnded(Jan10, Jan10)]), (February, [new PeriodPlanEnded(Feb1, Jan10)]));

    [Fact]
    public void A_cancellation_at_the_end_leaves_the_current_period_whole() =>
        Equal(Follow([Started], new SubscriptionCancelled(Feb1, Feb1)), (February, [new PeriodPlanEnded(Feb1, Feb1)]));

    [Fact]
    public void What_is_only_scheduled_changes_no_period() =>
        Assert.Empty(Follow([Started], new SubscriptionPlanChangeScheduled(Menu, Metered, Feb1, Jan10), new SubscriptionScheduleWithdrawn(Jan10), new SubscriptionCancellationScheduled(Feb1, Jan10)));

    [Fact]
    public void A_period_that_opens_after_the_end_charges_nothing()
    {
        var turned = Follow([Started, new SubscriptionCancelled(Jan10, Jan10)], new SubscriptionPeriodTurned(1, Mar1));
        var opened = Assert.IsType<PeriodOpened>(Assert.Single(turned[March]));
        Assert.True(opened.Ended && PeriodFacts.Of(opened).IsEmpty);
    }

    [Fact]
    public void A_closed_period_cannot_change_any_more() =>
        APeriod.Given(Opened(Small), Closed()).When(s => ChangePeriodPlanDecision.Decide(new(Menu, Metered, false, Jan10, Jan10), s)).ThenRefused("period_not_open");

    [Fact]
    public void Another_menu_begins_with_a_period() =>
        APeriod.Given(Opened(Small)).When(s => ChangePeriodPlanDecision.Decide(new("menu_2", Metered, false, Jan10, Jan10), s)).ThenRefused("menu_within_period");

    [Fact]
    public void A_change_lies_within_its_period() =>
        APeriod.Given(Opened(Small)).When(s => ChangePeriodPlanDecision.Decide(new(Menu, Metered, false, Feb1, Jan10), s)).ThenRefused("outside_period");

    [Fact]
    public void B5_a_repeated_change_of_a_period_changes_nothing()
    {
        APeriod.Given(Opened(Small)).When(s => ChangePeriodPlanDecision.Decide(new(Menu, Metered, false, Jan10, Jan10), s)).Then(new PeriodPlanChanged(Menu, Metered, false, Jan10, Jan10));
        APeriod.Given(Opened(Small)).When(s => EndPeriodPlanDecision.Decide(new(Jan10, Jan10), s)).Then(new PeriodPlanEnded(Jan10, Jan10));
    }
}
