using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Found by the simulation: the prompt was used in one period and recorded in the next, so that the table passed a cap that the owner had kept.</summary>
public sealed class A_prompt_counts_where_it_was_received
{
    [Fact]
    public void U1_a_prompt_whose_grant_waits_for_its_slab_over_the_turn_of_a_period_is_recorded_in_the_period_of_its_start()
    {
        var scene = new OwnerScene(slabAtOnce: false, new Cap(CapWindow.BillingPeriod, 100, [TokenKind.Input, TokenKind.Output], CapEnforcement.Hard));
        scene.BusinessTime(OwnerScene.Feb1.AddMilliseconds(-1));
        scene.Start("a", input: 40);
        Assert.Equal((40, 60), scene.In(CapWindow.BillingPeriod));

        scene.BusinessTime(OwnerScene.Feb1);
        var slab = scene.Slab!.Value;
        scene.Turn(outcomes => scene.Owner.SlabDurable(slab.Number, slab.When!.Value, scene.Now, outcomes));

        var prompt = Assert.Single(scene.Rows);
        Assert.Equal(OwnerScene.January.Id, prompt.Period.Id);
        Assert.Equal((0, 60), scene.In(CapWindow.BillingPeriod));
    }
}
