using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

public sealed class GrantTests
{
    private static readonly Cap Conversation1000 = Cap.Hard(CapWindow.Conversation, 1_000);

    private static Outcome Only(List<Outcome> outcomes, OutcomeKind kind) => Assert.Single(outcomes, o => o.Kind == kind);

    [Theory]
    [InlineData(1_000, 0, 0, 256, false)] // the chunk
    [InlineData(200, 0, 0, 200, true)] // the last one is smaller
    [InlineData(256, 0, 0, 256, true)] // exactly the cap: no more can follow
    [InlineData(1_000, 100, 0, 100, true)] // never beyond max_output_tokens
    [InlineData(1_000, 0, 700, 700, false)] // a larger hold on request
    [InlineData(1_000, 0, 5_000, 1_000, true)] // or what is left
    public void A_first_grant_is_the_chunk_unless_less_is_left_or_more_is_asked(long cap, long maxOutput, long wanted, long allowed, bool final)
    {
        var granted = Only(new OwnerScene(Cap.Hard(CapWindow.Conversation, cap)).Start("g", maxOutput: maxOutput, wanted: wanted), OutcomeKind.Granted);
        Assert.Equal((allowed, final), (granted.Number, granted.Final));
    }

    [Theory]
    [InlineData(128, 256)] // 128 unspent: half a chunk, enough
    [InlineData(129, 512)] // below half
    [InlineData(256, 512)]
    public void A_grant_is_renewed_when_less_than_half_a_chunk_is_unspent(long reported, long allowed)
    {
        var scene = new OwnerScene(Conversation1000);
        scene.Start("g");
        var outcomes = scene.Chunk("g", 1, reported);
        Assert.Equal(allowed, outcomes.Count == 0 ? 256 : Only(outcomes, OutcomeKind.Granted).Number);
    }

