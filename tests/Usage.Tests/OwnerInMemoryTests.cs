using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

/// <summary>What one process keeps around an owner: when the tables must be asked, what is made of their answer, and what is forgotten because they know it.</summary>
public sealed class OwnerInMemoryTests
{
    private static readonly Moment Now = new(OwnerScene.Jan1, OwnerScene.Jan1);
    private static readonly TimeSpan Lease = OwnerScene.Limits.Lease;
    private readonly InMemory _memory = new();

    private sealed class InMemory() : OwnerInMemory(new SubscriptionOwner(OwnerScene.Subscription, OwnerScene.Limits), epoch: 2);

    [Fact]
    public void The_tables_are_asked_about_what_they_may_know_and_not_about_newer_generations()
    {
        Assert.True(_memory.NeedsLoading("c", Header(1).Id, storeIsAway: false));
        var tables = Tables();
        tables.LastGeneration = Header(1).Id;
        tables.GenerationsAhead.Add(Header(3).Id);
        Load(tables);
        Assert.True(_memory.NeedsLoading("c", Header(1).Id, storeIsAway: false));
        Assert.False(_memory.NeedsLoading("c", Header(2).Id, storeIsAway: false));
        Assert.True(_memory.NeedsLoading("c", Header(3).Id, storeIsAway: false));
        Assert.False(_memory.NeedsLoading("c", Header(4).Id, storeIsAway: false));
        Assert.True(_memory.NeedsLoading("another", Header(4).Id, storeIsAway: false));
        Assert.True(_memory.NeedsLoading("c", Header(4).Id, storeIsAway: true));
    }

    [Fact]
    public void What_was_forgotten_is_asked_for_again()
    {
        Load(Tables());
        var generation = _memory.Start(Header(2), null, 0, resumed: false, default, isUnheard: false, Now).Generation!;
        Assert.False(_memory.NeedsLoading("c", generation.Id, storeIsAway: false));
        _memory.Forget(generation);
        Assert.True(_memory.NeedsLoading("c", generation.Id, storeIsAway: false));
    }

    [Fact]
    public void What_was_read_before_a_correction_is_read_again()
    {
        Assert.False(_memory.TryLoad(Tables(), new(Corrections: -1, Forgotten: 0), "c", Guid.Empty, storeIsAway: false, Now));
        Assert.False(_memory.IsLoaded);
        Assert.False(_memory.TryLoad(null, default, "c", Guid.Empty, storeIsAway: false, Now));
    }

    [Fact]
    public void What_was_read_of_what_has_been_forgotten_since_is_read_again()
    {
        Load(Tables());
        _memory.Pin();
        var before = _memory.ReadPoint;
        var generation = Start(Header(2), null).Generation!;
        Assert.True(_memory.TryLoad(Tables(), before, "c", generation.Id, storeIsAway: false, Now)); // memory counts
        _memory.Forget(generation);
        Assert.False(_memory.TryLoad(Tables(), before, "c", Guid.Empty, storeIsAway: false, Now));
        Assert.False(_memory.TryLoad(Tables(), before, "", generation.Id, storeIsAway: false, Now));
        Assert.True(_memory.TryLoad(Tables(), before, "another", Header(3).Id, storeIsAway: false, Now));
        Assert.True(_memory.TryLoad(Tables(), _memory.ReadPoint, "c", generation.Id, storeIsAway: false, Now));
    }

    [Fact]
    public void Of_much_that_has_been_forgotten_only_some_is_told_apart_from_what_has_not()
    {
        Load(Tables());
        _memory.Pin();
        var before = _memory.ReadPoint;
        for (var second = 1; second <= 1_001; second++) _memory.Forget(Start(Header(second), null).Generation!);
        Assert.False(_memory.TryLoad(Tables(), before, "another", Guid.Empty, storeIsAway: false, Now));
        Assert.True(_memory.TryLoad(Tables(), _memory.ReadPoint, "another", Guid.Empty, storeIsAway: false, Now));
    }

    /// <summary>Tokens that were granted, lapsed with their lease and forgotten are left to whoever comes next.</summary>
    [Fact]
    public void What_lapsed_may_be_reported_to_a_successor_though_its_generation_was_forgotten()
    {
        Load(Tables());
        _memory.Owner.SlabDurable(1_024, Now.Real + 2 * Lease, Now, []);
        var generation = Start(Header(1), null).Generation!;
        var late = new Moment(Now.Real + Lease, Now.Business);
        _memory.Owner.Expire(late, []);
        _memory.Owner.Forget(generation);
        var left = _memory.Remainder(late.Real)!.Value;
        Assert.Equal([new(256, DateTimeOffset.UnixEpoch)], left.Inherited);

        var successor = new InMemory();
        var tables = Tables();
        tables.Slab = (1, left.Inherited);
        Assert.True(successor.TryLoad(tables, default, "c", Guid.Empty, storeIsAway: false, late));
        var back = successor.Owner.LoadGeneration(Header(1), new RecordedGeneration(0, Tally.Zero, Tally.Zero, 0, FinishReason.None));
        successor.Owner.Count(back, new Frame(1, new(0, 0, 0, 256, 0), true, null, FinishReason.None), 0, late, []);
        Assert.Equal((256, 0), (back.GeneratedTokens - back.OverrunTokens, back.OverrunTokens));
        Assert.Equal([], successor.Remainder(late.Real)!.Value.Inherited);
    }

