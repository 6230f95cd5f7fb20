using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>A grant that waited for its slab went out whole, although a cap had been lowered below it meanwhile.</summary>
public sealed class A_grant_kept_back_heeds_a_lowered_cap
{
    private readonly OwnerScene _scene = new(slabAtOnce: false, Cap.Hard(CapWindow.BillingPeriod, 10_000));

    [Fact]
    public void U1_what_was_kept_back_goes_out_as_far_as_the_new_cap_has_room()
    {
        _scene.Start("g");
        _scene.Change(OwnerScene.Terms(2, Cap.Hard(CapWindow.BillingPeriod, 100)));
        var granted = Durable();
        Assert.Equal((OutcomeKind.Granted, 100), (granted[0].Kind, granted[0].Number));
        Assert.Equal((0, 100), _scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void U1_what_was_told_before_is_not_taken_back()
    {
        _scene.Start("g");
        Durable();
        _scene.Chunk("g", 1, 10, wanted: 2_000); // more than the slab covers: kept back
        Assert.True(_scene.Of("g").Withheld);
        _scene.Change(OwnerScene.Terms(2, Cap.Hard(CapWindow.BillingPeriod, 100)));
        var granted = Durable();
        Assert.Equal((OutcomeKind.Granted, 256), (granted[0].Kind, granted[0].Number));
        Assert.Equal((10, 246), _scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void Whoever_gets_nothing_can_finish_for_its_prompt_is_used()
    {
        _scene.Start("g");
        _scene.Start("h");
        _scene.Change(OwnerScene.Terms(2, Cap.Hard(CapWindow.BillingPeriod, 256)));
        Durable();
        Assert.Equal((0, 256), (_scene.Of("g").Held, _scene.Of("h").Held));
        Assert.DoesNotContain(_scene.Finish("g", 1), o => o.Kind == OutcomeKind.Rejected);
    }

    private List<Outcome> Durable() => _scene.Turn(outcomes => _scene.Owner.SlabDurable(_scene.Slab!.Value.Number, _scene.Slab.Value.When!.Value, _scene.Now, outcomes));
}
