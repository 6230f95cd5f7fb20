using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Thresholds travelled with rows alone: a cap lowered below what is used lets no row come, so that none of them was ever said.</summary>
public sealed class A_lowered_cap_said_nothing
{
    private static readonly CapThreshold[] All = [CapThreshold.Percent50, CapThreshold.Percent80, CapThreshold.Percent100];

    [Theory, InlineData(CapWindow.BillingPeriod), InlineData(CapWindow.FiveHours)]
    public void What_is_used_already_is_said_when_the_cap_is_lowered(CapWindow window)
    {
        var scene = Used500(new Cap(window, 1_000, Cap.GeneratedTokens, CapEnforcement.Hard));
        scene.Change(OwnerScene.Terms(2, new Cap(window, 400, Cap.GeneratedTokens, CapEnforcement.Hard)));
        Assert.Contains(scene.Start("b"), o => o.Kind == OutcomeKind.Denied && o.Why.Code == Reasons.CapReached);
        Assert.False(scene.Owner.IsIdle);
        Assert.Equal(All.Select(t => (t, 400L, 500L)), scene.Owner.TakeCrossings().Select(c => (c.Threshold, c.Rule.Tokens, c.UsedTokens)));
        Assert.True(scene.Owner.IsIdle);
        // The same terms again, and terms that change no cap, say nothing that was not said.
        scene.Change(OwnerScene.Terms(2, new Cap(window, 400, Cap.GeneratedTokens, CapEnforcement.Hard)));
        Assert.Empty(scene.Owner.TakeCrossings());
    }

    [Fact]
    public void A_row_that_comes_in_time_carries_it()
    {
        var scene = Used500(new Cap(CapWindow.BillingPeriod, 2_000, Cap.GeneratedTokens, CapEnforcement.Hard));
        scene.Change(OwnerScene.Terms(2, new Cap(CapWindow.BillingPeriod, 600, Cap.GeneratedTokens, CapEnforcement.Hard)));
        scene.Start("b");
        Assert.Equal([CapThreshold.Percent50, CapThreshold.Percent80], scene.Rows[^1].Crossed.Select(c => c.Threshold));
        Assert.False(scene.Owner.HasCrossings);
    }

    [Fact]
    public void Whoever_reads_the_owner_again_finds_it_too()
    {
        var owner = new SubscriptionOwner(OwnerScene.Subscription, OwnerScene.Limits);
        owner.LoadPeriod(OwnerScene.January.Id, new(0, 0, 0, 500, 0));
        var at = new Moment(OwnerScene.Jan1, OwnerScene.Jan1);
        owner.ChangeTerms(OwnerScene.Terms(2, new Cap(CapWindow.BillingPeriod, 400, Cap.GeneratedTokens, CapEnforcement.Hard), new Cap(CapWindow.Conversation, 900, Cap.GeneratedTokens, CapEnforcement.Hard)), at, []);
        owner.LoadConversation("c", new(0, 0, 0, 460, 0), at);
        Assert.Equal([("", 50), ("", 80), ("", 100), ("c", 50)], owner.TakeCrossings().Select(c => (c.Conversation, (int)c.Threshold)));
    }

    [Fact]
    public void Terms_that_come_while_the_tables_are_read_are_held_to_what_they_say()
    {
        var owner = new SubscriptionOwner(OwnerScene.Subscription, OwnerScene.Limits);
        var at = new Moment(OwnerScene.Jan1, OwnerScene.Jan1);
        owner.ChangeTerms(OwnerScene.Terms(2, Cap.Hard(CapWindow.BillingPeriod, 400)), at, []);
        owner.LoadPeriod(OwnerScene.January.Id, new(0, 0, 0, 500, 0));
        owner.ChangeTerms(OwnerScene.Terms(1, Cap.Hard(CapWindow.BillingPeriod, 1_000)), at, []);
        Assert.False(owner.HasCrossings);
        owner.NotePassed(at);
        Assert.Equal(All, owner.TakeCrossings().Select(c => c.Threshold));
    }

    private static OwnerScene Used500(Cap cap)
    {
        var scene = new OwnerScene(cap);
        scene.Start("a", wanted: 500);
        scene.Chunk("a", 1, output: 500);
        scene.Finish("a", 2);
        scene.Commit();
        scene.Owner.Forget(scene.Of("a"));
        scene.Owner.TakeCrossings();
        return scene;
    }
}
