using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests;

/// <summary>
/// A small world around the real owner: honest runtimes that keep to their grants, imports that keep to nothing, a table that commits late, a
/// slab that becomes durable late, and crashes that forget everything else. After every step the invariants are checked from the outside.
/// </summary>
internal sealed class World
{
    public const int GenerationCount = 8;
    private static readonly MeterLimits Limits = new(ChunkTokens: 8, GrantTokensMax: 64, Lease: TimeSpan.FromSeconds(60), GenerationsMax: 100);

    private sealed class Runtime
    {
        public required GenerationHeader Header { get; init; }
        /// <summary>What another system has metered of it: then it is only ever imported. 0 for a runtime of our own.</summary>
        public long Imported { get; init; }
        public List<(long Allowed, DateTimeOffset Until)> Grants { get; } = [];
        public List<Frame> Unacknowledged { get; } = [];
        public long Generated, NextSequence = 1, AcknowledgedFrames;
        public bool Finished;

        /// <summary>The most it may generate now: the largest grant that has not expired.</summary>
        public long Allowed(DateTimeOffset now) => Grants.Where(g => g.Until > now).Select(g => g.Allowed).DefaultIfEmpty(0).Max();
    }

    private readonly Runtime[] _runtimes;
    private readonly SubscriptionTerms _terms;
    private readonly long _conversationCap, _periodCap;
    private readonly List<UsageRow> _table = [];
    private readonly List<UsageRow> _queue = [];
    private readonly List<Outcome> _outcomes = [];
    private Outcome? _slabAsked;
    // Tokens reported after their lease to a successor that cannot know it: it counts them as if the slab had reserved them. Then what
    // others were granted may come out as overrun, but what is used and held stays below the cap all the same.
    private bool _lateAfterCrash;
    private InheritedSlab[] _slabAskedBeside = [], _slabRow = [], _slabAtCrash = [];
    private SubscriptionOwner _owner;
    private Moment _now = new(OwnerScene.Jan1, OwnerScene.Jan1);

    public World(long conversationCap, long periodCap)
    {
        (_conversationCap, _periodCap) = (conversationCap, periodCap);
        _terms = OwnerScene.Terms(1, Cap.Hard(CapWindow.Conversation, conversationCap), Cap.Hard(CapWindow.BillingPeriod, periodCap));
        _runtimes = [.. Enumerable.Range(0, GenerationCount).Select(i => new Runtime { Header = OwnerScene.Header($"g{i}", $"c{i % 2}", maxOutput: i == 5 ? 20 : 0), Imported = i switch { 6 => 9, 7 => 45, _ => 0 } })];
        _owner = NewOwner();
    }

    public long Crashes { get; private set; }
    public long CommittedTokens => _table.Sum(r => r.Tokens.Generated);
    private long OverrunTokens => _table.Where(r => _runtimes.Single(o => o.Header.Id == r.Generation.Id).Imported == 0).Sum(r => r.OverrunTokens);

    public void Step(int operation, int which, int amount)
    {
        var runtime = _runtimes[which % GenerationCount];
        switch (operation % 12)
        {
            case < 7 when runtime.Imported > 0: Import(runtime); break;
            case 0 or 1: Start(runtime, amount % 5 == 0 ? amount % 40 : 0); break;
            case 2 or 3 or 4: Generate(runtime, amount); break;
            case 5: SendAll(runtime); break;
            case 6: Finish(runtime); break;
            case 7: Commit(amount); break;
            case 8: MakeSlabDurable(); break;
            case 9: Pass(TimeSpan.FromSeconds(amount % 50)); break;
            case 10: Expire(); break;
            default: if (amount % 3 == 0) Crash(amount); else if (_owner.Find(runtime.Header.Id) is { } g) Turn(runtime, o => _owner.Renew(g, 0, _now, o)); break;
        }
        CheckInvariants();
    }

