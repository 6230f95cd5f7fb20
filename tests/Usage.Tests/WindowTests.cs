using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

public sealed class WindowTests
{
    [Fact]
    public void Windows_of_five_hours_and_a_week_open_with_their_first_grant_and_all_caps_hold_together()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.FiveHours, 300), Cap.Hard(CapWindow.Week, 500));
        scene.BusinessTime(OwnerScene.Jan1.AddHours(3));
        scene.Start("a");
        scene.Chunk("a", 1, 200);
        scene.Chunk("a", 2, 300);
        var denied = scene.Start("b")[0];
        Assert.Equal((CapWindow.FiveHours, OwnerScene.Jan1.AddHours(8)), (denied.Window, denied.When));

        scene.BusinessTime(OwnerScene.Jan1.AddHours(8)); // the end belongs to the next one
        Assert.Equal(200, scene.Start("c")[^1].Number);
        scene.Chunk("c", 1, 200);
        scene.BusinessTime(OwnerScene.Jan1.AddHours(14));
        denied = scene.Start("d")[0];
        Assert.Equal((CapWindow.Week, OwnerScene.Jan1.AddHours(3).AddDays(7)), (denied.Window, denied.When));
        Assert.Equal(OwnerScene.Jan1.AddHours(3), scene.Rows[0].FiveHours!.OpenedAt);
        Assert.Equal(OwnerScene.Jan1.AddHours(8), scene.Rows[^1].FiveHours!.OpenedAt);
    }

    [Fact]
    public void A_period_that_turns_in_the_middle_of_a_generation_takes_what_comes_after_and_the_reservation_with_it()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 600));
        scene.Start("g");
        scene.Chunk("g", 1, 100);
        scene.BusinessTime(OwnerScene.Feb1);
        Assert.Equal((0, 156), scene.In(CapWindow.BillingPeriod));
        scene.Chunk("g", 2, 200);
        Assert.Equal((100, 312), scene.In(CapWindow.BillingPeriod));
        Assert.Equal([OwnerScene.January, OwnerScene.January, OwnerScene.February], scene.Rows.Select(r => r.Period));
        scene.BusinessTime(OwnerScene.Feb1.AddTicks(-1));
        Assert.Equal((100, 312), scene.In(CapWindow.BillingPeriod)); // January kept what it had
    }

    [Fact]
    public void A_snapshot_that_comes_before_the_clock_turns_does_not_move_usage_into_the_next_period()
    {
        var scene = new OwnerScene();
        scene.BusinessTime(OwnerScene.Feb1.AddSeconds(-1));
        scene.Change(OwnerScene.Terms(2) with { Current = OwnerScene.February, Next = OwnerScene.March });
        scene.Start("g");
        Assert.Equal(OwnerScene.January, scene.Rows[0].Period);
    }

    [Fact]
    public void Snapshots_may_come_late_twice_and_out_of_order()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 100));
        var (two, three) = (OwnerScene.Terms(2, Cap.Hard(CapWindow.Conversation, 200)), OwnerScene.Terms(3, Cap.Hard(CapWindow.Conversation, 300)));
        foreach (var terms in new[] { three, two, three, OwnerScene.Terms(1), two }) scene.Change(terms);
        Assert.Equal(3, scene.Owner.Terms!.Version);
        Assert.Equal(256, scene.Start("g")[^1].Number);
    }

    [Fact]
    public void After_a_plan_change_used_tokens_stay_and_grants_that_are_out_run_to_their_end()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 1_000));
        scene.Start("g");
        scene.Chunk("g", 1, 100);
        scene.Change(OwnerScene.Terms(2, Cap.Hard(CapWindow.Conversation, 120)) with { Plan = Ids.DeriveGuid(OwnerScene.Jan1, "other") });
        scene.Chunk("g", 2, 256);
        Assert.Equal(0, scene.Rows[^1].OverrunTokens);
        Assert.Equal(Ids.DeriveGuid(OwnerScene.Jan1, "other"), scene.Rows[^1].Plan);
        Assert.True(scene.Of("g").Stopped);
        scene.Change(OwnerScene.Terms(3, Cap.Hard(CapWindow.Conversation, 2_000)));
        Assert.Equal(256, scene.Start("h")[^1].Number);
    }

    [Fact]
    public void When_the_periods_run_out_billing_is_asked_and_without_an_answer_the_generation_stops()
    {
        var scene = new OwnerScene();
        scene.Start("g");
        scene.BusinessTime(OwnerScene.Mar1);
        Assert.Contains(scene.Chunk("g", 1, 200), o => o.Kind == OutcomeKind.TermsNeeded);
        Assert.Equal(OwnerScene.February, scene.Rows[^1].Period); // recorded all the same, in the last period known
        Assert.Equal(Reasons.SubscriptionStale, scene.Start("h")[0].Why.Code);
        Assert.Equal(Reasons.SubscriptionStale, Assert.Single(scene.Turn(o => scene.Owner.TermsUnavailable(scene.Now, o))).Why.Code);
    }

    [Fact]
    public void Newer_terms_serve_what_waited_for_them()
    {
        var scene = new OwnerScene();
        scene.Start("g");
        scene.BusinessTime(OwnerScene.Mar1);
        scene.Chunk("g", 1, 200);
        var outcomes = scene.Change(OwnerScene.Terms(2) with { Current = OwnerScene.March, Next = new TermPeriod(Guid.Empty, 3, OwnerScene.Apr1, OwnerScene.Apr1.AddMonths(1)) });
        Assert.Equal(512, Assert.Single(outcomes, o => o.Kind == OutcomeKind.Granted).Number);
    }

    [Fact]
    public void Denials_say_why()
    {
        var unknown = new List<Outcome>();
        new SubscriptionOwner(OwnerScene.Subscription, OwnerScene.Limits).Start(OwnerScene.Header("g"), 0, new Moment(OwnerScene.Jan1, OwnerScene.Jan1), unknown);
        Assert.Equal(Reasons.SubscriptionUnknown, Assert.Single(unknown).Why.Code);
        var scene = new OwnerScene();
        scene.Change(OwnerScene.Terms(2) with { Models = ["another"] });
        Assert.Equal(Reasons.ModelNotInPlan, scene.Start("g")[0].Why.Code);
        scene.Change(OwnerScene.Terms(3) with { Active = false });
        Assert.Equal(Reasons.SubscriptionCancelled, scene.Start("g")[0].Why.Code);
    }
}
