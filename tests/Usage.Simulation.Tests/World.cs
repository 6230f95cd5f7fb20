using System.Globalization;
using Usage.Caps;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// One story, told by its seed: a few instances, runtimes and subscriptions with small caps, a while of everything going wrong, then calm,
/// in which everything must come to its end.
/// </summary>
internal sealed class World
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly MeterLimits Limits = new(ChunkTokens: 8, GrantTokensMax: 40, Lease: TimeSpan.FromSeconds(10), GenerationsMax: 100) { AnnounceConversations = true };
    public static readonly string[] Conversations = ["c0", "c1"];
    private const int CalmMsMax = 240_000, StepsMax = 200_000;
    private const int GenerationsMax = 14;
    private static readonly Guid[] SubscriptionIds = Named("subscription", 3);

    private readonly Instance[] _instances;
    private readonly int[] _homes;
    private readonly int[] _shardOf = new int[3];
    private readonly List<Worker> _workers = [];
    private readonly Clerk _clerk;
    private readonly BilledShard[] _billed;
    private readonly List<RuntimeGeneration> _generations = [];
    private readonly Dictionary<Guid, SubscriptionTerms> _terms = [], _billingHas = [];
    private readonly long _chaosMs;
    private readonly double _troubleEvery;
    private readonly string _mood;
    private readonly bool _freezes;
    private DateTimeOffset _businessStart;
    // So many that no story runs out of the periods that billing has opened.
    private const int LeapsMax = 3;
    private int _outlets;

    public World(ulong seed, Mutation mutation, Action<string>? tell)
    {
        Mutation = mutation;
        Schedule = new Schedule(seed, tell);
        Observer = new Observer(this, new Books(this));
        var draw = Draw;
        Plans = new Plans(draw);
        Faults = new Faults(Schedule, draw.Of([0, 0.01, 0.05]), draw.Of([0, 0.05, 0.3]));
        Store = new SimulatedStore(Schedule, Faults, draw.Int(1, 2), Observer, mutation);
        for (var i = 0; i < SubscriptionIds.Length; i++) _shardOf[i] = Shards.Of(SubscriptionIds[i], Store.Shards.Length);
        PeriodTurns = draw.Chance(0.2);
        RunsOut = PeriodTurns && draw.Chance(0.5);
        _businessStart = RunsOut ? Plans.Mar1.AddSeconds(-draw.Int(1, 30)) : PeriodTurns ? Plans.Feb1.AddSeconds(-draw.Int(1, 30)) : Jan1.AddDays(1);
        _chaosMs = draw.Int(8, 45) * 1_000;
        _troubleEvery = draw.Of([300, 700, 2_000, 5_000]);
        // What goes wrong: instances killed or frozen, connections broken, shards moved, the store or the broker out, runtimes vanished, billing killed. Each story has its own mixture.
        _mood = draw.Of(["kkfbbbmmovri", "kkkkkb", "fffmbr", "mmmmkf", "mmki", "bbbbov", "fff"]);
        _freezes = _mood.Contains('f', StringComparison.Ordinal);
        Store.Locking = Locking;
        _instances = [.. Enumerable.Range(0, draw.Int(1, 3)).Select(i => new Instance(this, i))];
        _homes = [.. Store.Shards.Select(_ => draw.Int(0, _instances.Length - 1))];
        Broker = new Broker(this, draw.Chance(0.3) ? draw.Int(0, 20_000) : 0);
        _billed = [.. Store.Shards.Select(_ => new BilledShard())];
        Billing = new SimulatedBilling(this, _billed);
        _clerk = new Clerk(this);
        Populate();
        foreach (var instance in _instances) instance.Watch();
        Schedule.After(draw.Int(0, 3_000), Trouble);
    }

    public Mutation Mutation { get; }
    public Schedule Schedule { get; }
    public Draw Draw => Schedule.Draw;
    public Faults Faults { get; }
    public SimulatedStore Store { get; }
    public Observer Observer { get; }
    public Broker Broker { get; }
    public SimulatedBilling Billing { get; private set; }
    public Plans Plans { get; }
    public bool IsCalm { get; private set; }
    public bool PeriodTurns { get; }
    /// <summary>The period that turns is the last one that usage has heard of.</summary>
    public bool RunsOut { get; }
    public Moment Now => new(Jan1.AddMilliseconds(Schedule.NowMs), _businessStart.AddMilliseconds(Schedule.NowMs));
    public int Crashes { get; private set; }

    public int NextOutlet() => ++_outlets;
    public int ShardOf(Guid subscription) => _shardOf[Array.IndexOf(SubscriptionIds, subscription)];
    public Instance HomeOf(int shard) => _instances[_homes[shard]];
    public Instance AnyInstance() => _instances[Draw.Int(0, _instances.Length - 1)];
    /// <summary>As usage has them.</summary>
    public SubscriptionTerms TermsOf(Guid subscription) => _terms[subscription];
    /// <summary>What billing would answer now.</summary>
    public SubscriptionTerms BillingHas(Guid subscription) => _billingHas[subscription];
    public string Name(Guid generation) => _generations.Find(g => g.Header.Id == generation)?.Name ?? "?";
    public void Tell(string text) => Schedule.Tell(text);

    public CountedKinds CountedBy(Guid subscription, CapWindow window) =>
        CapRule.Of(_terms[subscription]).Where(r => r.Window == window).Select(r => r.Kinds).FirstOrDefault();

    public bool CapsCountPrompts(Guid subscription) => CapRule.Of(_terms[subscription]).Any(r => r.Hard && (r.Kinds & CountedKinds.Prompt) != 0);

    /// <summary>Tokens and overrun that the current owner has decided and not committed.</summary>
    public (long Counted, long Overrun) Queued(GenerationHeader header)
    {
        var (counted, overrun) = (0L, 0L);
        foreach (var instance in _instances)
            foreach (var hold in instance.Holds)
                if (hold.IsCurrent && hold.IsAlive)
                    foreach (var cell in hold.Cells)
                        foreach (var row in cell.Uncommitted)
                            if (row.Generation.Id == header.Id && !Store.Events.ContainsKey((row.Generation.Id, row.Sequence))) (counted, overrun) = (counted + row.Tokens.Generated, overrun + row.OverrunTokens);
        return (counted, overrun);
    }

    public void Lost(Hold hold) => hold.Instance.Drop(hold);

    /// <summary>Plays the whole story. Returns when every invariant has held to the end.</summary>
    public void Play()
    {
        while (Schedule.NowMs < _chaosMs) Step();
        Calm();
        var end = Schedule.NowMs + CalmMsMax;
        while (!IsQuiet())
        {
            if (Schedule.NowMs > end) throw new ViolationException(Restless());
            Step();
        }
        Observer.Settled();
        CheckNothingIsStranded();
    }

    private void Step()
    {
        if (!Schedule.Step()) throw new ViolationException("nothing is going to happen any more");
        if (Schedule.Steps > StepsMax) throw new ViolationException("the story does not end");
    }

    private void Populate()
    {
        var subscriptions = Draw.Int(1, SubscriptionIds.Length);
        for (var i = 0; i < subscriptions; i++)
        {
            var subscription = SubscriptionIds[i];
            ChangeTerms(Plans.First(subscription));
            if (RunsOut) Schedule.After(Draw.Int(0, (int)_chaosMs), () => ChangeTerms(Plans.Later(_billingHas[subscription]), isHeard: Draw.Chance(0.5)));
        }
        var workers = Draw.Int(1, 3);
        for (var i = 0; i < workers; i++) _workers.Add(new Worker(this, unary: Draw.Chance(0.2)));
        var hostile = Draw.Chance(0.15);
        var generations = Draw.Int(2, GenerationsMax);
        for (var i = 0; i < generations; i++)
        {
            var prompt = new Tally(Draw.Int(0, 4), 0, Draw.Int(0, 2), 0, 0);
            var beginMs = Draw.Int(0, (int)_chaosMs * 2 / 3);
            // Minted when it begins, now and then by a clock that is ahead.
            var minted = _businessStart.AddMilliseconds(beginMs + (Draw.Chance(0.1) ? Draw.Int(1_000, 300_000) : 0));
            var header = new GenerationHeader(
                Ids.DeriveGuid(minted, "generation", i.ToString(CultureInfo.InvariantCulture)), SubscriptionIds[Draw.Int(0, subscriptions - 1)], Draw.Of(Conversations), "model", prompt,
                Draw.Chance(0.3) ? Draw.Int(1, 40) : 0, Draw.Chance(0.3) ? CountMode.Increment : CountMode.Cumulative);
            var target = header.OutputTokensMax > 0 ? (int)header.OutputTokensMax : Draw.Int(1, 60);
            var worker = Draw.Of(_workers);
            var generation = new RuntimeGeneration(this, worker, header, $"g{i}", target, !(hostile && Draw.Chance(0.4)));
            _generations.Add(generation);
            Observer.Watch(generation);
            if (Schedule.IsTold) Tell($"{generation.Name} is of subscription {Array.IndexOf(SubscriptionIds, header.Subscription)} in {header.Conversation}, prompt {prompt.Prompt}, at most {header.OutputTokensMax}, {header.Mode}{(generation.IsHonest ? "" : ", cheats")}");
            worker.After(beginMs, () => worker.Begin(generation));
        }
        if (Draw.Chance(0.6))
            for (var times = Draw.Int(1, 5); times > 0; times--) _clerk.After(Draw.Int(1_000, (int)_chaosMs), () => _clerk.Correct(_generations));
        if (Draw.Chance(0.4))
            for (var times = Draw.Int(1, LeapsMax); times > 0; times--) Schedule.After(Draw.Int(1_000, (int)_chaosMs), Leap);
        if (Draw.Chance(0.3))
            for (var times = Draw.Int(1, 3); times > 0; times--) Schedule.After(Draw.Int(500, (int)_chaosMs), () => Pause(SubscriptionIds[Draw.Int(0, subscriptions - 1)]));
        if (Draw.Chance(0.2))
        {
            var hear = Plans.Unhear(SubscriptionIds[Draw.Int(0, subscriptions - 1)]);
            Schedule.After(Draw.Int(1_000, (int)_chaosMs + 10_000), hear);
        }
        if (Draw.Chance(0.25)) Schedule.After(Draw.Int(1_000, (int)_chaosMs), () => ChangeTerms(Plans.Next(_billingHas[SubscriptionIds[Draw.Int(0, subscriptions - 1)]])));
    }

    /// <summary>Business time runs ahead, to about the end of a window or far past it: windows turn with grants out, rows queued and owners on their way.</summary>
    private void Leap()
    {
        _businessStart += Draw.Of([TimeSpan.FromHours(5), TimeSpan.FromHours(11), TimeSpan.FromDays(7)]) - TimeSpan.FromSeconds(Draw.Int(0, 20));
        Tell($"it is {Now.Business:O}");
    }

    /// <summary>A subscription rests for a while, in the middle of its generations. Usage may hear of it only when it is over.</summary>
    private void Pause(Guid subscription)
    {
        if (!_billingHas[subscription].Active) return;
        ChangeTerms(Plans.Pause(_billingHas[subscription]), isHeard: Draw.Chance(0.9));
        Schedule.After(Draw.Int(20, Draw.Chance(0.3) ? 20_000 : 3_000), () => ChangeTerms(Plans.Resume(_billingHas[subscription])));
    }

    /// <summary>Stored, then told to every owner: late, in any order, and some of it twice; or billing's message is lost.</summary>
    private void ChangeTerms(SubscriptionTerms terms, bool isHeard = true)
    {
        _billingHas[terms.Subscription] = terms;
        if (!isHeard) return;
        Tell($"terms {terms.Version} of subscription {Array.IndexOf(SubscriptionIds, terms.Subscription)}: {string.Join(", ", terms.Caps.Select(c => $"{c.Tokens} per {c.Window}"))}{(terms.Active ? "" : terms.Paused ? ", paused" : ", cancelled")}");
        terms = Keep(terms);
        foreach (var instance in _instances)
            for (var times = Draw.Int(1, 2); times > 0; times--)
                Schedule.After(Schedule.Delay(), () => Told(instance.Number, terms));
    }

    /// <summary>In usage's table the higher version wins.</summary>
    /// <returns>the terms as they stand there</returns>
    public SubscriptionTerms Keep(SubscriptionTerms terms)
    {
        var known = Store.Terms.GetValueOrDefault(terms.Subscription);
        if (known is not null && known.Version >= terms.Version) return known;
        terms = terms.After(known);
        Observer.Terms(terms);
        return _terms[terms.Subscription] = Store.Terms[terms.Subscription] = terms;
    }

    private void Told(int number, SubscriptionTerms terms)
    {
        var instance = _instances[number];
        if (instance.IsFrozen) instance.After(0, () => Told(number, terms));
        else instance.HoldOf(ShardOf(terms.Subscription))?.TermsChanged(terms);
    }

    /// <summary>Something goes wrong, then something else.</summary>
    private void Trouble()
    {
        if (IsCalm) return;
        switch (_mood[Draw.Int(0, _mood.Length - 1)])
        {
            case 'k': Kill(Draw.Int(0, _instances.Length - 1)); break;
            case 'f': Freeze(Draw.Of(_instances)); break;
            case 'b': Draw.Of(_workers).BreakConnection(); break;
            case 'm': _homes[Draw.Int(0, _homes.Length - 1)] = Draw.Int(0, _instances.Length - 1); break;
            case 'o': Faults.OutageUntilMs = Schedule.NowMs + Draw.Int(100, Draw.Chance(0.2) ? 15_000 : 2_000); break;
            case 'r': Faults.BrokerAwayUntilMs = Schedule.NowMs + Draw.Int(100, 8_000); break;
            case 'i': KillBilling(); break;
            case 'v' when Draw.Chance(0.3): Vanish(Draw.Of(_workers)); break;
        }
        Schedule.After(Draw.Int(1, 2 * (int)_troubleEvery), Trouble);
    }

    private void Kill(int number)
    {
        var instance = _instances[number];
        if (!instance.IsAlive) return;
        Tell($"{instance} is killed");
        Crashes++;
        instance.Kill();
        Store.Abandon();
        foreach (var worker in _workers) worker.InstanceDied(instance);
        Schedule.After(Draw.Int(50, Draw.Chance(0.2) ? 12_000 : 2_000), () => Restart(number));
        // The others notice after a while, if there are any.
        for (var shard = 0; shard < _homes.Length; shard++)
        {
            var moved = shard;
            if (_homes[shard] == number && _instances.Length > 1)
                Schedule.After(Draw.Int(100, 5_000), () => _homes[moved] = Draw.Int(0, _instances.Length - 1));
        }
    }

    private void Restart(int number)
    {
        if (_instances[number].IsAlive) return;
        _instances[number] = new Instance(this, number);
        _instances[number].Watch();
        Tell($"{_instances[number]} is back");
    }

    private void KillBilling()
    {
        Tell("billing is killed");
        Billing.Kill();
        Billing = new SimulatedBilling(this, _billed);
        Broker.Redeliver();
    }

    private void Freeze(Instance instance)
    {
        Freeze(instance, Draw.Chance(0.5) ? Draw.Int(50, 3_000) : Draw.Int(5_000, 20_000));
    }

    /// <summary>Now and then one freezes for long, while it holds a shard.</summary>
    private void Locking(Process client)
    {
        if (IsCalm || !_freezes || !Draw.Chance(0.002)) return;
        Freeze(client is Hold hold ? hold.Instance : (Instance)client, Draw.Int(35_000, 60_000));
    }

    private void Freeze(Instance instance, int ms)
    {
        Tell($"{instance} freezes for {ms / 1000.0:0.0} s");
        instance.Freeze(ms);
        // To the others it looks dead; when it comes back it believes that nothing has happened.
        for (var shard = 0; shard < _homes.Length; shard++)
            if (HomeOf(shard) == instance && _instances.Length > 1 && Draw.Chance(0.9)) _homes[shard] = Draw.Int(0, _instances.Length - 1);
    }

    private void Vanish(Worker worker)
    {
        if (!worker.IsAlive) return;
        Tell("a runtime worker vanishes");
        worker.BreakConnection();
        worker.Kill();
    }

    private void Calm()
    {
        Tell("calm");
        IsCalm = true;
        Faults.Calm();
        for (var i = 0; i < _instances.Length; i++) Restart(i);
    }

    private bool IsQuiet()
    {
        foreach (var generation in _generations) if (!generation.IsDone && generation.Worker.IsAlive) return false;
        if (!_clerk.IsDone) return false;
        for (var shard = 0; shard < Store.Shards.Length; shard++)
        {
            var row = Store.Shards[shard];
            if (row.Head.Batch != row.Head.ReportedBatch || row.Unpublished > 0 || _billed[shard].Through != row.Head.Report || HomeOf(shard).HoldOf(shard) is not { IsCurrent: true } hold) return false;
            foreach (var cell in hold.Cells) if (cell.Uncommitted.Count > 0 || !cell.Owner.IsIdle) return false;
        }
        return true;
    }

    private string Restless()
    {
        var waiting = string.Join("; ", _generations.Where(g => !g.IsDone && g.Worker.IsAlive));
        if (!_clerk.IsDone) return "a correction is never answered";
        if (waiting.Length > 0) return $"somebody waits for ever: {waiting}";
        return "it never becomes quiet: " + string.Join("; ", Store.Shards.Select((row, shard) => HomeOf(shard).HoldOf(shard) is { IsCurrent: true } hold
            ? $"{hold} with {row.Head.Batch - row.Head.ReportedBatch} batches unreported, {row.Unpublished} unpublished, billed to {_billed[shard].Through} of {row.Head.Report}, {hold.Cells.Sum(c => c.Uncommitted.Count)} rows uncommitted, {hold.Cells.Count(c => !c.Owner.IsIdle)} owners busy with {hold.Cells.Sum(c => c.Owner.Generations)} generations"
            : $"shard {shard} has no holder, only {HomeOf(shard).HoldOf(shard)}, with {row.Locks.Held.Count} locks"));
    }

    /// <summary>Leases have ended and slabs with them: whoever comes now gets all that is left.</summary>
    private void CheckNothingIsStranded()
    {
        for (var shard = 0; shard < Store.Shards.Length; shard++)
            foreach (var cell in HomeOf(shard).HoldOf(shard)!.Cells)
                foreach (var line in cell.Owner.Balance(null, Now))
                    if (line.ReservedTokens != 0)
                        throw new ViolationException($"{line.ReservedTokens} tokens are stranded in {line.Rule.Window}");
    }

    private static Guid[] Named(string what, int count) => [.. Enumerable.Range(0, count).Select(i => Ids.DeriveGuid(Jan1, what, i.ToString(CultureInfo.InvariantCulture)))];
}
