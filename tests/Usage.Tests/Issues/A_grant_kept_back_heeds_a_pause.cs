using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>A grant that waited for its slab went out although its subscription had been paused meanwhile, or its model taken out of the plan.</summary>
public sealed class A_grant_kept_back_heeds_a_pause
{
    private readonly OwnerScene _scene = new(slabAtOnce: false, Cap.Hard(CapWindow.BillingPeriod, 10_000));

    [Fact]
    public void Whoever_was_told_nothing_yet_is_stopped_and_can_finish_for_its_prompt_is_used()
    {
        _scene.Start("g");
        _scene.Change(Terms(2) with { Active = false, Paused = true });
        var outcomes = Durable();
        Assert.DoesNotContain(outcomes, o => o.Kind == OutcomeKind.Granted && o.Number > 0);
        Assert.Equal((OutcomeKind.Stopped, Reasons.SubscriptionPaused), (outcomes[^1].Kind, outcomes[^1].Why.Code));
        Assert.Equal((0, 0), _scene.In(CapWindow.BillingPeriod));
        Assert.DoesNotContain(_scene.Finish("g", 1), o => o.Kind == OutcomeKind.Rejected);
    }

    [Fact]
    public void What_was_told_before_may_be_used_up()
    {
        _scene.Start("g");
        Durable();
        _scene.Chunk("g", 1, 10, wanted: 2_000); // more than the slab covers: kept back
        _scene.Change(Terms(2) with { Active = false, Paused = true });
        var granted = Durable();
        Assert.Equal((OutcomeKind.Granted, 256), (granted[0].Kind, granted[0].Number));
        Assert.Equal((10, 246), _scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void What_is_resumed_by_then_goes_out_whole()
    {
        _scene.Start("g");
        _scene.Change(Terms(2) with { Active = false, Paused = true });
        _scene.Change(Terms(3));
        Assert.Equal(256, Assert.Single(Durable(), o => o.Kind == OutcomeKind.Granted).Number);
    }

    [Fact]
    public void Nor_does_it_go_out_for_a_model_that_the_plan_allows_no_more()
    {
        _scene.Start("g");
        _scene.Change(Terms(2) with { Models = ["another"] });
        var outcomes = Durable();
        Assert.DoesNotContain(outcomes, o => o.Kind == OutcomeKind.Granted && o.Number > 0);
        Assert.Equal(Reasons.ModelNotInPlan, outcomes[^1].Why.Code);
    }

    private static SubscriptionTerms Terms(long version) => OwnerScene.Terms(version, Cap.Hard(CapWindow.BillingPeriod, 10_000));

    private List<Outcome> Durable() => _scene.Turn(outcomes => _scene.Owner.SlabDurable(_scene.Slab!.Value.Number, _scene.Slab.Value.When!.Value, _scene.Now, outcomes));
}
