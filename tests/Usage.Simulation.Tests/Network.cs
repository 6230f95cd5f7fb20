using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>
/// One stream between a runtime worker and an instance: in order both ways, late, and broken at any moment. When it breaks, answers
/// under way are lost; frames under way may still be taken for a while, for the instance has read them already.
/// </summary>
internal sealed class Connection(World world, Worker worker, Instance instance, int number) : Outlet(number)
{
    private readonly Dictionary<Hold, Lane> _lanes = [];
    private long _upAtMs, _downAtMs, _readUntilMs = long.MaxValue, _goneAtMs = long.MaxValue;

    public Instance Instance => instance;
    public bool IsBroken { get; private set; }
    public override bool IsGone => world.Schedule.NowMs >= _goneAtMs;

    public void Say(Request request)
    {
        if (IsBroken) return;
        _upAtMs = Math.Max(_upAtMs, world.Schedule.NowMs + world.Schedule.Delay());
        instance.After(_upAtMs - world.Schedule.NowMs, () =>
        {
            if (world.Schedule.NowMs <= _readUntilMs) instance.Receive(request, this, _lanes);
        });
    }

    public override void Send(in Answer answer)
    {
        if (IsGone || IsBroken) return;
        var said = answer;
        _downAtMs = Math.Max(_downAtMs, world.Schedule.NowMs + world.Schedule.Delay());
        worker.After(_downAtMs - world.Schedule.NowMs, () =>
        {
            if (!IsBroken) worker.Hear(said);
        });
    }

    public void Break()
    {
        if (IsBroken) return;
        IsBroken = true;
        _readUntilMs = world.Schedule.NowMs + (world.Draw.Chance(0.5) ? world.Draw.Int(0, 2_000) : 0);
        _goneAtMs = world.Schedule.NowMs + world.Draw.Int(0, 2_000);
        worker.After(world.Draw.Int(1, 2_000), () => worker.Broken(this));
    }
}

/// <summary>A unary call: its request may arrive late or twice, its answers in any order or never; it waits only so long.</summary>
internal sealed class UnaryCall(World world, Worker worker, Request request, int number) : Outlet(number)
{
    private readonly long _endsAtMs = world.Schedule.NowMs + 15_000;
    private bool _ended;

    public override bool IsGone => _ended || world.Schedule.NowMs >= _endsAtMs;

    public override void Send(in Answer answer)
    {
        if (IsGone) return;
        _ended = request.Kind == RequestKind.Start
            ? answer.Kind is AnswerKind.Granted or AnswerKind.Denied or AnswerKind.Stopped || answer.Finished
            : answer.Kind == AnswerKind.Rejected || (answer.Kind == AnswerKind.Acknowledged && (answer.Finished || (request.Frame.Finish == FinishReason.None && answer.Number >= request.Frame.Sequence)));
        var said = answer;
        if (world.IsCalm || !world.Draw.Chance(0.05)) worker.After(world.Schedule.Delay(), () => worker.Hear(said));
    }
}

/// <summary>Frames of one stream for one hold, one after the other.</summary>
internal sealed class Lane(Hold hold, Outlet outlet)
{
    private readonly Queue<Request> _waiting = new();
    private bool _taking;

    public long ArrivesAtMs { get; set; }

    public void Add(Request request)
    {
        _waiting.Enqueue(request);
        if (_taking) return;
        _taking = true;
        hold.Run(TakeAsync);
    }

    private async Task TakeAsync()
    {
        while (_waiting.TryDequeue(out var next)) await hold.TakeAsync(next, outlet);
        _taking = false;
    }
}

/// <summary>
/// One process of the service. It holds the shards whose home it believes to be, takes the frames of those itself, and passes the others on
/// to where it believes their home is. Beliefs are late and may be wrong: only the epochs in the store say who may write.
/// </summary>
internal sealed class Instance(World world, int number) : Process(world.Schedule)
{
    private readonly HashSet<int> _taking = [];
    private TermsAsking? _terms;
    private readonly Dictionary<int, Hold> _holds = [];

    public int Number => number;
    public TermsAsking Terms => _terms ??= new(world, this);
    public IEnumerable<Hold> Holds => _holds.Values;

    public override string ToString() => $"instance {number}";

    public Hold? HoldOf(int shard) => _holds.GetValueOrDefault(shard);

    public void Receive(Request request, Outlet outlet, Dictionary<Hold, Lane>? lanes)
    {
        var shard = world.ShardOf(request.Header.Subscription);
        if (_holds.TryGetValue(shard, out var own)) Take(request, outlet, lanes, own, 0);
        else if (world.HomeOf(shard) is { } home && home != this && home.IsAlive && home.HoldOf(shard) is { } other) Take(request, outlet, lanes, other, world.Schedule.Delay());
        else
        {
            var kind = request.Kind == RequestKind.Start ? AnswerKind.Denied : AnswerKind.Rejected;
            outlet.Send(new Answer(kind, request.Header.Id, request.Frame.Sequence, kind == AnswerKind.Denied ? Reasons.StoreUnavailable : Reasons.GenerationUnknown, Attempt: request.Attempt));
        }
    }

