using Usage.Caps;

namespace Usage.Tests;

public sealed class SlabTests
{
    private static readonly Cap Period2000 = Cap.Hard(CapWindow.BillingPeriod, 2_000);

    [Fact]
    public void No_token_goes_out_before_the_slab_that_covers_it_is_durable()
    {
        var scene = new OwnerScene(slabAtOnce: false, Period2000);
        Assert.Empty(scene.Start("g", input: 5));
        Assert.Empty(scene.Rows);
        var asked = scene.Slab!.Value;
        Assert.Equal(Reasons.GrantPending, Assert.Single(scene.Chunk("g", 1, 10)).Why.Code);
        var outcomes = scene.Turn(o => scene.Owner.SlabDurable(asked.Number, asked.When!.Value, scene.Now, o));
        Assert.Equal(256, Assert.Single(outcomes).Number);
        Assert.Single(scene.Rows);
    }

    [Fact]
    public void A_slab_reserves_nothing_while_its_owner_lives_and_is_not_written_for_every_grant()
    {
        var scene = new OwnerScene(Period2000);
        scene.Start("a", "c1");
        var slab = scene.Slab;
        scene.Start("b", "c2");
        scene.Start("c", "c3");
        Assert.Equal(slab, scene.Slab);
        Assert.Equal((0, 768), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void The_next_slab_is_asked_for_before_this_one_is_used_up_and_nobody_waits_for_it()
    {
        var scene = new OwnerScene(slabAtOnce: false, Cap.Hard(CapWindow.BillingPeriod, 100_000));
        scene.Start("a", "c1");
        var first = scene.Slab!.Value;
        scene.Turn(o => scene.Owner.SlabDurable(first.Number, first.When!.Value, scene.Now, o));
        foreach (var name in new[] { "b", "c" }) Assert.Equal(OutcomeKind.Granted, scene.Start(name, name)[^1].Kind);
        Assert.Equal(1_024, scene.Slab!.Value.Number);

        var fourth = scene.Start("d", "d");
        Assert.Contains(fourth, o => o is { Kind: OutcomeKind.Granted, Number: 256 });
        Assert.Equal(2 * 1_024 + 256, scene.Slab!.Value.Number);
        // Until it is durable either of the two may be what a successor finds.
        Assert.DoesNotContain(scene.Start("e", "e"), o => o.Kind == OutcomeKind.Granted);
    }

    [Fact]
    public void U1_an_inherited_slab_counts_as_reserved_until_its_lease_ends()
    {
        var scene = new OwnerScene(slabAtOnce: true, Period2000);
        scene.Owner.InheritSlab(1_900, scene.Now.Real.AddSeconds(120));
        Assert.Equal(100, scene.Start("a")[^1].Number);
        Assert.Equal(Reasons.CapReached, scene.Start("b", "c2")[0].Why.Code);
        scene.After(TimeSpan.FromSeconds(120));
        Assert.Equal(256, scene.Start("b", "c2")[^1].Number);
    }

    [Fact]
    public void U1_what_was_told_before_an_extension_was_kept_back_is_left_behind_in_good_order_too()
    {
        var scene = new OwnerScene(slabAtOnce: false, Cap.Hard(CapWindow.BillingPeriod, 1_000_000));
        scene.Start("g");
        Durable();
        for (var sequence = 1; sequence < 100 && !scene.Of("g").Withheld; sequence++) scene.Chunk("g", sequence, 60 * sequence);
        var generation = scene.Of("g");
        Assert.True(generation.Withheld && generation.Told > generation.GeneratedTokens);
        scene.Commit();
        Assert.Equal(generation.Told - generation.GeneratedTokens, scene.Owner.Remainder(scene.Now.Real).Tokens);

        void Durable() => scene.Turn(o => scene.Owner.SlabDurable(scene.Slab!.Value.Number, scene.Slab.Value.When!.Value, scene.Now, o));
    }

    [Fact]
    public void What_a_lost_owner_granted_is_used_when_it_is_reported_to_the_next()
    {
        var scene = new OwnerScene(slabAtOnce: true, Period2000);
        scene.Owner.InheritSlab(2_000, scene.Now.Real.AddSeconds(120));
        scene.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        var resumed = scene.Start("g");
        Assert.Equal((OutcomeKind.Granted, 0, false), (resumed[^1].Kind, resumed[^1].Number, resumed[^1].Final)); // nothing new, and nothing taken away
        scene.Chunk("g", 1, 200);
        Assert.Equal((200, 0), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
        Assert.Equal((200, 1_800), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void What_a_lost_owner_granted_can_be_reported_even_when_nothing_of_it_was_committed_and_others_have_used_up_the_cap()
    {
        var scene = new OwnerScene(slabAtOnce: true, Cap.Hard(CapWindow.BillingPeriod, 300));
        scene.Start("other", "c2");
        scene.Chunk("other", 1, 256);
        scene.Chunk("other", 2, 300);
        Assert.Equal(Reasons.CapReached, scene.Start("g")[0].Why.Code); // as new it is denied
        var resumed = scene.Turn(o => scene.Owner.Start(OwnerScene.Header("g"), 0, scene.Now, o, resumed: true));
        Assert.Equal((OutcomeKind.Stopped, Reasons.CapReached), (resumed[^1].Kind, resumed[^1].Why.Code));
        scene.Chunk("g", 1, 40);
        Assert.Equal((0, 40), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens)); // never billed, and the cap holds
        Assert.Equal((300, 0), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void What_a_lost_owner_granted_is_used_where_its_slab_still_reserves_it()
    {
        var scene = new OwnerScene(slabAtOnce: true, Cap.Hard(CapWindow.BillingPeriod, 300));
        scene.Owner.InheritSlab(300, scene.Now.Real.AddSeconds(120));
        var resumed = scene.Turn(o => scene.Owner.Start(OwnerScene.Header("g"), 0, scene.Now, o, resumed: true));
        Assert.Equal((OutcomeKind.Granted, 0), (resumed[^1].Kind, resumed[^1].Number)); // nothing new until the slab ends, and no denial
        scene.Chunk("g", 1, 40);
        Assert.Equal((40, 0), (scene.Rows[^1].Tokens.Output, scene.Rows[^1].OverrunTokens));
        Assert.Equal((40, 260), scene.In(CapWindow.BillingPeriod));
    }

    [Fact]
    public void A_prompt_that_others_have_left_no_room_for_is_denied_even_when_its_runtime_resumes()
    {
        var scene = new OwnerScene(slabAtOnce: true, Cap.Hard(CapWindow.BillingPeriod, 300) with { Counts = [TokenKind.Input, TokenKind.Output] });
        scene.Start("other", "c2", input: 250);
        Assert.Equal(Reasons.CapReached, scene.Turn(o => scene.Owner.Start(OwnerScene.Header("g", input: 100), 0, scene.Now, o, resumed: true))[0].Why.Code);
    }

    [Fact]
    public void Frames_sent_again_that_use_up_a_withheld_grant_are_followed_by_the_next_one()
    {
        var scene = new OwnerScene(slabAtOnce: false, Period2000);
        scene.Owner.InheritSlab(1_000, scene.Now.Real.AddSeconds(120));
        scene.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        Assert.Equal(OutcomeKind.Resumed, Assert.Single(scene.Start("g")).Kind); // a grant is reserved, and kept back until its slab is durable
        var asked = scene.Slab!.Value;
        Assert.Empty(scene.Chunk("g", 1, 256)); // what the lost owner had granted takes the reservation
        var granted = scene.Turn(o => scene.Owner.SlabDurable(asked.Number, asked.When!.Value, scene.Now, o));
        Assert.Equal((OutcomeKind.Granted, 512), (granted[^1].Kind, granted[^1].Number));
    }

    [Fact]
    public void A_slab_that_came_too_late_is_asked_for_again_even_when_nothing_is_held_any_more()
    {
        var scene = new OwnerScene(slabAtOnce: false, Period2000);
        scene.Owner.InheritSlab(1_000, scene.Now.Real.AddSeconds(120));
        scene.Owner.LoadGeneration(OwnerScene.Header("g"), default);
        scene.Start("g");
        var late = scene.Slab!.Value;
        scene.Chunk("g", 1, 256); // what the lost owner had granted takes the reservation: nothing is held, and the next grant waits for the slab
        scene.Commit();
        scene.After(TimeSpan.FromSeconds(119)); // the database was slow: the slab ends before it covers a lease
        scene.Turn(o => scene.Owner.SlabDurable(late.Number, late.When!.Value, scene.Now, o));
        var again = scene.Slab!.Value;
        Assert.True(again.When > late.When);
        var granted = scene.Turn(o => scene.Owner.SlabDurable(again.Number, again.When!.Value, scene.Now, o));
        Assert.Equal((OutcomeKind.Granted, 512), (granted[^1].Kind, granted[^1].Number));
    }

    [Fact]
    public void Whoever_resumes_a_generation_that_is_over_is_told_so_again()
    {
        var scene = new OwnerScene(Cap.Hard(CapWindow.Conversation, 100));
        scene.Start("g");
        Assert.Equal(OutcomeKind.Stopped, scene.Chunk("g", 1, 100)[^1].Kind); // and the connection breaks before it is heard
        scene.Commit();
        var resumed = scene.Start("g");
        Assert.Equal((OutcomeKind.Stopped, Reasons.CapReached), (resumed[^1].Kind, resumed[^1].Why.Code));
    }

    [Fact]
    public void A_slab_covers_what_is_reported_and_not_yet_committed()
    {
        var scene = new OwnerScene(slabAtOnce: false, Cap.Hard(CapWindow.BillingPeriod, 10_000));
        scene.Start("g");
        var first = scene.Slab!.Value;
        scene.Turn(o => scene.Owner.SlabDurable(first.Number, first.When!.Value, scene.Now, o));
        var allowed = 256L;
        for (var sequence = 1; sequence <= 20; sequence++)
        {
            var granted = scene.Chunk("g", sequence, allowed).Where(o => o.Kind == OutcomeKind.Granted).ToList();
            if (granted.Count == 0) break;
            allowed = granted[^1].Number;
            Assert.True(allowed <= first.Number);
        }
        Assert.True(scene.Of("g").Withheld); // a larger slab is asked for first
        Assert.True(scene.Slab!.Value.Number > first.Number);
    }

    [Fact]
    public void An_owner_that_ends_in_good_order_leaves_exactly_what_is_out()
    {
        var scene = new OwnerScene(Period2000);
        scene.Start("a");
        scene.Chunk("a", 1, 100);
        scene.Commit();
        Assert.Equal((156, scene.Now.Real.AddSeconds(60)), scene.Owner.Remainder(scene.Now.Real));
        scene.Finish("a", 2);
        scene.Commit();
        Assert.Equal(0, scene.Owner.Remainder(scene.Now.Real).Tokens);
    }
}
