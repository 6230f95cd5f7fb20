using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Every chunk looked at all generations that waited, thousands perhaps, though it had freed nothing. Now one does that answers them, and each kind of those must.</summary>
public sealed class A_chunk_walked_all_who_wait
{
    [Fact]
    public void One_that_frees_nothing_looks_at_none()
    {
        var scene = new OwnerScene();
        foreach (var name in new[] { "a", "b", "c", "running" }) scene.Start(name);
        scene.BusinessTime(OwnerScene.Mar1);
        foreach (var name in new[] { "a", "b", "c" }) scene.Chunk(name, 1, 200); // they wait for newer terms
        Assert.Empty(scene.Chunk("running", 1, 1)); // whoever is looked at asks for those again
        Assert.Equal(3, scene.Expire().Count(o => o.Kind == OutcomeKind.TermsNeeded));
    }

    [Fact]
    public void U2_tokens_of_a_kind_that_the_cap_does_not_count_are_room_for_who_waits()
    {
        var scene = new OwnerScene(new Cap(CapWindow.BillingPeriod, 256, [TokenKind.Output], CapEnforcement.Hard));
        scene.Start("g");
        Resume(scene, "waiter", "c2");
        Assert.True(scene.Of("waiter").Waiting);
        var outcomes = scene.Chunk("g", 1, output: 0, reasoning: 100);
        Assert.Equal((scene.Of("waiter"), 100), Assert.Single(outcomes.Select(o => (o.Generation, o.Number))));
    }

    [Fact]
    public void U2_tokens_of_a_lost_owner_that_are_used_in_one_conversation_are_room_in_another()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 100));
        scene.Owner.InheritSlab(100, scene.Now.Real + OwnerScene.Limits.SlabLease);
        Resume(scene, "g", "c1");
        Resume(scene, "waiter", "c2");
        Assert.True(scene.Of("waiter").Waiting);
        var outcomes = scene.Chunk("g", 1, 40);
        Assert.Equal(40, Assert.Single(outcomes, o => o.Generation == scene.Of("waiter")).Number);
    }

    [Fact]
    public void U2_a_lease_that_ended_unnoticed_is_room_for_who_waits()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 256));
        scene.Start("late");
        scene.After(TimeSpan.FromSeconds(30));
        Resume(scene, "waiter", "c2");
        scene.After(TimeSpan.FromSeconds(31));
        Assert.Contains(scene.Finish("late", 1), o => o.Kind == OutcomeKind.Granted && o.Generation == scene.Of("waiter"));
    }

    [Fact]
    public void The_last_token_of_a_cap_ends_the_wait()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 256));
        scene.Start("g");
        Resume(scene, "waiter", "c2");
        Assert.DoesNotContain(scene.Chunk("g", 1, 255), o => o.Kind == OutcomeKind.Stopped);
        var stopped = Assert.Single(scene.Chunk("g", 2, 256), o => o.Generation == scene.Of("waiter"));
        Assert.Equal((OutcomeKind.Stopped, Reasons.CapReached), (stopped.Kind, stopped.Why.Code));
    }

    private static void Resume(OwnerScene scene, string name, string conversation) =>
        scene.Turn(outcomes => scene.Owner.Start(OwnerScene.Header(name, conversation), 0, scene.Now, outcomes, resumed: true));
}