    [Fact]
    public void Another_owners_slab_is_reserved_and_one_of_this_tenure_is_not()
    {
        var tables = Tables();
        tables.Slab = (1, [new(100, Now.Real + Lease)]);
        Load(tables);
        Assert.Equal(100, Assert.Single(_memory.Owner.Balance(null, Now)).ReservedTokens);

        var again = new InMemory();
        tables.Slab = (2, [new(100, Now.Real + Lease)]);
        Assert.True(again.TryLoad(tables, default, "c", Guid.Empty, storeIsAway: false, Now));
        Assert.Equal(0, Assert.Single(again.Owner.Balance(null, Now)).ReservedTokens);
    }

    [Fact]
    public void A_Start_meets_what_the_tables_have_of_its_generation()
    {
        Load(Tables());
        var finished = new RecordedGeneration(5, new(0, 0, 0, 9, 0), new(0, 0, 0, 9, 0), 0, FinishReason.Stop);
        Assert.Equal(5, Start(Header(1), (Header(1), finished)).FinishedAt);
        Assert.Equal(Reasons.GenerationReused, Start(Header(1), (OwnerScene.Header("g", input: 1) with { Id = Header(1).Id }, finished)).Denied!.Value.Why.Code);
        var running = Start(Header(1), (Header(1), finished with { Finish = FinishReason.None })).Generation!;
        Assert.Equal((6, 9), (running.NextSequence, running.GeneratedTokens));
    }

    [Fact]
    public void A_Start_that_nobody_hears_of_opens_nothing()
    {
        Load(Tables());
        Assert.Equal(default, _memory.Start(Header(1), null, 0, resumed: false, default, isUnheard: true, Now));
        Assert.Equal(0, _memory.Owner.Generations);
    }

    [Fact]
    public void A_denial_is_for_whoever_asked_and_not_among_the_outcomes()
    {
        Load(Tables(tokens: 0));
        Assert.Equal(Reasons.CapReached, Start(Header(1), null).Denied!.Value.Why.Code);
        Assert.DoesNotContain(_memory.TakeOutcomes(), o => o.Kind == OutcomeKind.Denied);
    }

    [Fact]
    public void One_that_has_not_read_the_tables_leaves_nothing_behind()
    {
        Assert.Null(_memory.Remainder(Now.Real));
        Load(Tables());
        Assert.Equal(0, _memory.Remainder(Now.Real)!.Value.Tokens);
    }

    [Fact]
    public void It_is_forgotten_when_nobody_has_asked_for_a_lease_and_nobody_is_about_to()
    {
        Load(Tables());
        _memory.LastTurn = Now.Real;
        Assert.False(Forget(Now.Real + Lease - TimeSpan.FromSeconds(1)));
        _memory.Pin();
        Assert.False(Forget(Now.Real + Lease));
        _memory.Unpin();
        Assert.True(Forget(Now.Real + Lease));
        _memory.UncommittedRows++;
        Assert.False(Forget(Now.Real + Lease));
    }

    [Fact]
    public void It_is_kept_until_the_slab_that_it_inherited_has_ended_though_all_of_that_is_accounted_for()
    {
        var tables = Tables();
        tables.Slab = (1, [new(100, Now.Real + 2 * Lease)]);
        Load(tables);
        var back = _memory.Owner.LoadGeneration(Header(1), new RecordedGeneration(0, Tally.Zero, Tally.Zero, 0, FinishReason.None));
        _memory.Owner.Count(back, new Frame(1, new(0, 0, 0, 100, 0), true, null, FinishReason.Stop), 0, Now, _memory.Outcomes);
        foreach (var row in _memory.TakeOutcomes().Select(o => o.Row).OfType<UsageRow>())
        {
            _memory.UncommittedRows++;
            _memory.Durable(row);
        }
        _memory.Forget(back);
        _memory.LastTurn = Now.Real;
        Assert.Equal((100, 0), (Assert.Single(_memory.Owner.Balance(null, Now)).UsedTokens, Assert.Single(_memory.Owner.Balance(null, Now)).ReservedTokens));
        _memory.Owner.Expire(Now with { Real = Now.Real + Lease, Confirmed = Now.Real + Lease }, []);
        Assert.False(Forget(Now.Real + Lease));
        _memory.Owner.Expire(Now with { Real = Now.Real + 2 * Lease, Confirmed = Now.Real + 2 * Lease }, []);
        Assert.True(Forget(Now.Real + 2 * Lease));
    }

    [Theory]
    [InlineData(null, null, FinishReason.None, Reasons.GenerationUnknown)]
    [InlineData(7L, 3L, FinishReason.None, null)]
    [InlineData(8L, 3L, FinishReason.None, Reasons.SequenceReused)]
    [InlineData(null, 3L, FinishReason.None, Reasons.GenerationUnknown)]
    [InlineData(null, 3L, FinishReason.Stop, Reasons.GenerationFinished)]
    public void A_repeat_is_met_with_its_row(long? recorded, long? last, FinishReason finish, string? reason) =>
        Assert.Equal(reason, new StoredSequence(recorded, last, finish, OwnerScene.Subscription).Refusing(7)?.Code);

    private bool Forget(DateTimeOffset at) => _memory.ForgetSilent(at, Lease, Lease, []);

    private StartAnswer Start(GenerationHeader header, (GenerationHeader, RecordedGeneration)? stored) => _memory.Start(header, stored, 0, resumed: false, default, isUnheard: false, Now);

    private void Load(Loaded tables) => Assert.True(_memory.TryLoad(tables, default, "c", Guid.Empty, storeIsAway: false, Now));

    private static Loaded Tables(long tokens = 10_000) => new() { Terms = OwnerScene.Terms(1, Cap.Hard(CapWindow.BillingPeriod, tokens)) };

    private static GenerationHeader Header(int second) => OwnerScene.Header("g") with { Id = Ids.DeriveGuid(OwnerScene.Jan1.AddSeconds(second), "generation") };
}
