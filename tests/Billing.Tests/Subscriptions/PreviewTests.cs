using Billing.Periods;
using Billing.Rating;
using Billing.Subscriptions;
using CsCheck;
using static Billing.Tests.Some;

namespace Billing.Tests.Subscriptions;

/// <summary>What is shown before a change is what comes of it.</summary>
public sealed class PreviewTests
{
    private static readonly DateTimeOffset Jan4 = Jan1.AddDays(3), Jan6 = Jan1.AddDays(5), Jan11 = Jan1.AddDays(10), Jan21 = Jan1.AddDays(20), Feb11 = Feb1.AddDays(10);
    private static readonly SubscriptionStarted Started = new(Customer, Menu, Small, Jan1), Trial = Started with { TrialEnd = Jan6 };
    private static readonly SubscriptionPaused Dated = new(Jan4, Jan21, Jan4);

    private static readonly SubscriptionPauseScheduled PauseToCome = new(Feb1, Feb11, Jan4);
    private static readonly SubscriptionPlanChangeScheduled PlanToCome = new(Menu, Metered, Feb1, Jan4);

    /// <summary>A subscription and its periods, as every commit left them.</summary>
    private sealed class Books
    {
        private Dictionary<string, PeriodState> _periods = [];

        public SubscriptionState State { get; private set; } = SubscriptionState.Initial;
        public PeriodState Period(string id) => _periods.GetValueOrDefault(id, PeriodState.Initial);

        public Books Commit(IReadOnlyList<SubscriptionEvent> events)
        {
            var followed = FollowSubscription.Decide(Subscription, State, events, Period);
            Assert.Null(followed.Refused);
            foreach (var p in followed.Events) _periods[p.PeriodId] = p.Events.Aggregate(Period(p.PeriodId), PeriodState.Evolve);
            State = events.Aggregate(State, SubscriptionState.Evolve);
            return this;
        }

        public Books Copy() => new() { _periods = new(_periods), State = State };
        public Books Look(DateTimeOffset at) => Commit(CatchUpDecision.Decide(new(at), State).Events);
        public PeriodFacts Facts(string id) => ((PeriodState.Open)Period(id)).Facts;
    }

    private static Decision<SubscriptionEvent> Pause(SubscriptionState s, EffectiveTime when, DateTimeOffset? until) => PauseSubscriptionDecision.Decide(new(when, until, Jan11), s);

    public static TheoryData<string, SubscriptionEvent[], DateTimeOffset, Func<SubscriptionState, Decision<SubscriptionEvent>>, string, decimal, decimal> Changes => new()
    {
        { "a pause that ends in its period", [Started], Jan11, s => Pause(s, EffectiveTime.Now, Jan21), January, 20.00m, 13.55m },
        { "a pause that ends in a later period", [Started], Jan11, s => Pause(s, EffectiveTime.Now, Feb11), January, 20.00m, 6.45m },
        { "a pause without an end", [Started], Jan11, s => Pause(s, EffectiveTime.Now, null), January, 20.00m, 6.45m },
        { "a pause to come that ends in its period", [Started], Jan11, s => Pause(s, EffectiveTime.PeriodEnd, Feb11), February, 20.00m, 12.86m },
        { "another plan in a trial", [Trial], Jan4, s => ChangePlanDecision.Decide(new(Metered, EffectiveTime.Now, Book(), Jan4), s), January, 16.77m, 4.19m },
        { "the end now of a trial", [Trial], Jan4, s => CancelSubscriptionDecision.Decide(new(EffectiveTime.Now, Jan4), s), January, 16.77m, 0m },
        { "a trial that is activated", [Trial], Jan4, s => ActivateSubscriptionDecision.Decide(new(Jan4), s), January, 16.77m, 18.06m },
        { "the end of a dated pause before its time", [Started, Dated], Jan11, s => ResumeSubscriptionDecision.Decide(new(Jan11), s), January, 9.03m, 15.48m },
        { "another plan in a dated pause", [Started, Dated], Jan11, s => ChangePlanDecision.Decide(new(Metered, EffectiveTime.Now, Book(), Jan11), s), January, 9.03m, 3.71m },
        { "the end with its period", [Started], Jan11, s => CancelSubscriptionDecision.Decide(new(EffectiveTime.PeriodEnd, Jan11), s), February, 20.00m, 0m },
        { "a pause to come that is taken back", [Started, PauseToCome], Jan11, s => ResumeSubscriptionDecision.Decide(new(Jan11), s), February, 12.86m, 20.00m },
        { "another plan to come that is taken back", [Started, PlanToCome], Jan11, s => ChangePlanDecision.Decide(new(Small, EffectiveTime.PeriodEnd, Book(), Jan11), s), February, 5.00m, 20.00m },
        { "another plan and a pause that are taken back at once", [Started, PlanToCome, PauseToCome], Jan11, s => WithdrawScheduledChangeDecision.Decide(new(Jan11), s), February, 3.21m, 20.00m },
        { "an end to come that is taken back", [Started, new SubscriptionCancellationScheduled(Feb1, Jan4)], Jan11, s => WithdrawScheduledChangeDecision.Decide(new(Jan11), s), February, 0m, 20.00m },
        { "the end with its trial that is taken back", [Trial, new SubscriptionCancellationScheduled(Jan6, Jan4)], Jan4, s => WithdrawScheduledChangeDecision.Decide(new(Jan4), s), January, 0m, 16.77m },
        { "the end now of what rests for a time", [Started, Dated], Jan11, s => CancelSubscriptionDecision.Decide(new(EffectiveTime.Now, Jan11), s), January, 9.03m, 1.94m },
    };

