using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>
/// Found by the simulation: an owner that had been frozen while another one took over woke up, saw that leases had ended, and granted their
/// tokens again, which had been reported to the other one in time.
/// </summary>
public sealed class A_lease_ends_only_for_one_who_still_owns
{
    [Fact]
    public void U1_what_a_lease_reserved_is_granted_to_nobody_else_until_its_owner_knows_that_it_is_still_the_owner()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 256));
        scene.Start("a");
        var confirmed = scene.Now.Real;
        scene.After(OwnerScene.Limits.Lease);

        var stale = scene.Now with { Confirmed = confirmed };
        Assert.Empty(scene.Turn(outcomes => scene.Owner.Expire(stale, outcomes)));
        Assert.Equal(OutcomeKind.Denied, scene.Turn(outcomes => scene.Owner.Start(OwnerScene.Header("b"), 0, stale, outcomes)).Single().Kind);

        Assert.Equal(Reasons.GrantExpired, scene.Expire().Single().Why.Code);
        Assert.Equal(256, scene.Start("b").Single().Number);
    }

    [Fact]
    public void U1_the_slab_of_a_lost_owner_ends_only_for_one_who_still_owns()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 256));
        var until = scene.Now.Real + OwnerScene.Limits.SlabLease;
        scene.Owner.InheritSlab(256, until);
        var stale = new Moment(until, until) { Confirmed = until.AddSeconds(-1) };

        var early = scene.Turn(outcomes => scene.Owner.Start(OwnerScene.Header("b"), 0, stale, outcomes));
        Assert.Contains(early, o => o.Kind == OutcomeKind.Denied);
        Assert.DoesNotContain(early, o => o.Kind == OutcomeKind.Granted);
        Assert.Contains(scene.Turn(outcomes => scene.Owner.Start(OwnerScene.Header("b"), 0, new Moment(until, until), outcomes)), o => o.Kind == OutcomeKind.Granted);
    }
}
