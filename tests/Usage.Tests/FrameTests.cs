using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

public sealed class FrameTests
{
    private static readonly Cap Roomy = Cap.Hard(CapWindow.Conversation, 1_000_000);

    [Fact]
    public void Totals_and_increments_count_the_same()
    {
        var totals = new OwnerScene(Roomy);
        totals.Start("g");
        totals.Chunk("g", 1, 10, 5);
        totals.Chunk("g", 2, 30, 5);
        var increments = new OwnerScene(Roomy);
        increments.Start("g", mode: CountMode.Increment);
        increments.Chunk("g", 1, 10, 5);
        increments.Chunk("g", 2, 20, 0);
        Assert.Equal(totals.Rows.Select(r => r.Tokens), increments.Rows.Select(r => r.Tokens));
        Assert.Equal((35, 256), (totals.In(CapWindow.Conversation).Used, totals.Of("g").GeneratedTokens + totals.Of("g").Held));
    }

    [Theory]
    [InlineData(1, -1, 0, 0, Reasons.CountsNegative)]
    [InlineData(1, 2_000_000_000, 0, 0, Reasons.CountsAbsurd)]
    [InlineData(1, 9, 0, 0, Reasons.CountsDecreasing)]
    [InlineData(1, 20, 0, 8, Reasons.CountsOfWrongKind)]
    [InlineData(2, 20, 0, 0, Reasons.SequenceGap)]
    [InlineData(-1, 20, 0, 0, Reasons.FrameInvalid)]
    [InlineData(-4, 20, 0, 0, Reasons.FrameInvalid)]
    public void A_frame_that_cannot_be_is_refused_with_its_reason_and_the_next_good_one_counts(long step, long output, long reasoning, long input, string reason)
    {
        var scene = new OwnerScene(Roomy);
        scene.Start("g", input: 7);
        scene.Chunk("g", 1, 10);
        var rows = scene.Rows.Count;
        var rejected = Assert.Single(scene.Chunk("g", 1 + step, output, reasoning, input: input));
        Assert.Equal((OutcomeKind.Rejected, reason), (rejected.Kind, rejected.Why.Code));
        Assert.Equal(rows, scene.Rows.Count);
        scene.Chunk("g", 2, 20, input: 7); // a total may repeat the prompt
        Assert.Equal(new Tally(0, 0, 0, 10, 0), scene.Rows[^1].Tokens);
    }

    [Fact]
    public void A_gap_names_the_sequence_expected() =>
        Assert.Contains("expected sequence 1", Started().Chunk("g", 3, 10)[0].Why.Detail, StringComparison.Ordinal);

    [Fact]
    public void U3_a_repeat_is_never_counted_again_and_other_content_is_refused()
    {
        var scene = Started();
        scene.Chunk("g", 1, 10);
        Assert.Equal(OutcomeKind.Acknowledged, Assert.Single(scene.Chunk("g", 1, 10)).Kind);
        Assert.Equal(Reasons.SequenceReused, Assert.Single(scene.Chunk("g", 1, 11)).Why.Code);
        scene.Commit();
        var repeated = Assert.Single(scene.Chunk("g", 1, 10)); // committed: the table knows
        Assert.Equal((OutcomeKind.Repeated, 1), (repeated.Kind, repeated.Number));
        Assert.Equal(scene.Rows[^1].Content, repeated.Content);
        Assert.NotEqual(scene.Rows[^1].Content, Assert.Single(scene.Chunk("g", 1, 11)).Content);
        Assert.Equal(2, scene.Rows.Count);
        Assert.Equal(10, scene.In(CapWindow.Conversation).Used);
    }

    [Fact]
    public void A_finished_generation_takes_nothing_more()
    {
        var scene = Started();
        scene.Finish("g", 1, FinishReason.Stop, new Tally(0, 0, 0, 100, 10));
        Assert.Equal(Reasons.GenerationFinished, Assert.Single(scene.Chunk("g", 2, 200)).Why.Code);
        Assert.Equal(Reasons.GenerationFinished, Assert.Single(scene.Renew("g")).Why.Code);
        Assert.Equal(OutcomeKind.Acknowledged, Assert.Single(scene.Finish("g", 1, FinishReason.Stop, new Tally(0, 0, 0, 100, 10))).Kind);
        Assert.Equal(Reasons.SequenceReused, Assert.Single(scene.Finish("g", 1, FinishReason.Abort, new Tally(0, 0, 0, 100, 10))).Why.Code);
        Assert.Equal((110, 0), scene.In(CapWindow.Conversation));
    }

    [Fact]
    public void A_start_that_comes_again_meets_its_original_and_one_with_other_content_is_denied()
    {
        var scene = Started();
        scene.Chunk("g", 1, 10);
        scene.Commit();
        var outcomes = scene.Start("g");
        Assert.Equal((OutcomeKind.Resumed, 1), (outcomes[0].Kind, outcomes[0].Number));
        Assert.Equal((OutcomeKind.Granted, 256), (outcomes[1].Kind, outcomes[1].Number));
        Assert.Equal(Reasons.GenerationReused, Assert.Single(scene.Start("g", maxOutput: 5)).Why.Code);
        Assert.Equal(2, scene.Rows.Count);
    }

    private static OwnerScene Started()
    {
        var scene = new OwnerScene(Roomy);
        scene.Start("g");
        return scene;
    }
}