    /// <summary>A correction goes the same way, once it is known whose generation it is about.</summary>
    public void Receive(CorrectionCall call, Action<CorrectionAnswer> answer) => Run(async () =>
    {
        try
        {
            if (call.Generation is { } named && !await world.Store.ReadAsync(this, () => world.Store.Generations.ContainsKey(named.Id)))
            {
                answer(new(null, Reasons.UsageUnknown));
                return;
            }
        }
        catch (StoreLostException)
        {
            answer(CorrectionAnswer.Unknown);
            return;
        }
        var shard = world.ShardOf(call.Subscription);
        var hold = HoldOf(shard) ?? (world.HomeOf(shard) is { IsAlive: true } home ? home.HoldOf(shard) : null);
        if (hold is null) answer(CorrectionAnswer.Unknown);
        else hold.After(_holds.ContainsKey(shard) ? 0 : world.Schedule.Delay(), () => hold.Run(() => hold.CorrectAsync(call, answer)));
    });

    private void Take(Request request, Outlet outlet, Dictionary<Hold, Lane>? lanes, Hold hold, int delayMs)
    {
        if (lanes is null)
        {
            hold.After(delayMs, () => hold.Run(() => hold.TakeAsync(request, outlet)));
            return;
        }
        if (!lanes.TryGetValue(hold, out var lane)) lanes.Add(hold, lane = new Lane(hold, outlet));
        lane.ArrivesAtMs = Math.Max(lane.ArrivesAtMs, world.Schedule.NowMs + delayMs);
        if (lane.ArrivesAtMs == world.Schedule.NowMs) lane.Add(request);
        else hold.After(lane.ArrivesAtMs - world.Schedule.NowMs, () => lane.Add(request));
    }

    /// <summary>Looks where every shard belongs: takes those that are its own, hands over those that are not.</summary>
    public void Watch()
    {
        for (var shard = 0; shard < world.Store.Shards.Length; shard++)
        {
            var mine = world.HomeOf(shard) == this;
            if (mine) world.Observer.Holders.Looked(this, shard, isHeld: _holds.ContainsKey(shard));
            if (mine && !_holds.ContainsKey(shard) && _taking.Add(shard))
            {
                var wanted = shard;
                Run(() => TakeShardAsync(wanted));
            }
            // Now and then it does not hear that a shard has moved, and goes on until an epoch tells it.
            else if (!mine && _holds.TryGetValue(shard, out var hold) && !hold.IsClosing && (world.IsCalm || world.Draw.Chance(0.5))) Run(() => HandOverAsync(hold));
        }
        After(world.Draw.Int(300, 1_500), Watch);
    }

    /// <summary>The epoch says that another one writes this shard now: whatever was decided here and not committed is gone.</summary>
    public void Drop(Hold hold)
    {
        if (!hold.IsAlive) return;
        world.Tell($"{hold} is lost");
        hold.Moved();
        hold.Kill();
        world.Store.Abandon();
        if (_holds.GetValueOrDefault(hold.Shard) == hold) _holds.Remove(hold.Shard);
    }

    private async Task TakeShardAsync(int shard)
    {
        try
        {
            var (at, transaction) = (world.Now.Real, world.Store.Begin(this));
            if (!await transaction.LockAsync(world.Store.Shards[shard].Locks, LockMode.Update, Transaction.SilentMsMax))
            {
                transaction.RollBack();
                world.Store.Shards[shard].Locks.EndSilent();
                throw new StoreLostException();
            }
            var epoch = world.Store.Shards[shard].Epoch + 1;
            transaction.Write(() =>
            {
                world.Store.Shards[shard].Epoch = epoch;
                if (world.Mutation != Mutation.TotalsNotMadeWhole) world.Store.MakeTotalsWhole(shard);
            });
            await transaction.CommitAsync();
            var hold = new Hold(world, this, shard, epoch, at);
            _holds[shard] = hold;
            world.Tell($"{hold} begins");
        }
        catch (StoreLostException)
        {
            // The next look tries again, with a higher epoch if this one was taken after all.
        }
        _taking.Remove(shard);
    }

    private async Task HandOverAsync(Hold hold)
    {
        world.Tell($"{hold} is handed over");
        await hold.CloseAsync();
        if (_holds.GetValueOrDefault(hold.Shard) == hold) _holds.Remove(hold.Shard);
    }
}
