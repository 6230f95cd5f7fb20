using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Found by OwnerProperties: a generation that waited, and then used up its most output tokens out of a lost owner's slab, went on waiting, with room and without.</summary>
public sealed class Who_had_all_he_may_have_waited_for_more
{
    [Fact]
    public void U2_a_generation_that_may_have_no_more_waits_for_none()
    {
        var scene = new OwnerScene(new Cap(CapWindow.BillingPeriod, 40, Cap.GeneratedTokens, CapEnforcement.Hard));
        scene.Owner.InheritSlab(40, OwnerScene.Jan1.AddSeconds(60));
        scene.Owner.LoadConversation("c", default, scene.Now);
        scene.Owner.LoadGeneration(OwnerScene.Header("g", maxOutput: 20), new RecordedGeneration(0, default, default, 0, FinishReason.None));
        scene.Start("g", maxOutput: 20);
        Assert.True(scene.Of("g").Waiting);
        scene.Chunk("g", 1, output: 20);
        Assert.Equal((20, false), (scene.Rows[^1].Tokens.Generated, scene.Of("g").Waiting));
    }
}
