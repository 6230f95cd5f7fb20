using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;
using static Usage.Tests.OwnerScene;

namespace Usage.Tests;

public sealed class CorrectionTests
{
    private static readonly OpenWindow Morning = OpenWindow.Open(CapWindow.FiveHours, Jan1);
    private static readonly Guid Some = Ids.DeriveGuid(Jan1, "some generation");

    [Fact]
    public void Nothing_falls_below_zero_neither_what_is_corrected_nor_its_period()
    {
        var recorded = Recorded(output: 100, periodOutput: 70);
        Assert.Equal("correction_below_zero", AmendUsageDecision.Decide(Amend(-101), [recorded]).Refused!.Value.Code);
        // Earlier corrections of the whole period have taken 30 of them already.
        Assert.Equal("correction_below_zero", AmendUsageDecision.Decide(Amend(-71), [recorded]).Refused!.Value.Code);
        Assert.Equal(-70, Assert.Single(AmendUsageDecision.Decide(Amend(-70), [recorded]).Events).Deltas.Output);
        Assert.Equal("correction_below_zero", VoidUsageDecision.Decide(Void, [recorded]).Refused!.Value.Code);
    }

    [Fact]
    public void A_void_takes_back_what_is_left_and_a_second_one_nothing()
    {
        var correction = Assert.Single(VoidUsageDecision.Decide(Void, [Recorded(output: 100, periodOutput: 170), Recorded(output: 0, periodOutput: 9)]).Events);
        Assert.Equal((-100, true), (correction.Deltas.Output, correction.Void));
        Assert.Empty(VoidUsageDecision.Decide(Void, [Recorded(output: 0, periodOutput: 70)]).Events);
        Assert.Equal("usage_unknown", VoidUsageDecision.Decide(Void, []).Refused!.Value.Code);
    }

    [Fact]
    public void A_window_gives_back_no_more_than_it_holds_of_what_is_corrected()
    {
        var recorded = Recorded(output: 100, periodOutput: 100) with { Windows = [new(Morning, new Tally(0, 0, 0, 40, 0))] };
        Assert.Equal(-40, Assert.Single(Assert.Single(AmendUsageDecision.Decide(Amend(-90), [recorded]).Events).Windows).Deltas.Output);
        Assert.Equal(-30, Assert.Single(Assert.Single(AmendUsageDecision.Decide(Amend(-30), [recorded]).Events).Windows).Deltas.Output);
        Assert.Equal(25, Assert.Single(Assert.Single(AmendUsageDecision.Decide(Amend(25), [recorded]).Events).Windows).Deltas.Output);
    }

    [Fact]
    public void A_retry_derives_the_same_id_and_another_key_another_one()
    {
        Guid Id(string key) => Assert.Single(AmendUsageDecision.Decide(Amend(-1) with { Key = key }, [Recorded(9, 9)]).Events).Id;
        Assert.Equal(Id("a"), Id("a"));
        Assert.NotEqual(Id("a"), Id("b"));
    }

    [Fact]
    public void U1_U2_what_is_taken_back_is_room_and_what_is_added_is_used_even_beyond_the_cap()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 300));
        scene.Start("g");
        scene.Chunk("g", 1, 256);
        scene.Finish("g", 2);
        scene.Start("h", "other");
        Assert.Equal(44, scene.Owner.HeldTokens);
        Assert.Contains(scene.Start("i", "third"), o => o.Kind == OutcomeKind.Denied);
        // h was told that no more would follow; the room is for whoever starts next.
        scene.Correct(-100);
        scene.Start("i", "third");
        Assert.Equal(144, scene.Owner.HeldTokens);
        scene.Correct(+200);
        Assert.Equal((356, 144), (scene.Owner.Balance(null, scene.Now)[0].UsedTokens, scene.Owner.Balance(null, scene.Now)[0].ReservedTokens));
        Assert.Contains(scene.Start("j", "third"), o => o.Kind == OutcomeKind.Denied && o.Why.Code == "cap_reached");
    }

    [Fact]
    public void A_threshold_that_a_correction_passes_is_noted_once_without_waiting_for_usage()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 1_000), Cap.Hard(CapWindow.Conversation, 100));
        scene.Correct(+850);
        Assert.Equal([CapThreshold.Percent50, CapThreshold.Percent80], scene.Owner.TakeCrossings().Select(c => c.Threshold));
        scene.Correct(-400);
        scene.Correct(+500);
        Assert.Empty(scene.Owner.TakeCrossings());
    }

    private static AmendUsage Amend(long output) => new(null, null, new Tally(0, 0, 0, output, 0), 0, "ada", "metered twice", "key", Jan1);
    private static VoidUsage Void => new("ada", "the model answered nonsense", "key", Jan1);

    private static RecordedUse Recorded(long output, long periodOutput) => new(
        Subscription, January.Id, January.End, Plan, Some, "c", "model", new Tally(0, 0, 0, output, 0), 0, new Tally(0, 0, 0, periodOutput, 0), 0, []);
}
