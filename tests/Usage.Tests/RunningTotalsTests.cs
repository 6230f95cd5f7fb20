using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

/// <summary>What of the totals a commit writes: what they end up with, the simulation and the host's tests judge.</summary>
public sealed class RunningTotalsTests
{
    private static readonly Dictionary<(Guid, long), long> NotLookedUp = [];
    private readonly OwnerScene _scene = new();
    private readonly ShardLedger _ledger = new();
    private ShardHead _head = ShardHead.Empty;
    private UsageRow? _latest;

    [Fact]
    public void A_generation_is_in_the_totals_with_its_first_row_then_with_reports_and_with_its_end()
    {
        _scene.Start("g");
        Assert.Equal(["g 0: 0"], Commit());
        _scene.Chunk("g", 1, 10);
        Assert.Empty(Commit());
        _scene.Chunk("g", 2, 25);
        Assert.Empty(Commit());
        Assert.True(IsBehind("c"));
        Assert.Equal(["g 2: 25"], Commit(cut: true));
        Assert.False(IsBehind("c"));
        _scene.Chunk("g", 3, 30);
        Assert.Empty(Commit());
        _scene.Finish("g", 4);
        Assert.Equal(["g 4: 5"], Commit());
        Assert.False(IsBehind("c"));
    }

    [Fact]
    public void What_is_beyond_its_grant_is_in_the_totals_at_once()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 100));
        scene.Start("g");
        Assert.Equal(["g 0: 0"], Commit(scene: scene));
        scene.Chunk("g", 1, 60);
        Assert.Empty(Commit(scene: scene));
        scene.Chunk("g", 2, 110);
        Assert.Equal(["g 2: 100, overrun 10"], Commit(scene: scene));
    }

    [Fact]
    public void The_end_of_one_leaves_what_another_of_its_conversation_has_not_written()
    {
        _scene.Start("a");
        _scene.Start("b");
        Commit();
        _scene.Chunk("a", 1, 10);
        _scene.Chunk("b", 1, 20);
        Assert.Empty(Commit());
        _scene.Finish("b", 2);
        Assert.Equal(["b 2: 20"], Commit());
        Assert.Equal(FinishReason.Stop, _latest!.Finish);
        Assert.True(IsBehind("c"));
        Assert.Equal(["a 1: 10"], Commit(cut: true));
        Assert.False(IsBehind("c"));
        // The conversation's latest row is still the end of the other, which came after what is written now.
        Assert.Equal(FinishReason.Stop, _latest!.Finish);
    }

    [Fact]
    public void After_a_commit_that_may_have_happened_nothing_is_added_that_the_table_has_added_itself()
    {
        _scene.Start("g");
        Commit();
        _scene.Chunk("g", 1, 10);
        Commit();
        _scene.Chunk("g", 2, 30);
        UsageRow[] rows = [.. _scene.Rows];
        _scene.Rows.Clear();
        _ledger.Begin();
        _ledger.Plan(_head, rows, NotLookedUp, cut: true);

        // It did not happen, and nobody knows: the next attempt looks.
        Assert.True(IsBehind("c"));
        _ledger.Begin();
        Assert.True(_ledger.MustLookUp);
        _ledger.LoadUnreported([]);
        _ledger.Whole();
        var plan = _ledger.Plan(_head, rows, NotLookedUp, cut: true);
        Assert.Equal(20, plan.Totals.Generations[rows[0].Generation.Id].Tokens.Output);
        Assert.Equal(20, Assert.Single(plan.Totals.Conversations).Value.Tokens.Output);
        _ledger.Committed(plan);
        Assert.False(IsBehind("c"));
    }

    private bool IsBehind(string conversation) => _ledger.Behind.Conversations.Contains((OwnerScene.Subscription, conversation));

    /// <summary>One commit of what was decided, as the writer makes it.</summary>
    /// <returns>the generations whose totals it writes: up to which sequence, and how many tokens it adds</returns>
    private List<string> Commit(bool cut = false, OwnerScene? scene = null)
    {
        var rows = (scene ?? _scene).Rows;
        _ledger.Begin();
        if (_ledger.MustLookUp) _ledger.Whole();
        var plan = _ledger.Plan(_head, [.. rows], NotLookedUp, cut);
        string[] names = ["g", "a", "b"];
        List<string> written = [.. plan.Totals.Generations.Values.Select(s =>
            $"{names.Single(n => OwnerScene.Header(n).Id == s.Last.Generation.Id)} {s.Last.Sequence}: {s.Tokens.Output}{(s.Overrun > 0 ? $", overrun {s.Overrun}" : "")}")];
        Assert.Equal(plan.Totals.Generations.Values.Sum(s => s.Tokens.Output), plan.Totals.Conversations.Values.Sum(s => s.Tokens.Output));
        if (plan.Totals.Conversations.Count > 0) _latest = Assert.Single(plan.Totals.Conversations).Value.Last;
        _ledger.Committed(plan);
        _head = plan.Head;
        rows.Clear();
        return written;
    }
}
