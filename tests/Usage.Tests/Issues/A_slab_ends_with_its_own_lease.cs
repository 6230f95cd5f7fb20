using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>
/// An owner wrote what it had inherited under its own slab's lease. One that crashed again and again passed the first one's slab on under ever
/// later leases: tokens that nobody had out stayed reserved for as long as it went on crashing.
/// </summary>
public sealed class A_slab_ends_with_its_own_lease
{
    private static readonly Cap Period10000 = Cap.Hard(CapWindow.BillingPeriod, 10_000);

    [Fact]
    public void U2_what_was_inherited_is_passed_on_beside_the_slab_until_its_own_lease_ends()
    {
        var scene = new OwnerScene(Period10000);
        var until = scene.Now.Real.AddSeconds(90);
        scene.Owner.InheritSlab(1_000, until);
        scene.Start("g");
        Assert.Equal(1_024, scene.Slab!.Value.Number); // of its own, until a later time
        Assert.True(scene.Slab.Value.When > until);
        Assert.Equal([new InheritedSlab(1_000, until)], scene.Owner.Inherited(scene.Now.Confirmed));

        // It crashes as well. Its successor finds both, each until its own lease ends.
        var successor = new OwnerScene(Period10000);
        successor.Owner.InheritSlab(1_024, scene.Slab.Value.When!.Value);
        successor.Owner.InheritSlab(1_000, until);
        Assert.Equal((0, 2_024), successor.In(CapWindow.BillingPeriod));
        successor.After(TimeSpan.FromSeconds(90));
        Assert.Equal((0, 1_024), successor.In(CapWindow.BillingPeriod));
        successor.After(TimeSpan.FromSeconds(30));
        Assert.Equal((0, 0), successor.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void U1_what_a_lost_owner_granted_is_taken_from_the_slab_that_ends_first()
    {
        var scene = new OwnerScene(Period10000);
        scene.Owner.InheritSlab(1_000, scene.Now.Real.AddSeconds(120));
        scene.Owner.InheritSlab(500, scene.Now.Real.AddSeconds(60));
        scene.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        scene.Start("g");
        scene.Chunk("g", 1, scene.Of("g").Held + 600);
        Assert.Equal(900, scene.In(CapWindow.BillingPeriod).Reserved - scene.Of("g").Held);

        // The other one may be out still: if it had been taken from, what is left would no longer cover it.
        Assert.Equal([new InheritedSlab(900, scene.Now.Real.AddSeconds(120))], scene.Owner.Inherited(scene.Now.Confirmed));
    }

    [Fact]
    public void Of_very_many_slabs_those_that_end_first_are_kept_as_one()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 1_000_000));
        for (var n = 1; n <= 20; n++) scene.Owner.InheritSlab(n, scene.Now.Real.AddSeconds(n));
        var kept = scene.Owner.Inherited(scene.Now.Confirmed);
        Assert.True(kept.Count <= 8);
        Assert.Equal(210, kept.Sum(s => s.Tokens)); // none ends before it would have
        for (var second = 1; second <= 20; second++)
            Assert.True(kept.Where(s => s.Until > scene.Now.Real.AddSeconds(second - 1)).Sum(s => s.Tokens) >= Enumerable.Range(second, 21 - second).Sum());
    }

    [Fact]
    public void An_owner_that_ends_in_good_order_leaves_what_it_inherited_apart()
    {
        var scene = new OwnerScene(Period10000);
        var until = scene.Now.Real.AddSeconds(90);
        scene.Owner.InheritSlab(1_000, until);
        scene.Start("g");
        scene.Commit();
        Assert.Equal((256, scene.Now.Real.AddSeconds(60)), scene.Owner.Remainder(scene.Now.Real));
        Assert.Equal([new InheritedSlab(1_000, until)], scene.Owner.Inherited(scene.Now.Real));
    }
}
