using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Found by the simulation.</summary>
public sealed class A_threshold_says_what_is_recorded
{
    /// <summary>The row of another generation said it for a prompt whose own row still waited: had the owner been lost then, nothing in the tables had passed it.</summary>
    [Fact]
    public void A_prompt_that_waits_for_its_slab_passes_a_threshold_with_its_own_row()
    {
        var scene = new OwnerScene(slabAtOnce: false, new Cap(CapWindow.BillingPeriod, 4_000, [TokenKind.Input, TokenKind.Output], CapEnforcement.Hard));
        scene.Start("a");
        MakeDurable(scene);
        scene.Start("b", input: 1_990);
        scene.Chunk("a", 1, output: 20);
        Assert.Equal((2_010, 492), scene.In(CapWindow.BillingPeriod));
        Assert.DoesNotContain(scene.Rows, row => row.Crossed.Count > 0);

        MakeDurable(scene);
        var prompt = Assert.Single(scene.Rows, row => row.Crossed.Count > 0);
        Assert.Equal((scene.Of("b").Id, 0L), (prompt.Generation.Id, prompt.Sequence));
        Assert.Equal((CapThreshold.Percent50, 2_010L), (prompt.Crossed[0].Threshold, prompt.Crossed[0].UsedTokens));
    }

    /// <summary>What had been said of the old cap was taken to be said of the new one, in every conversation that was in memory.</summary>
    [Fact]
    public void A_cap_per_conversation_that_is_changed_says_all_its_thresholds()
    {
        var scene = new OwnerScene(new Cap(CapWindow.Conversation, 100, [TokenKind.Output], CapEnforcement.Hard));
        scene.Start("a");
        scene.Chunk("a", 1, output: 60);
        Assert.Equal([CapThreshold.Percent50], scene.Rows[^1].Crossed.Select(c => c.Threshold));

        scene.Change(OwnerScene.Terms(2, new Cap(CapWindow.Conversation, 70, [TokenKind.Output], CapEnforcement.Hard)));
        scene.Chunk("a", 2, output: 61);
        Assert.Equal([CapThreshold.Percent50, CapThreshold.Percent80], scene.Rows[^1].Crossed.Select(c => c.Threshold));
    }

    private static void MakeDurable(OwnerScene scene)
    {
        var slab = scene.Slab!.Value;
        scene.Turn(outcomes => scene.Owner.SlabDurable(slab.Number, slab.When!.Value, scene.Now, outcomes));
    }
}