    [Fact]
    public void U1_grants_of_many_generations_never_pass_the_cap_together()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 700));
        Assert.Equal(256, Only(scene.Start("a", "c1"), OutcomeKind.Granted).Number);
        Assert.Equal(256, Only(scene.Start("b", "c2"), OutcomeKind.Granted).Number);
        var last = Only(scene.Start("c", "c3"), OutcomeKind.Granted);
        Assert.Equal((188, false), (last.Number, last.Final)); // not final: others may return theirs
        var denied = Only(scene.Start("d", "c4"), OutcomeKind.Denied);
        Assert.Equal((Reasons.CapReached, CapWindow.BillingPeriod, OwnerScene.Feb1), (denied.Why.Code, denied.Window, denied.When));
    }

    [Fact]
    public void U2_what_one_generation_returns_is_granted_to_another_that_waits()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 512));
        scene.Start("a", "c1");
        scene.Start("b", "c2");
        Assert.DoesNotContain(scene.Chunk("b", 1, 256), o => o.Kind is OutcomeKind.Granted or OutcomeKind.Stopped); // it waits
        scene.Chunk("a", 1, 100);
        var granted = Only(scene.Finish("a", 2), OutcomeKind.Granted);
        Assert.Equal((scene.Of("b"), 256 + 156L, true), (granted.Generation, granted.Number, granted.Final));
        Assert.Equal((Reasons.CapReached, CapWindow.BillingPeriod), (granted.Why.Code, granted.Window)); // why no more will follow
    }

    [Fact]
    public void A_grant_of_all_that_was_asked_for_gives_no_reason_whatever_has_happened_since()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.BillingPeriod, 1_000));
        scene.Start("g", maxOutput: 200);
        scene.Change(OwnerScene.Terms(2, Cap.Hard(CapWindow.BillingPeriod, 1_000)) with { Active = false });
        Outcome[] granted = [.. scene.Chunk("g", 1, 150).Concat(scene.Renew("g")).Where(o => o.Kind == OutcomeKind.Granted)];
        Assert.NotEmpty(granted);
        Assert.All(granted, o => Assert.True(o is { Number: 200, Final: true, Why.Code: null, Window: null }));
    }

    [Fact]
    public void A_spent_cap_stops_the_generation_and_names_the_window()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 300));
        scene.Start("g");
        Assert.True(Only(scene.Chunk("g", 1, 200), OutcomeKind.Granted) is { Number: 300, Final: true });
        var stopped = Only(scene.Chunk("g", 2, 300), OutcomeKind.Stopped);
        Assert.Equal((Reasons.CapReached, CapWindow.Conversation), (stopped.Why.Code, stopped.Window));
        Assert.Equal((300, 0), scene.In(CapWindow.Conversation));
        Assert.Equal(Reasons.CapReached, Only(scene.Start("h"), OutcomeKind.Denied).Why.Code);
        Assert.Equal(256, Only(scene.Start("i", "another"), OutcomeKind.Granted).Number);
    }

    [Fact]
    public void A_billed_cap_never_stops()
    {
        var scene = new OwnerScene(new Cap(CapWindow.BillingPeriod, 100, Cap.GeneratedTokens, CapEnforcement.Billed));
        scene.Start("g");
        Assert.Equal(512, Only(scene.Chunk("g", 1, 256), OutcomeKind.Granted).Number);
        Assert.Equal(256, scene.In(CapWindow.BillingPeriod).Used);
    }

    [Fact]
    public void Tokens_beyond_a_live_grant_are_overrun_never_used_and_stop_the_generation()
    {
        var scene = new OwnerScene(Conversation1000);
        scene.Start("g");
        Assert.Equal(Reasons.BeyondGrant, Only(scene.Chunk("g", 1, 300, 100), OutcomeKind.Stopped).Why.Code);
        var row = scene.Rows[^1];
        Assert.Equal((new Tally(0, 0, 0, 156, 100), 144), (row.Tokens, row.OverrunTokens)); // reasoning came first
        Assert.Equal((256, 0), scene.In(CapWindow.Conversation));
        scene.Chunk("g", 2, 320, 100);
        Assert.Equal(20, scene.Rows[^1].OverrunTokens);
        Assert.Equal((256, 0), scene.In(CapWindow.Conversation));
    }

    [Fact]
    public void A_prompt_is_known_at_start_checked_whole_and_recorded_once()
    {
        var scene = new OwnerScene(new Cap(CapWindow.BillingPeriod, 1_000, [TokenKind.Input, TokenKind.Output], CapEnforcement.Hard));
        Assert.Equal(Reasons.CapReached, Only(scene.Start("large", input: 1_001), OutcomeKind.Denied).Why.Code);
        Assert.Equal(100, Only(scene.Start("g", input: 900), OutcomeKind.Granted).Number);
        Assert.Equal((0, 900), (scene.Rows[0].Sequence, scene.Rows[0].Tokens.Input));
        scene.Start("g", input: 900);
        Assert.Single(scene.Rows);
        Assert.Equal((900, 100), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void U6_a_reservation_ends_once_whether_settled_or_lapsed()
    {
        var scene = new OwnerScene(Conversation1000);
        scene.Start("settled");
        scene.Start("lapsed");
        scene.Chunk("settled", 1, 10);
        scene.Finish("settled", 2);
        Assert.Equal((10, 256), scene.In(CapWindow.Conversation));
        scene.Finish("settled", 2);
        scene.After(TimeSpan.FromSeconds(61));
        Assert.Equal(Reasons.GrantExpired, Only(scene.Expire(), OutcomeKind.Stopped).Why.Code);
        Assert.Equal((10, 0), scene.In(CapWindow.Conversation));
        Assert.Empty(scene.Expire());
        scene.Finish("lapsed", 1);
        Assert.Equal(0, scene.Owner.HeldTokens);
    }

    [Fact]
    public void Granted_tokens_reported_after_the_lease_are_used_where_room_is_left_and_overrun_where_not()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 300));
        scene.Start("late");
        scene.After(TimeSpan.FromSeconds(61));
        scene.Expire();
        scene.Start("other");
        scene.Chunk("late", 1, 200);
        Assert.Equal((44, 156), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
        Assert.Equal((44, 256), scene.In(CapWindow.Conversation));
    }

    [Fact]
    public void U2_a_final_grant_that_lapsed_with_tokens_left_is_granted_again()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 300));
        Assert.True(Only(scene.Start("g", wanted: 300), OutcomeKind.Granted).Final);
        scene.Chunk("g", 1, 266);
        scene.After(TimeSpan.FromSeconds(61));
        Assert.Equal(Reasons.GrantExpired, Only(scene.Expire(), OutcomeKind.Stopped).Why.Code);
        var granted = Only(scene.Start("g"), OutcomeKind.Granted);
        Assert.Equal((300, true, Reasons.CapReached), (granted.Number, granted.Final, granted.Why.Code));
        // Meanwhile somebody else may have had them.
        scene.After(TimeSpan.FromSeconds(61));
        scene.Expire();
        scene.Start("other");
        scene.Finish("other", 1, totals: new(0, 0, 0, 34, 0));
        Assert.Equal(Reasons.CapReached, Only(scene.Start("g"), OutcomeKind.Stopped).Why.Code);
    }

    [Fact]
    public void A_late_report_with_room_left_is_answered_with_a_fresh_grant()
    {
        var scene = new OwnerScene(Conversation1000);
        scene.Start("late");
        scene.After(TimeSpan.FromSeconds(61));
        var granted = Only(scene.Chunk("late", 1, 200), OutcomeKind.Granted);
        Assert.Equal(456, granted.Number);
        Assert.Equal(0, scene.Rows[^1].OverrunTokens);
    }

    [Fact]
    public void A_word_from_the_runtime_keeps_its_lease_alive_and_is_told_when_half_of_it_is_gone()
    {
        var scene = new OwnerScene(Conversation1000);
        var expires = Only(scene.Start("g"), OutcomeKind.Granted).When;
        scene.After(TimeSpan.FromSeconds(10));
        Assert.Empty(scene.Chunk("g", 1, 1));
        scene.After(TimeSpan.FromSeconds(30));
        Assert.True(Only(scene.Chunk("g", 2, 2), OutcomeKind.Granted).When > expires);
    }
}
