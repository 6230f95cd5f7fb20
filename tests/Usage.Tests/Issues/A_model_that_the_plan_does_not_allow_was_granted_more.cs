using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>The model was looked at when a generation started as a new one, and never again: not when it said that it was resumed, and not when its plan changed.</summary>
public sealed class A_model_that_the_plan_does_not_allow_was_granted_more
{
    private static readonly Cap Cap10000 = Cap.Hard(CapWindow.BillingPeriod, 10_000);
    private static readonly SubscriptionTerms Without = OwnerScene.Terms(2, Cap10000) with { Models = ["another"] };
    private readonly OwnerScene _scene = new(Cap10000);

    [Fact]
    public void One_that_says_it_is_resumed_is_granted_nothing_and_what_it_reports_is_recorded()
    {
        _scene.Owner.InheritSlab(256, _scene.Now.Real);
        _scene.Change(Without);
        var stopped = Assert.Single(Resume());
        Assert.Equal((OutcomeKind.Stopped, Reasons.ModelNotInPlan), (stopped.Kind, stopped.Why.Code));
        Assert.Equal((0, 0), _scene.In(CapWindow.BillingPeriod));
        _scene.Chunk("g", 1, 30);
        _scene.Finish("g", 2);
        Assert.Equal((30, 0), _scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void One_whose_plan_changes_keeps_what_it_has_and_gets_no_more()
    {
        _scene.Start("g");
        _scene.Change(Without);
        var last = Assert.Single(_scene.Chunk("g", 1, 200));
        Assert.Equal((OutcomeKind.Granted, 256, true, Reasons.ModelNotInPlan), (last.Kind, last.Number, last.Final, last.Why.Code));
        Assert.Empty(_scene.Chunk("g", 2, 256));
        Assert.Equal(((256, 0), 0), (_scene.In(CapWindow.BillingPeriod), _scene.Rows[^1].OverrunTokens));
        Assert.Equal(Reasons.ModelNotInPlan, Assert.Single(Resume(), o => o.Kind == OutcomeKind.Stopped).Why.Code);
    }

    [Fact]
    public void One_that_has_used_what_it_had_is_stopped_when_it_asks_for_more()
    {
        _scene.Start("g");
        _scene.Change(Without);
        Assert.Equal(Reasons.ModelNotInPlan, Assert.Single(_scene.Chunk("g", 1, 256)).Why.Code);
    }

    [Fact]
    public void One_that_waits_is_stopped_when_its_plan_changes_to_one_without_its_model()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 256));
        scene.Start("holder", "c1");
        scene.Turn(outcomes => scene.Owner.Start(OwnerScene.Header("waiter", "c2"), 0, scene.Now, outcomes, resumed: true));
        Assert.True(scene.Of("waiter").Waiting);
        var stopped = Assert.Single(scene.Change(Without));
        Assert.Equal((scene.Of("waiter"), Reasons.ModelNotInPlan), (stopped.Generation, stopped.Why.Code));
        Assert.Equal(256, scene.Of("holder").Held);
    }

    private List<Outcome> Resume() => _scene.Turn(outcomes => _scene.Owner.Start(OwnerScene.Header("g"), 0, _scene.Now, outcomes, resumed: true));
}
