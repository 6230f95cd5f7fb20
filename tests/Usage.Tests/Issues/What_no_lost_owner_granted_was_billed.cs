using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests.Issues;

/// <summary>Found by reading: a generation that had changed owners, or that began while a lost owner's slab lasted, could report any number of tokens as granted.</summary>
public sealed class What_no_lost_owner_granted_was_billed
{
    private static readonly Cap Roomy = Cap.Hard(CapWindow.BillingPeriod, 100_000);

    [Theory]
    [InlineData(0)]
    [InlineData(1_000)] // its lease has ended: it reserves nothing any more
    public void U1_no_more_is_claimed_of_lost_owners_than_their_slabs_had_promised(int secondsLater)
    {
        var scene = new OwnerScene(Roomy);
        scene.Owner.InheritSlab(1_024, scene.Now.Real.AddSeconds(120));
        scene.After(TimeSpan.FromSeconds(secondsLater));
        scene.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        scene.Owner.LoadGeneration(OwnerScene.Header("h"), default);
        Assert.Equal(256, scene.Start("g")[^1].Number);
        Assert.Equal(Reasons.BeyondGrant, scene.Chunk("g", 1, 1_000 + 256).Concat(scene.Chunk("h", 1, 5_000)).Single(o => o.Kind == OutcomeKind.Stopped).Why.Code);
        Assert.Equal((1_256, 0), (scene.Rows[^2].Tokens.Output, scene.Rows[^2].OverrunTokens));
        Assert.Equal((24, 4_976), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
        Assert.Equal(1_280, scene.In(CapWindow.BillingPeriod).Used);
    }

    [Fact]
    public void U1_a_generation_that_begins_while_a_slab_lasts_claims_no_more_than_is_left_of_it()
    {
        var scene = new OwnerScene(Roomy);
        scene.Owner.InheritSlab(1_024, scene.Now.Real.AddSeconds(120));
        scene.Start("new");
        scene.Chunk("new", 1, 5_000);
        Assert.Equal((1_280, 3_720), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
        Assert.Equal((1_280, 0), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void U3_what_ended_with_its_lease_is_used_when_it_is_reported_after_the_generation_was_forgotten()
    {
        var scene = new OwnerScene(Roomy);
        scene.Start("g");
        scene.Commit();
        scene.After(OwnerScene.Limits.Lease * 2);
        scene.Expire();
        scene.Owner.Forget(scene.Of("g"));
        scene.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        scene.Chunk("g", 1, 300);
        Assert.Equal((256, 44), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
    }

    [Fact]
    public void U3_what_ended_with_its_lease_is_used_when_it_is_reported_to_a_successor()
    {
        var scene = new OwnerScene(Roomy);
        scene.Start("g");
        scene.Commit();
        scene.After(OwnerScene.Limits.Lease * 2);
        scene.Expire();
        Assert.Equal(0, scene.Owner.Remainder(scene.Now.Real).Tokens);

        var successor = new OwnerScene(Roomy);
        foreach (var slab in scene.Owner.Leaves(scene.Now.Real)) successor.Owner.InheritSlab(slab.Tokens, slab.Until);
        Assert.Equal((0, 0), successor.In(CapWindow.BillingPeriod));
        successor.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        successor.Chunk("g", 1, 300);
        Assert.Equal((256, 44), (successor.Rows[^1].Tokens.Output, successor.Rows[^1].OverrunTokens));
    }
}