    /// <summary>Everything that is still on its way arrives; then all that was acknowledged is in the table, once.</summary>
    public void Settle()
    {
        Pass(Limits.SlabLease + Limits.SlabLease);
        Expire();
        for (var round = 0; round < 3; round++)
            foreach (var runtime in _runtimes)
            {
                if (runtime.Imported > 0) Import(runtime);
                else Start(runtime, 0);
                MakeSlabDurable();
                if (runtime.Imported == 0) SendAll(runtime);
                Finish(runtime);
                Commit(int.MaxValue);
                CheckInvariants();
            }
        foreach (var imported in _runtimes.Where(r => r.Imported > 0))
            Assert.Equal(imported.Imported, _table.Where(r => r.Generation.Id == imported.Header.Id).Sum(r => r.Tokens.Generated + r.OverrunTokens));
        foreach (var runtime in _runtimes)
        {
            var rows = _table.Where(r => r.Generation.Id == runtime.Header.Id && r.Sequence > 0).ToList();
            Assert.True(rows.Count >= runtime.AcknowledgedFrames, "U3: what was acknowledged is in the table");
            if (runtime.Unacknowledged.Count == 0 && rows.Count > 0)
                Assert.Equal(runtime.Generated, rows.Sum(r => r.Tokens.Generated + r.OverrunTokens));
        }
        Assert.Equal(0, _owner.HeldTokens);
    }

    private SubscriptionOwner NewOwner()
    {
        var owner = new SubscriptionOwner(OwnerScene.Subscription, Limits);
        owner.LoadPeriod(OwnerScene.January.Id, new Tally(0, 0, 0, CommittedTokens, 0));
        owner.ChangeTerms(_terms, _now, []);
        return owner;
    }

    private void Start(Runtime runtime, long wanted)
    {
        if (runtime.Finished && runtime.Unacknowledged.Count == 0) return;
        if (!Load(runtime)) return;
        Turn(runtime, outcomes => _owner.Start(runtime.Header, wanted, _now, outcomes, resumed: runtime.Grants.Count > 0));
    }

    /// <summary>The same at every attempt, until it is acknowledged.</summary>
    private void Import(Runtime runtime)
    {
        if (runtime.AcknowledgedFrames > 0) return;
        if (!runtime.Finished) runtime.Unacknowledged.Add(new Frame(1, new Tally(0, 0, 0, runtime.Imported, 0), true, null, FinishReason.Stop));
        (runtime.Finished, runtime.Generated) = (true, runtime.Imported);
        if (Load(runtime)) Turn(runtime, outcomes => _owner.Import(runtime.Header, runtime.Unacknowledged[0], _now, outcomes));
    }

    /// <summary>What the tables have of its conversation and of itself. False if that is all there will ever be.</summary>
    private bool Load(Runtime runtime)
    {
        var header = runtime.Header;
        if (!_owner.Knows(header.Conversation))
            _owner.LoadConversation(header.Conversation, new Tally(0, 0, 0, _table.Where(r => r.Generation.Header.Conversation == header.Conversation).Sum(r => r.Tokens.Generated), 0), _now);
        var rows = _table.Where(r => r.Generation.Id == header.Id).ToList();
        if (_owner.Find(header.Id) is null && rows.Count > 0)
        {
            if (rows[^1].Finish != FinishReason.None) { Acknowledge(runtime, rows[^1].Sequence); return false; }
            var counted = new Tally(0, 0, 0, rows.Sum(r => r.Tokens.Generated), 0);
            _owner.LoadGeneration(header, new RecordedGeneration(rows[^1].Sequence, rows[^1].Reported, counted, rows.Sum(r => r.OverrunTokens), FinishReason.None));
        }
        return true;
    }

    private void Generate(Runtime runtime, int amount)
    {
        var may = runtime.Allowed(_now.Real) - runtime.Generated;
        if (runtime.Finished || may <= 0) return;
        runtime.Generated += 1 + amount % may;
        Say(runtime, new Frame(runtime.NextSequence++, new Tally(0, 0, 0, runtime.Generated, 0), true, null, FinishReason.None), sent: amount % 4 != 0);
    }

    private void Finish(Runtime runtime)
    {
        if (runtime.Finished || runtime.Grants.Count == 0) return;
        runtime.Finished = true;
        Say(runtime, new Frame(runtime.NextSequence++, Tally.Zero, false, null, FinishReason.Stop), sent: true);
    }

    private void Say(Runtime runtime, Frame frame, bool sent)
    {
        runtime.Unacknowledged.Add(frame);
        if (sent) Send(runtime, frame);
    }

