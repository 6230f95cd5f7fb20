using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests.Issues;

/// <summary>Found by random stories: a successor's answer to a resumed Start promised reported tokens for another lease, past the slab that reserved them.</summary>
public sealed class A_grant_that_repeats_promises_nothing_anew
{
    [Fact]
    public void U1_what_a_lost_owner_granted_and_is_reported_again_is_not_promised_past_its_slab()
    {
        var scene = new OwnerScene(slabAtOnce: false, Cap.Hard(CapWindow.BillingPeriod, 256));
        scene.Owner.InheritSlab(256, scene.Now.Real + OwnerScene.Limits.Lease);
        scene.Owner.LoadGeneration(OwnerScene.Header("a"), new RecordedGeneration(0, Tally.Zero, Tally.Zero, 0, FinishReason.None));
        scene.Chunk("a", 1, output: 100);

        var repeated = scene.Start("a").Single(o => o.Kind == OutcomeKind.Granted);

        Assert.Equal(100, repeated.Number);
        Assert.Equal(scene.Now.Real, repeated.When);
    }
}
