using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

/// <summary>What an owner makes of usage that another system has metered.</summary>
public sealed class ImportTests
{
    private static readonly Cap Period100 = Cap.Hard(CapWindow.BillingPeriod, 100);

    [Fact]
    public void U1_what_there_is_room_for_is_used_and_the_rest_is_overrun()
    {
        var scene = new OwnerScene(Period100);
        scene.Start("running", wanted: 30); // takes all there is: 100 is less than the chunk
        scene.Chunk("running", 1, 20);
        scene.Finish("running", 2);
        Import(scene, "g", output: 50, reasoning: 10);
        Import(scene, "h", output: 50);
        Assert.Equal((100, 0), scene.In(CapWindow.BillingPeriod));
        Assert.Equal([(60, 0), (20, 30)], scene.Rows.Where(r => r.Sequence == 1 && r.Finish != FinishReason.None).Select(r => (r.Tokens.Generated, r.OverrunTokens)));
        Assert.Equal(OutcomeKind.Denied, Assert.Single(scene.Start("late")).Kind);
    }

    [Fact]
    public void U1_what_others_hold_is_not_taken_from_them()
    {
        var scene = new OwnerScene(Period100);
        scene.Start("running", maxOutput: 70);
        Import(scene, "g", output: 50);
        Assert.Equal((30, 70), scene.In(CapWindow.BillingPeriod));
        scene.Chunk("running", 1, 70);
        Assert.Equal((100, 0), scene.In(CapWindow.BillingPeriod));
        Assert.Equal(0, scene.Of("running").OverrunTokens);
    }

    [Fact]
    public void A_prompt_that_no_cap_has_room_for_is_overrun_as_a_whole()
    {
        var scene = new OwnerScene(new Cap(CapWindow.BillingPeriod, 100, [TokenKind.Input, TokenKind.Output], CapEnforcement.Hard));
        Import(scene, "g", input: 101, output: 10);
        Import(scene, "h", input: 80, output: 20);
        Assert.Equal([(0, 101), (10, 0), (80, 0), (10, 10)], scene.Rows.Select(r => (r.Tokens.Prompt + r.Tokens.Generated, r.OverrunTokens)));
    }

    [Fact]
    public void A_repeat_is_recognised_before_its_commit_and_after_a_crash_that_left_half_of_it()
    {
        var scene = new OwnerScene(Period100);
        Import(scene, "g", input: 5, output: 10);
        Import(scene, "g", input: 5, output: 10);
        Assert.Equal(2, scene.Rows.Count);

        // Another owner finds the prompt's row, and nothing else.
        var after = new OwnerScene(Period100);
        after.Owner.LoadGeneration(OwnerScene.Header("g", input: 5), new RecordedGeneration(0, Tally.Zero, Tally.Zero, 0, FinishReason.None));
        Import(after, "g", input: 5, output: 10);
        var row = Assert.Single(after.Rows);
        Assert.Equal((1, 10), (row.Sequence, row.Tokens.Output));
    }

    [Fact]
    public void U4_a_period_and_the_thresholds_of_caps_see_imported_tokens()
    {
        var scene = new OwnerScene(Period100);
        scene.BusinessTime(OwnerScene.Feb1);
        Import(scene, "g", output: 80);
        Assert.Equal(OwnerScene.February, scene.Rows[^1].Period);
        Assert.Equal(2, scene.Rows.Sum(r => r.Crossed.Count)); // 50 and 80 in the hundred
    }

    [Fact]
    public void Nothing_is_imported_for_a_subscription_that_nobody_knows()
    {
        var outcomes = new List<Outcome>();
        Assert.Null(new SubscriptionOwner(OwnerScene.Subscription, OwnerScene.Limits).Import(OwnerScene.Header("g"), Frame(1, 0), new Moment(OwnerScene.Jan1, OwnerScene.Jan1), outcomes));
        Assert.Equal(Reasons.SubscriptionUnknown, Assert.Single(outcomes).Why.Code);
    }

    private static void Import(OwnerScene scene, string name, long input = 0, long output = 0, long reasoning = 0) =>
        scene.Turn(outcomes => scene.Owner.Import(OwnerScene.Header(name, input: input), Frame(output, reasoning), scene.Now, outcomes));

    private static Frame Frame(long output, long reasoning) => new(1, new Tally(0, 0, 0, output, reasoning), true, null, FinishReason.Stop);
}