    private void SendAll(Runtime runtime)
    {
        foreach (var frame in runtime.Unacknowledged.ToList()) Send(runtime, frame);
    }

    private void Send(Runtime runtime, Frame frame)
    {
        _lateAfterCrash |= Crashes > 0 && runtime.Generated > runtime.Allowed(_now.Real);
        if (_owner.Find(runtime.Header.Id) is not { } generation) return;
        var waited = Waiting().Where(g => !IsAnswered(g)).ToList();
        Turn(runtime, outcomes => _owner.Count(generation, frame, 0, _now, outcomes));
        Assert.All(waited.Where(g => g.Waiting), g => Assert.False(IsAnswered(g), "U2: a chunk that leaves room, or nothing to wait for, is heard of by those who wait"));
    }

    private IEnumerable<Generation> Waiting() => _runtimes.Select(r => _owner.Find(r.Header.Id)).OfType<Generation>().Where(g => g.Waiting);

    /// <summary>There is room for it, or nothing that it could wait for.</summary>
    private bool IsAnswered(Generation waiting)
    {
        var conversation = waiting.Header.Conversation;
        return Room(conversation) > 0 || (waiting.Held == 0 && (Counted(null) >= _periodCap || Counted(conversation) >= _conversationCap));
    }

    private void Commit(int amount)
    {
        var rows = _queue.Take(1 + amount % 5).ToList();
        if (amount == int.MaxValue) rows = [.. _queue];
        _queue.RemoveRange(0, rows.Count);
        foreach (var row in rows)
        {
            Store(row);
            _owner.Durable(row);
            if (row.Generation.Finished && row.Generation.AllDurable) _owner.Forget(row.Generation);
            Acknowledge(_runtimes.Single(r => r.Header.Id == row.Generation.Id), row.Sequence);
        }
    }

    private void Store(UsageRow row)
    {
        Assert.DoesNotContain(_table, r => r.Generation.Id == row.Generation.Id && r.Sequence == row.Sequence);
        _table.Add(row);
    }

    private static void Acknowledge(Runtime runtime, long sequence) =>
        runtime.AcknowledgedFrames += runtime.Unacknowledged.RemoveAll(f => f.Sequence <= sequence);

    private void MakeSlabDurable()
    {
        if (_slabAsked is not { } asked) return;
        _slabRow = [new(asked.Number, asked.When!.Value), .. _slabAskedBeside];
        _slabAsked = null;
        Turn(null, outcomes => _owner.SlabDurable(asked.Number, asked.When!.Value, _now, outcomes));
    }

    private void Pass(TimeSpan time) => _now = new Moment(_now.Real + time, _now.Business + time);

    private void Expire()
    {
        Turn(null, outcomes => _owner.Expire(_now, outcomes));
        Assert.All(Waiting(), g => Assert.True(Room(g.Header.Conversation) <= 0, "U2: nobody waits while there is room"));
    }

    /// <summary>The owner is gone. A commit or a slab that was under way may have happened without anyone being told.</summary>
    private void Crash(int amount)
    {
        Crashes++;
        if (amount % 2 == 0) foreach (var row in _queue.Take(amount % 7)) Store(row);
        if (amount % 5 == 0 && _slabAsked is { } asked) _slabRow = [new(asked.Number, asked.When!.Value), .. _slabAskedBeside];
        _queue.Clear();
        _slabAsked = null;
        _slabAtCrash = _slabRow;
        _owner = NewOwner();
        foreach (var slab in _slabRow) _owner.InheritSlab(slab.Tokens, slab.Until);
    }

