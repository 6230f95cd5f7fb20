using Usage.Caps;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>A generation as its runtime knows it. Honest ones generate no token without a grant that is still valid.</summary>
internal sealed class RuntimeGeneration(World world, Worker worker, GenerationHeader header, string name, int target, bool honest)
{
    private const int SilentMs = 6_000, DenialsMax = 40;
    private readonly List<(long Allowed, DateTimeOffset Until)> _grants = [];
    private readonly List<Frame> _unacknowledged = [];
    private Tally _total, _said;
    private long _finalAt = long.MaxValue, _lastHeardMs;
    private bool _stopped, _refused, _renew, _resuming;
    private int _denials, _resumesFrom = int.MaxValue;

    public GenerationHeader Header => header;
    public string Name => name;
    public Worker Worker => worker;
    public bool IsHonest => honest;
    public long Generated => _total.Generated;
    /// <summary>Content of every frame it ever said, by sequence, from 1.</summary>
    public List<long> Contents { get; } = [];
    public long AcknowledgedTo { get; private set; } = -1;
    public bool HasFinished { get; private set; }
    public bool IsDone { get; private set; }
    /// <summary>It gave up: denied before it was granted anything, or where others have used up the room for its prompt since its owner was lost.</summary>
    public bool GaveUp { get; private set; }
    public bool WasGranted => _grants.Count > 0;
    public Attempt LastAttempt { get; private set; }

    public override string ToString() => $"{name}: {Generated} of {target} generated, {_grants.Count} grants, {_unacknowledged.Count} unacknowledged, finished {HasFinished}, stopped {_stopped}, refused {_refused}";

    public void Begin()
    {
        _lastHeardMs = world.Schedule.NowMs;
        Start();
        worker.After(world.Draw.Int(50, 1_500), Tick);
    }

    public void Start()
    {
        LastAttempt = new(1, LastAttempt.Number + 1);
        if (_grants.Count > 0) _resumesFrom = Math.Min(_resumesFrom, LastAttempt.Number);
        worker.Say(new Request(RequestKind.Start, header, TokensWanted: world.Draw.Chance(0.2) ? world.Draw.Int(1, 30) : 0, Resumed: _grants.Count > 0, Attempt: LastAttempt));
    }

    public void Resume()
    {
        _resuming = false;
        if (IsDone) return;
        Start();
        SayAgain();
    }

    public void Hear(in Answer answer)
    {
        if (IsDone) return;
        _lastHeardMs = world.Schedule.NowMs;
        switch (answer.Kind)
        {
            case AnswerKind.Granted:
                _grants.Add((answer.Number, answer.Until));
                if (answer.Final) _finalAt = answer.Number;
                if (_refused) SayAgain();
                break;
            case AnswerKind.Stopped:
                if (answer.Reason == Reasons.GrantExpired) _renew = true;
                else _stopped = true;
                if (_refused) SayAgain();
                break;
            case AnswerKind.Acknowledged: Acknowledged(answer); break;
            // Of one that was said before the last: the answer is still to come.
            case AnswerKind.Denied when _grants.Count == 0 && answer.Attempt != LastAttempt: break;
            case AnswerKind.Denied: Denied(answer.Reason, answer.Attempt); break;
            case AnswerKind.Rejected: Rejected(answer); break;
        }
    }

    private void Acknowledged(in Answer answer)
    {
        if (answer.Number > Contents.Count) throw new ViolationException($"U3: {name} #{answer.Number} is acknowledged and was never said");
        AcknowledgedTo = Math.Max(AcknowledgedTo, answer.Number);
        var to = answer.Number;
        _unacknowledged.RemoveAll(f => f.Sequence <= to);
        if (!answer.Finished) return;
        if (!HasFinished) throw new ViolationException($"{name} is acknowledged as finished and is not");
        IsDone = true;
    }

    private void Denied(string reason, Attempt attempt)
    {
        if (reason == Reasons.StoreUnavailable)
        {
            Later(200, 1_500);
            return;
        }
        if (reason == Reasons.SubscriptionPaused)
        {
            if (attempt.Number >= _resumesFrom) throw new ViolationException($"{name} was granted tokens, and cannot report them: {reason}");
            Later(500, 3_000);
            return;
        }
        // Billing will name a later period: the clocks of two services never turn at the same instant.
        if (reason == Reasons.SubscriptionStale && world.RunsOut)
        {
            Later(500, 3_000);
            return;
        }
        if (reason is not (Reasons.CapReached or Reasons.SubscriptionCancelled)) throw new ViolationException($"{name} was denied: {reason}");
        // Whoever was granted something can report it, whoever is asked; only the room for a prompt may be gone.
        var granted = _grants.Count > 0;
        if ((granted && !world.CapsCountPrompts(header.Subscription)) || _denials++ < (granted ? DenialsMax : world.Draw.Int(0, 3))) Later(500, 3_000);
        else (IsDone, GaveUp) = (true, true);
    }

