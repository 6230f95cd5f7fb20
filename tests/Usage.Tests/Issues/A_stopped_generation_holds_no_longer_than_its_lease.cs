using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>A generation that was stopped while it held tokens never lapsed: if its runtime vanished then, they were reserved for ever.</summary>
public sealed class A_stopped_generation_holds_no_longer_than_its_lease
{
    [Fact]
    public void U6_what_a_generation_holds_when_no_newer_terms_come_ends_with_its_lease()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 1_000));
        scene.Start("g");
        scene.BusinessTime(OwnerScene.Mar1); // every period known has run out
        scene.Chunk("g", 1, 200);
        Assert.True(scene.Of("g") is { Waiting: true, Held: 56 });
        var told = scene.Turn(outcomes => scene.Owner.TermsUnavailable(scene.Now, outcomes));
        Assert.Equal((OutcomeKind.Stopped, Reasons.SubscriptionStale), (Assert.Single(told).Kind, told[0].Why.Code));
        // Some of what it holds may be generated and on its way.
        Assert.Equal((200, 56), scene.In(CapWindow.BillingPeriod));

        scene.After(OwnerScene.Limits.Lease);
        Assert.Empty(scene.Expire()); // it was told to stop, and is not told again
        Assert.Equal((200, 0), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void U6_a_report_that_comes_while_its_lease_lasts_is_used_although_it_was_stopped()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 1_000));
        scene.Start("g");
        scene.BusinessTime(OwnerScene.Mar1);
        scene.Chunk("g", 1, 200);
        scene.Turn(outcomes => scene.Owner.TermsUnavailable(scene.Now, outcomes));
        scene.Chunk("g", 2, 230);
        Assert.Equal((30, 0), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
        scene.Finish("g", 3);
        Assert.Equal((230, 0), scene.In(CapWindow.BillingPeriod));
    }
}