    private void Turn(Runtime? runtime, Action<List<Outcome>> decide)
    {
        decide(_outcomes);
        foreach (var outcome in _outcomes)
        {
            var about = outcome.Generation is { } g ? _runtimes.Single(r => r.Header.Id == g.Id) : runtime;
            switch (outcome.Kind)
            {
                case OutcomeKind.Granted: about!.Grants.Add((outcome.Number, outcome.When!.Value)); break;
                case OutcomeKind.Recorded: _queue.Add(outcome.Row!); break;
                case OutcomeKind.SlabNeeded: (_slabAsked, _slabAskedBeside) = (outcome, [.. _owner.Inherited(_now.Confirmed)]); break;
                case OutcomeKind.Acknowledged or OutcomeKind.Resumed: Acknowledge(about!, outcome.Number); break;
                case OutcomeKind.Repeated:
                    Assert.Equal(outcome.Content, _table.Single(r => r.Generation.Id == outcome.Generation!.Id && r.Sequence == outcome.Number).Content);
                    Acknowledge(about!, outcome.Number);
                    break;
                case OutcomeKind.Denied when outcome.Why.Code == Reasons.CapReached:
                    Assert.True(Room(runtime!.Header.Conversation) <= 0, "U2: nobody is denied while there is room");
                    break;
            }
        }
        _outcomes.Clear();
    }

    /// <summary>What an observer who sees the table, the queue and every reservation would call room.</summary>
    private long Room(string conversation)
    {
        var slab = _slabAtCrash.Where(s => _now.Real < s.Until).Sum(s => s.Tokens);
        return Math.Min(
            _periodCap - Counted(null) - _owner.HeldTokens - slab,
            _conversationCap - Counted(conversation) - _runtimes.Where(r => r.Header.Conversation == conversation).Sum(r => _owner.Find(r.Header.Id)?.Held ?? 0) - slab);
    }

    private long Counted(string? conversation) =>
        _table.Concat(_queue).Where(r => conversation is null || r.Generation.Header.Conversation == conversation).Sum(r => r.Tokens.Generated);

    private void CheckInvariants()
    {
        foreach (var conversation in new[] { null, "c0", "c1" })
        {
            var cap = conversation is null ? _periodCap : _conversationCap;
            var committed = _table.Where(r => conversation is null || r.Generation.Header.Conversation == conversation).Sum(r => r.Tokens.Generated);
            var held = _runtimes.Where(r => conversation is null || r.Header.Conversation == conversation).Sum(r => _owner.Find(r.Header.Id)?.Held ?? 0);
            Assert.True(Counted(conversation) + held <= cap, $"U1: {Counted(conversation)} used + {held} held > {cap} in {conversation ?? "the period"}");
            var exposed = _runtimes.Where(r => conversation is null || r.Header.Conversation == conversation).Sum(Exposed);
            Assert.True(_lateAfterCrash || committed + exposed <= cap, $"U1: {committed} committed + {exposed} that may still come > {cap} in {conversation ?? "the period"}");
        }
        Assert.Equal(_owner.HeldTokens, _runtimes.Sum(r => _owner.Find(r.Header.Id)?.Held ?? 0)); // U6
        Assert.All(_runtimes.Select(r => _owner.Find(r.Header.Id)), g => Assert.True(g is null || g.Held >= 0 && (!g.Finished || g.Held == 0)));
        Assert.True(_slabAsked is not null || !_runtimes.Any(r => _owner.Find(r.Header.Id) is { Withheld: true, Finished: false }), "a grant is kept back, and no slab is on its way");
        if (Crashes == 0 && !_runtimes.Any(r => r.Grants.Any(g => g.Until <= _now.Real))) Assert.Equal(0, OverrunTokens);
    }

    /// <summary>Tokens of a runtime that may yet be counted beyond what is committed: still granted to it, or waiting for their commit.</summary>
    private long Exposed(Runtime runtime)
    {
        var rows = _table.Where(r => r.Generation.Id == runtime.Header.Id).ToList();
        var queued = _queue.Where(r => r.Generation.Id == runtime.Header.Id).Sum(r => r.Tokens.Generated);
        var settled = rows.Count > 0 && rows[^1].Finish != FinishReason.None || _owner.Find(runtime.Header.Id) is { Finished: true };
        // A runtime that has finished generates no more, whatever it was granted.
        var reach = runtime.Finished ? Math.Min(runtime.Generated, runtime.Allowed(_now.Real)) : runtime.Allowed(_now.Real);
        var overrun = _queue.Where(r => r.Generation.Id == runtime.Header.Id).Sum(r => r.OverrunTokens);
        return settled ? queued : Math.Max(queued, reach - overrun - rows.Sum(r => r.Tokens.Generated + r.OverrunTokens));
    }
}