    private void Rejected(in Answer answer)
    {
        switch (answer.Reason)
        {
            case Reasons.GrantPending: _refused = true; break;
            case Reasons.GenerationUnknown:
                _refused = true;
                Later(50, 1_000);
                break;
            case Reasons.SequenceGap or Reasons.StoreUnavailable: Later(50, 1_000); break;
            case Reasons.GenerationFinished when HasFinished: break;
            default: throw new ViolationException($"{name} #{answer.Number} was refused: {answer.Reason}");
        }
    }

    /// <summary>Begins again after a while: once, however many answers ask for it.</summary>
    private void Later(int fromMs, int toMs)
    {
        if (_resuming) return;
        _resuming = true;
        worker.After(world.Draw.Int(fromMs, toMs), Resume);
    }

    private void SayAgain()
    {
        _refused = false;
        foreach (var frame in _unacknowledged) Say(frame);
    }

    private void Tick()
    {
        if (IsDone) return;
        if (!HasFinished)
        {
            Generate();
            if (_stopped || (_grants.Count > 0 && (Generated >= target || Generated >= _finalAt))) Finish();
            else if (_grants.Count > 0 && (_renew || world.Draw.Chance(0.15)))
            {
                _renew = false;
                worker.Say(new Request(RequestKind.Renew, header, TokensWanted: world.Draw.Chance(0.3) ? world.Draw.Int(1, 20) : 0));
            }
        }
        if (world.Schedule.NowMs - _lastHeardMs > SilentMs)
        {
            _lastHeardMs = world.Schedule.NowMs;
            Resume();
        }
        var pause = !world.IsCalm && world.Draw.Chance(0.04) ? world.Draw.Int(5_000, 25_000) : world.Draw.Int(100, 2_000);
        worker.After(pause, Tick);
    }

    private void Generate()
    {
        var now = world.Now.Real;
        long allowed = 0;
        foreach (var grant in _grants) if (grant.Until > now && grant.Allowed > allowed) allowed = grant.Allowed;
        if (!honest && world.Draw.Chance(0.3)) allowed += world.Draw.Int(1, 10);
        var may = _stopped ? 0 : Math.Min(allowed, target) - Generated;
        if (may > 0)
        {
            var tokens = world.Draw.Chance(0.3) ? may : world.Draw.Int(1, (int)may);
            _total += world.Draw.Chance(0.3) ? new Tally(0, 0, 0, 0, tokens) : new Tally(0, 0, 0, tokens, 0);
            if (!honest) world.Observer.Cheated(header);
        }
        if (_total == _said || !world.Draw.Chance(0.8)) return;
        var said = header.Mode == CountMode.Cumulative ? _total : _total - _said;
        _said = _total;
        Keep(new Frame(Contents.Count + 1, said, true, null, FinishReason.None));
    }

    private void Finish()
    {
        HasFinished = true;
        var reason = Generated >= target ? FinishReason.Stop : FinishReason.Cap;
        Keep(new Frame(Contents.Count + 1, _total, _total != _said || world.Draw.Chance(0.5), null, reason));
    }

    private void Keep(in Frame frame)
    {
        Contents.Add(frame.Content);
        _unacknowledged.Add(frame);
        // Some frames get lost on the way, some are sent twice.
        if (world.IsCalm || !world.Draw.Chance(0.03)) Say(frame);
        if (world.Draw.Chance(0.05)) Say(frame);
    }

    private void Say(in Frame frame) => worker.Say(new Request(RequestKind.Count, header, frame, frame.Finish == FinishReason.None && world.Draw.Chance(0.1) ? world.Draw.Int(1, 20) : 0));
}

/// <summary>A runtime worker: one stream with many generations on it, or unary calls.</summary>
internal sealed class Worker(World world, bool unary) : Process(world.Schedule)
{
    private readonly Dictionary<Guid, RuntimeGeneration> _generations = [];
    private Connection? _connection;
    private bool _connecting;

    public void Begin(RuntimeGeneration generation)
    {
        _generations.Add(generation.Header.Id, generation);
        if (!unary && _connection is null && !_connecting) Connect();
        generation.Begin();
    }

    public void Say(Request request)
    {
        if (!unary)
        {
            _connection?.Say(request);
            return;
        }
        // There is no unary Renew: what is granted is asked for again.
        if (request.Kind == RequestKind.Renew) request = request with { Kind = RequestKind.Start };
        for (var times = world.Draw.Chance(0.05) ? 2 : 1; times > 0; times--)
        {
            var (instance, call) = (world.AnyInstance(), new UnaryCall(world, this, request, world.NextOutlet()));
            instance.After(world.Schedule.Delay(), () => instance.Receive(request, call, null));
        }
    }

    public void Hear(in Answer answer) => _generations[answer.Generation].Hear(answer);

    public void BreakConnection() => _connection?.Break();

    public void InstanceDied(Instance instance)
    {
        if (_connection?.Instance == instance) _connection.Break();
    }

    public void Broken(Connection connection)
    {
        if (connection == _connection) Connect();
    }

    private void Connect()
    {
        var instance = world.AnyInstance();
        if (!instance.IsAlive)
        {
            _connection = null;
            _connecting = true;
            After(world.Draw.Int(100, 1_000), Connect);
            return;
        }
        (_connection, _connecting) = (new Connection(world, this, instance, world.NextOutlet()), false);
        foreach (var generation in _generations.Values) generation.Resume();
    }
}