    [Theory, MemberData(nameof(Changes))]
    public void A_change_is_shown_as_the_invoice_that_comes_of_it(
        string what, SubscriptionEvent[] life, DateTimeOffset at, Func<SubscriptionState, Decision<SubscriptionEvent>> decide, string period, decimal before, decimal after)
    {
        Assert.NotEmpty(what);
        Books Now() => new Books().Commit(life);
        var preview = ChangePreview.Of(Subscription, Now().State, decide(Now().State).Events, Now().Period, at).Preview!;
        var end = period == January ? Feb1 : Mar1;
        var (unchanged, changed) = (Now(), Now().Look(at));
        changed.Commit(decide(changed.State).Events);
        foreach (var books in new[] { unchanged, changed })
            for (var day = at; day < end; day = day.AddDays(1)) books.Look(day);
        Assert.Equal((unchanged.Facts(period), changed.Facts(period)), (preview.Before, preview.After));
        Assert.Equal((before, after), (Charged(preview.Before), Charged(preview.After)));
    }

    [Fact]
    public void Whatever_is_ordered_is_shown_as_the_invoice_that_comes_of_it() =>
        Gen.Select(Gen.Int[-20, 40], Gen.Select(Gen.Int[0, 30 * 24 * 60], LifecycleProperties.AnyOrder).Array[1, 8]).Sample((trial, steps) =>
        {
            var (books, at) = (new Books().Commit([Started with { TrialEnd = trial > 0 ? Jan1.AddDays(trial) : null }]), Jan1);
            foreach (var (minutes, order) in steps)
            {
                at = at.AddMinutes(minutes);
                var decided = order(books.State, at).Events;
                var preview = ChangePreview.Of(Subscription, books.State, decided, books.Period, at).Preview!;
                var alone = books.Copy();
                books.Commit(decided);
                var really = books.Copy();
                foreach (var left in new[] { alone, really })
                    while (left.State is SubscriptionState.Known { NextDueAt: { } due } && due < preview.After.End) left.Look(due);
                Assert.Equal((alone.Facts(preview.After.PeriodId), really.Facts(preview.After.PeriodId)), (preview.Before, preview.After));
                // What is taken back would have changed something, if only in a later period, and that is the one that is shown.
                if (decided is [.., SubscriptionScheduleWithdrawn or SubscriptionPauseWithdrawn]) Assert.NotEqual(preview.Before, preview.After);
            }
        });

    private static decimal Charged(PeriodFacts facts) => InvoiceRating.Rate(facts, Book()).TotalMicros.Value / 1_000_000m;
}
