using Billing.Periods;
using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Subscriptions;

/// <summary>A subscription that rests and goes on: what its commands make of each state, and what the clock does to it.</summary>
public sealed class PauseTests
{
    private static readonly DateTimeOffset Jan10 = Jan1.AddDays(9), Jan20 = Jan1.AddDays(19), Feb10 = Feb1.AddDays(9);
    private static readonly SubscriptionStarted Started = new(Customer, Menu, Small, Jan1);
    private static readonly SubscriptionStarted Trial = Started with { TrialEnd = Jan20 };
    private static readonly SubscriptionPaused Paused = new(Jan10, null, Jan10), Dated = new(Jan10, Jan20, Jan10);
    private static readonly SubscriptionPauseScheduled Planned = new(Feb1, null, Jan10);
    private static readonly SubscriptionPlanChangeScheduled ToMetered = new(Menu, Metered, Feb1, Jan10);
    private static readonly SubscriptionCancellationScheduled Ending = new(Feb1, Jan10);
    private static readonly SubscriptionCancelled Over = new(Jan10, Jan10);

    private static Scenario<SubscriptionState, SubscriptionEvent> Scenario => new(SubscriptionState.Initial, SubscriptionState.Evolve);
    private static SubscriptionState.Known After(params SubscriptionEvent[] events) => (SubscriptionState.Known)events.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);

    private static Decision<SubscriptionEvent> Pause(SubscriptionState s, EffectiveTime when = EffectiveTime.Now, DateTimeOffset? until = null) => PauseSubscriptionDecision.Decide(new(when, until, Jan10), s);
    private static Decision<SubscriptionEvent> Resume(SubscriptionState s, DateTimeOffset at) => ResumeSubscriptionDecision.Decide(new(at), s);
    private static Decision<SubscriptionEvent> CatchUp(SubscriptionState s, DateTimeOffset at) => CatchUpDecision.Decide(new(at), s);
    private static Decision<SubscriptionEvent> Keep(SubscriptionState s) => WithdrawScheduledChangeDecision.Decide(new(Jan10), s);
    private static Decision<SubscriptionEvent> Change(SubscriptionState s, EffectiveTime when = EffectiveTime.Now) => ChangePlanDecision.Decide(new(Metered, when, Book(), Jan20), s);
    private static Decision<SubscriptionEvent> Cancel(SubscriptionState s, EffectiveTime when) => CancelSubscriptionDecision.Decide(new(when, Jan20), s);

    [Fact]
    public void A_subscription_is_paused_now_or_with_the_end_of_its_period_and_for_a_time_or_until_it_is_resumed()
    {
        Scenario.Given(Started).When(s => Pause(s)).Then(Paused);
        Scenario.Given(Started).When(s => Pause(s, until: Jan20)).Then(Dated);
        Scenario.Given(Started).When(s => Pause(s, EffectiveTime.PeriodEnd)).Then(Planned);
        Scenario.Given(Started).When(s => Pause(s, EffectiveTime.PeriodEnd, Feb10)).Then(Planned with { ResumeAt = Feb10 });
        Scenario.Given(Started, Planned).When(s => Pause(s, EffectiveTime.PeriodEnd, Feb10)).Then(Planned with { ResumeAt = Feb10 });
        Scenario.Given(Started, Planned).When(s => Pause(s)).Then(Paused);
        // A trial that is over is a trial no more.
        Scenario.Given(Trial with { TrialEnd = Jan1.AddDays(4) }).When(s => Pause(s)).Then(new SubscriptionActivated(Jan1.AddDays(4), Jan10), Paused);
    }

    [Fact]
    public void It_is_resumed_by_hand_and_a_pause_that_has_not_begun_is_withdrawn()
    {
        Scenario.Given(Started, Paused).When(s => Resume(s, Jan20)).Then(new SubscriptionResumed(Jan20, Jan20));
        Scenario.Given(Started, Planned).When(s => Resume(s, Jan20)).Then(new SubscriptionPauseWithdrawn(Jan20));
        Scenario.Given(Started, Planned).When(Keep).Then(new SubscriptionPauseWithdrawn(Jan10));
        Scenario.Given(Started, ToMetered, Planned).When(Keep).Then(new SubscriptionScheduleWithdrawn(Jan10), new SubscriptionPauseWithdrawn(Jan10));
        Scenario.Given(Started).When(s => Resume(s, Jan20)).ThenNothing();
        Scenario.Given(Trial).When(s => Resume(s, Jan10)).ThenNothing();
    }

    [Fact]
    public void It_is_resumed_at_its_time_by_itself_and_periods_turn_meanwhile()
    {
        Assert.Equal(Jan20, After(Started, Dated).NextDueAt);
        Scenario.Given(Started, Dated).When(s => CatchUp(s, Jan20.AddTicks(-1))).ThenNothing();
        Scenario.Given(Started, Dated).When(s => CatchUp(s, Jan20)).Then(new SubscriptionResumed(Jan20, Jan20));
        Scenario.Given(Started, Dated with { ResumeAt = Feb10 }).When(s => CatchUp(s, Mar1)).Then(
            new SubscriptionPeriodTurned(1, Mar1), new SubscriptionResumed(Feb10, Mar1), new SubscriptionPeriodTurned(2, Mar1));
        Scenario.Given(Started, Paused).When(s => CatchUp(s, Mar1)).Then(new SubscriptionPeriodTurned(1, Mar1), new SubscriptionPeriodTurned(2, Mar1));
        Scenario.Given(Started, Dated with { ResumeAt = Feb1 }).When(s => CatchUp(s, Feb1)).Then(new SubscriptionResumed(Feb1, Feb1), new SubscriptionPeriodTurned(1, Feb1));
    }

    [Fact]
    public void What_was_scheduled_for_the_same_time_happens_too()
    {
        Scenario.Given(Started, Planned, ToMetered).When(s => CatchUp(s, Feb1)).Then(
            new SubscriptionPeriodTurned(1, Feb1), new SubscriptionPlanChanged(Menu, Metered, Feb1, Feb1), new SubscriptionPaused(Feb1, null, Feb1));
        Scenario.Given(Started, Planned with { ResumeAt = Feb10 }).When(s => CatchUp(s, Feb10)).Then(
            new SubscriptionPeriodTurned(1, Feb10), new SubscriptionPaused(Feb1, Feb10, Feb10), new SubscriptionResumed(Feb10, Feb10));
        // The end takes the place of a pause that was to come.
        Scenario.Given(Started, Planned, Ending).When(s => CatchUp(s, Feb1)).Then(new SubscriptionCancelled(Feb1, Feb1));
    }

    [Fact]
    public void While_it_rests_its_plan_may_change_and_it_may_end()
    {
        Scenario.Given(Started, Paused).When(s => Change(s)).Then(new SubscriptionPlanChanged(Menu, Metered, Jan20, Jan20));
        Scenario.Given(Started, Paused).When(s => Change(s, EffectiveTime.PeriodEnd)).Then(ToMetered with { At = Jan20 });
        Scenario.Given(Started, Paused).When(s => Cancel(s, EffectiveTime.Now)).Then(new SubscriptionCancelled(Jan20, Jan20));
        Scenario.Given(Started, Dated with { ResumeAt = Mar1 }, Ending).When(s => CatchUp(s, Mar1)).Then(new SubscriptionCancelled(Feb1, Mar1));
        // It goes on for the days that are left.
        Scenario.Given(Started, Dated, Ending).When(s => CatchUp(s, Feb1)).Then(new SubscriptionResumed(Jan20, Feb1), new SubscriptionCancelled(Feb1, Feb1));
        Assert.Equal(SubscriptionStatus.Paused, After(Started, Paused, new SubscriptionPlanChanged(Menu, Metered, Jan20, Jan20), new SubscriptionPeriodTurned(1, Feb1)).Status);
        Assert.Null(After(Started, Paused, Over).NextDueAt);
    }

    public static TheoryData<string, SubscriptionEvent[], string> Refused => new()
    {
        { "pause", [], "subscription_unknown" },
        { "resume", [], "subscription_unknown" },
        { "pause", [Started, Over], "subscription_cancelled" },
        { "resume", [Started, Over], "subscription_cancelled" },
        { "pause", [Trial], "subscription_trialing" },
        { "pause", [Started, Ending], "cancellation_scheduled" },
        { "pause", [Started, Dated], "subscription_paused" },
        { "activate", [Started, Paused], "subscription_paused" },
        { "pause until now", [Started], "resume_before_pause" },
        { "pause with the period until now", [Started], "resume_before_pause" },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_cannot_be_is_refused_by_name(string what, SubscriptionEvent[] history, string code) => Scenario.Given(history).When(s => what switch
    {
        "pause" => Pause(s),
        "resume" => Resume(s, Jan20),
        "activate" => ActivateSubscriptionDecision.Decide(new(Jan20), s),
        "pause until now" => Pause(s, until: Jan10),
        _ => Pause(s, EffectiveTime.PeriodEnd, Feb1),
    }).ThenRefused(code);

    [Fact]
    public void What_was_not_paid_for_rests_at_once_until_somebody_resumes_it()
    {
        static Decision<SubscriptionEvent> Suspend(SubscriptionState s) => SuspendSubscriptionDecision.Decide(new(Jan20), s);
        SubscriptionPaused now = new(Jan20, null, Jan20);
        var dated = Dated with { ResumeAt = Feb10 };
        Scenario.Given(Started).When(Suspend).Then(now);
        Scenario.Given(Started, Planned with { ResumeAt = Feb10 }).When(Suspend).Then(now);
        Scenario.Given(Started, Paused).When(Suspend).ThenNothing();
        Scenario.Given(Started, dated).When(Suspend).Then(new SubscriptionResumed(Jan20, Jan20), now);
        // What ended right then by itself begins again.
        Scenario.Given(Started, Dated).When(Suspend).Then(new SubscriptionResumed(Jan20, Jan20), now);
        // It will end anyway, and until then it would have been served again.
        Scenario.Given(Started, dated, Ending).When(Suspend).Then(new SubscriptionResumed(Jan20, Jan20), now);
        Scenario.Given(Started, dated, Ending, new SubscriptionResumed(Jan20, Jan20), now).When(s => CatchUp(s, Mar1)).Then(new SubscriptionCancelled(Feb1, Mar1));
        Scenario.Given(Trial with { TrialEnd = Feb10 }).When(Suspend).ThenRefused("subscription_trialing");
        Scenario.Given(Started, Ending).When(Suspend).ThenRefused("cancellation_scheduled");
        Scenario.Given(Started, Over).When(Suspend).ThenRefused("subscription_cancelled");

        SubscriptionEvent[] life = [Started, dated, new SubscriptionResumed(Jan20, Jan20), now];
        Scenario.Given(life).When(s => CatchUp(s, Mar1)).Then(new SubscriptionPeriodTurned(1, Mar1), new SubscriptionPeriodTurned(2, Mar1));
        // Nothing is charged in between.
        var january = FollowSubscription.Decide(Subscription, SubscriptionState.Initial, life, _ => PeriodState.Initial).Events.Single(p => p.PeriodId == January);
        Assert.Equal([new(Small, Jan1, false), new(Small, Jan10, false, Paused: true)], FactsAfter([.. january.Events]).Plans.Segments);
    }

    [Fact]
    public void Usage_is_told_of_it_with_the_periods_that_go_on()
    {
        var (before, paused) = (SubscriptionSnapshot.Of(Subscription, After(Started), Terms()), SubscriptionSnapshot.Of(Subscription, After(Started, Paused), Terms()));
        Assert.Equal(before with { Status = "paused", Version = 2, ChangedAt = Jan10 }, paused);
    }

    [Fact]
    public void The_preview_of_a_pause_shows_the_period_that_it_changes()
    {
        Dictionary<string, PeriodState> periods = [];
        foreach (var p in FollowSubscription.Decide(Subscription, SubscriptionState.Initial, [Started, ToMetered], _ => PeriodState.Initial).Events)
            periods[p.PeriodId] = p.Events.Aggregate(PeriodState.Initial, PeriodState.Evolve);
        ChangePreview Preview(EffectiveTime when) => ChangePreview.Of(Subscription, After(Started, ToMetered), Pause(After(Started, ToMetered), when).Events, id => periods.GetValueOrDefault(id, PeriodState.Initial), Jan10).Preview!;
        Assert.Equal((Jan10, January, [new(Small, Jan1, false), new(Small, Jan10, false, Paused: true)]), Told(Preview(EffectiveTime.Now)));
        Assert.Equal((Feb1, February, [new(Metered, Feb1, false, Paused: true)]), Told(Preview(EffectiveTime.PeriodEnd)));

        static (DateTimeOffset, string, ValueList<PlanSegment>) Told(ChangePreview p) => (p.EffectiveAt, p.After.PeriodId, p.After.Plans.Segments);
    }
}
