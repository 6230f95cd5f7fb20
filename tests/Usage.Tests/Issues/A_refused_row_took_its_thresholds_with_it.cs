using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Thresholds travel with a row. One whose key turned out to be taken was not counted, and nobody said its thresholds any more.</summary>
public sealed class A_refused_row_took_its_thresholds_with_it
{
    [Theory, InlineData(CapWindow.BillingPeriod), InlineData(CapWindow.FiveHours), InlineData(CapWindow.Conversation)]
    public void What_is_not_passed_without_it_is_said_once_it_is(CapWindow window)
    {
        var scene = Scene(window, 100);
        scene.Chunk("a", 2, output: 60);
        Assert.Equal([CapThreshold.Percent50], scene.Rows[^1].Crossed.Select(c => c.Threshold));
        Refuse(scene);
        Assert.False(scene.Owner.HasCrossings);

        scene.Chunk("a", 3, output: 75);
        Assert.Equal((CapThreshold.Percent50, 55L), Said(Assert.Single(scene.Rows[^1].Crossed)));
    }

    [Theory, InlineData(CapWindow.BillingPeriod), InlineData(CapWindow.FiveHours), InlineData(CapWindow.Conversation)]
    public void What_was_passed_before_it_is_said_again(CapWindow window)
    {
        var scene = Scene(window, 1_000);
        scene.Change(OwnerScene.Terms(2, Of(window, 80)));
        scene.Chunk("a", 2, output: 60);
        Assert.Equal([CapThreshold.Percent50], scene.Rows[^1].Crossed.Select(c => c.Threshold));
        Refuse(scene);
        Assert.Equal((CapThreshold.Percent50, 40L), Said(Assert.Single(scene.Owner.TakeCrossings())));
    }

    private static Cap Of(CapWindow window, long tokens) => new(window, tokens, [TokenKind.Output], CapEnforcement.Hard);

    /// <summary>Of the cap 40 are used, and recorded.</summary>
    private static OwnerScene Scene(CapWindow window, long cap)
    {
        var scene = new OwnerScene(Of(window, cap));
        scene.Start("a");
        scene.Chunk("a", 1, output: 40);
        scene.Commit();
        return scene;
    }

    private static void Refuse(OwnerScene scene) => scene.Turn(outcomes => scene.Owner.Refused(scene.Rows[^1], scene.Now, outcomes));

    private static (CapThreshold, long) Said(ThresholdCrossing crossing) => (crossing.Threshold, crossing.UsedTokens);
}
