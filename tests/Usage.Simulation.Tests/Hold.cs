using Usage.Caps;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// A shard in the hands of one instance, under one epoch: its owners, and the turns that frames take with them. What Intake and
/// OwnerDirectory do in the host, told in virtual time.
/// </summary>
internal sealed partial class Hold : Process
{
    private readonly World _world;
    private readonly Dictionary<Guid, Cell> _cells = [];
    private readonly Dictionary<Guid, Generation> _running = [];
    private readonly ShardWriting _writing;
    private readonly SlabWriting _slabs;
    private readonly Publishing _publishing;

    public Hold(World world, Instance instance, int shard, long epoch, DateTimeOffset confirmedAt)
        : base(world.Schedule, instance)
    {
        (_world, Instance, Shard, Epoch, ConfirmedAt) = (world, instance, shard, epoch, confirmedAt);
        _writing = new ShardWriting(world, this);
        _slabs = new SlabWriting(world, this);
        _publishing = new Publishing(world, this);
        After(world.Draw.Int(200, 1_200), Sweep);
        After(world.Draw.Int(200, 1_200), CheckEpoch);
        _writing.Kick();
    }

    public Instance Instance { get; }
    public int Shard { get; }
    public long Epoch { get; }
    public bool IsClosing { get; private set; }
    /// <summary>This hold was the current one then, as its last look at the epoch says.</summary>
    public DateTimeOffset ConfirmedAt { get; private set; }
    private Moment Now => _world.Mutation == Mutation.LeasesEndUnconfirmed ? _world.Now : _world.Now with { Confirmed = ConfirmedAt };
    /// <summary>Nobody has taken the shard since: what this one decides is what counts.</summary>
    public bool IsCurrent => _world.Store.Shards[Shard].Epoch == Epoch;
    public IEnumerable<Cell> Cells => _cells.Values;

    public override string ToString() => $"{Instance}/shard {Shard}@{Epoch}";

    public async Task TakeAsync(Request request, Outlet outlet)
    {
        switch (request.Kind)
        {
            case RequestKind.Start: await StartAsync(request, outlet); break;
            case RequestKind.Count: Count(request, outlet); break;
            case RequestKind.Renew when _running.TryGetValue(request.Header.Id, out var generation) && !IsClosing:
                Turn(Attach(generation, outlet), (owner, outcomes) => owner.Renew(generation, request.TokensWanted, Now, outcomes));
                break;
            case RequestKind.Renew: outlet.Send(Rejected(request.Header.Id, 0, Reasons.GenerationUnknown)); break;
        }
    }

    private async Task StartAsync(Request request, Outlet outlet)
    {
        var header = request.Header;
        var cell = Pin(header.Subscription);
        try
        {
            var (loaded, asked) = await ReadAndAskAsync(cell, header);
            if (IsClosing)
            {
                outlet.Send(new Answer(AnswerKind.Denied, header.Id, Reason: Reasons.StoreUnavailable, Attempt: request.Attempt));
                return;
            }
            if (loaded is not null) Load(cell, loaded, header.Conversation);
            if (asked is not null) Turn(cell, (owner, outcomes) => owner.ChangeTerms(asked, Now, outcomes));
            Start(cell, request, loaded?.Generation, outlet);
        }
        catch (StoreLostException)
        {
            outlet.Send(new Answer(AnswerKind.Denied, header.Id, Reason: Reasons.StoreUnavailable, Attempt: request.Attempt));
        }
        finally
        {
            cell.Pins--;
        }
    }

    private Cell Pin(Guid subscription)
    {
        if (!_cells.TryGetValue(subscription, out var cell))
            _cells.Add(subscription, cell = new Cell(new SubscriptionOwner(subscription, World.Limits)));
        cell.Pins++;
        return cell;
    }

    /// <summary>What was read before a correction, and comes after it, may be older than what the owner has forgotten since.</summary>
    private async Task<Loaded> ReadAsync(Cell cell, Guid subscription, string conversation, Guid generation)
    {
        while (true)
        {
            var corrections = cell.Corrections;
            var loaded = await Loaded.ReadAsync(_world, this, subscription, conversation, generation);
            if (cell.Corrections == corrections) return loaded;
        }
    }

    private void Load(Cell cell, Loaded loaded, string conversation)
    {
        if (!cell.Loaded)
        {
            cell.Loaded = true;
            foreach (var (period, used) in loaded.Periods) cell.Owner.LoadPeriod(period, used);
            foreach (var (window, used) in loaded.Windows)
                if (_world.Mutation != Mutation.TurnedWindowsUnread || _world.Store.IsFirst(cell.Owner.Subscription, window)) cell.Owner.LoadWindow(window, used);
            if (loaded.Slab is { } slab && slab.Epoch != Epoch)
            {
                cell.Inherited = slab;
                if (_world.Mutation != Mutation.SlabIgnored)
                    foreach (var lost in slab.All) cell.Owner.InheritSlab(lost.Tokens, lost.Until);
            }
            else if (loaded.Slab is { } ended) cell.Owner.LoadEndedSlab(ended.All.Sum(s => s.Tokens));
            if (loaded.Terms is { } terms) Turn(cell, (owner, outcomes) => owner.ChangeTerms(terms, Now, outcomes));
            cell.Owner.NotePassed(Now);
        }
        if (conversation.Length > 0 && !cell.Owner.Knows(conversation)) cell.Owner.LoadConversation(conversation, loaded.ConversationUsed, Now);
    }

    private void Start(Cell cell, Request request, (GenerationHeader Header, RecordedGeneration Recorded)? stored, Outlet outlet)
    {
        var header = request.Header;
        if (cell.Owner.Find(header.Id) is null && stored is { } original)
        {
            if (original.Recorded.Finish != FinishReason.None)
            {
                Send(outlet, new Answer(AnswerKind.Acknowledged, header.Id, original.Recorded.LastSequence, Finished: true));
                return;
            }
            cell.Owner.LoadGeneration(header, original.Recorded);
        }
        if (cell.Owner.Find(header.Id) is { } known) Attach(known, outlet, started: true, cell);
        var isNew = cell.Owner.Find(header.Id) is null;
        if (isNew && outlet.IsGone) return;
        var generation = cell.Owner.Start(header, request.TokensWanted, Now, cell.Outcomes, request.Resumed, _world.Mutation == Mutation.DenialsForgotten ? default : request.Attempt);
        if (isNew && generation is not null) _world.Observer.Opened(cell, header);
        if (generation is not null) Attach(generation, outlet, started: true, cell);
        else
        {
            var denied = cell.Outcomes[^1];
            cell.Outcomes.RemoveAt(cell.Outcomes.Count - 1);
            _world.Observer.Denied(this, cell, header, request.Attempt, denied);
            outlet.Send(new Answer(AnswerKind.Denied, header.Id, Reason: denied.Why.Code, Attempt: request.Attempt));
        }
        Deliver(cell);
    }

    private void Count(Request request, Outlet outlet)
    {
        var (id, frame) = (request.Header.Id, request.Frame);
        if (IsClosing) outlet.Send(Rejected(id, frame.Sequence, Reasons.GenerationUnknown));
        else if (!_running.TryGetValue(id, out var generation)) Run(() => AnswerRepeatAsync(id, frame.Sequence, frame.Content, outlet));
        else
        {
            var cell = Attach(generation, outlet);
            _world.Observer.Counting(generation);
            Turn(cell, (owner, outcomes) => owner.Count(generation, frame, request.TokensWanted, Now, outcomes));
        }
    }

    private Cell Attach(Generation generation, Outlet outlet, bool started = false, Cell? cell = null)
    {
        if (generation.Route is Route route && started) route.Started(outlet);
        else if (generation.Route is Route heard) heard.Heard(outlet);
        else generation.Route = new Route(cell!, outlet);
        _running[generation.Id] = generation;
        return ((Route)generation.Route).Cell;
    }

    private void Turn(Cell cell, Action<SubscriptionOwner, List<Outcome>> decide)
    {
        decide(cell.Owner, cell.Outcomes);
        Deliver(cell);
    }

    private void Deliver(Cell cell)
    {
        cell.LastTurn = _world.Now.Real;
        for (var i = 0; i < cell.Outcomes.Count; i++) Deliver(cell, cell.Outcomes[i]);
        cell.Outcomes.Clear();
        _world.Observer.TurnTaken(this, cell);
    }

    private void Deliver(Cell cell, in Outcome outcome)
    {
        var outlet = (outcome.Generation?.Route as Route)?.Outlet;
        switch (outcome.Kind)
        {
            case OutcomeKind.Recorded:
                cell.Uncommitted.Add(outcome.Row!);
                _world.Observer.Thresholds.Decided(cell, outcome.Row!);
                _world.Observer.Decided(outcome.Row!);
                if (_world.Mutation == Mutation.ThresholdsBeforeUsage) _world.Store.Announce(Shard, outcome.Row!.Crossed);
                _writing.Add(outcome.Row!);
                if (_world.Mutation == Mutation.AcknowledgedBeforeCommit) Send(outlet!, new Answer(AnswerKind.Acknowledged, outcome.Generation!.Id, outcome.Row!.Sequence, Finished: outcome.Generation.Finished));
                break;
            case OutcomeKind.Granted:
                Send(outlet!, new Answer(AnswerKind.Granted, outcome.Generation!.Id, outcome.Number, Until: outcome.When!.Value, Final: outcome.Final));
                break;
            case OutcomeKind.Stopped: Send(outlet!, new Answer(AnswerKind.Stopped, outcome.Generation!.Id, Reason: outcome.Why.Code)); break;
            case OutcomeKind.Rejected: Send(outlet!, Rejected(outcome.Generation!.Id, outcome.Number, outcome.Why.Code)); break;
            case OutcomeKind.Acknowledged or OutcomeKind.Resumed when outcome.Number >= 0:
                Send(outlet!, new Answer(AnswerKind.Acknowledged, outcome.Generation!.Id, outcome.Number, Finished: outcome.Generation.Finished && outcome.Generation.AllDurable));
                break;
            case OutcomeKind.Acknowledged or OutcomeKind.Resumed: break;
            case OutcomeKind.Repeated:
                var (id, number, content) = (outcome.Generation!.Id, outcome.Number, outcome.Content);
                Run(() => AnswerRepeatAsync(id, number, content, outlet!));
                break;
            case OutcomeKind.SlabNeeded: _slabs.Add(new SlabAsked(cell, outcome.Number, outcome.When!.Value, cell.Owner.Inherited(ConfirmedAt))); break;
            case OutcomeKind.TermsNeeded:
                if (cell.AskingForTerms || _world.Mutation == Mutation.TermsNeededUnheard) break;
                cell.AskingForTerms = true;
                Run(() => RefreshTermsAsync(cell));
                break;
            case OutcomeKind.Denied: throw new ViolationException("a denial is answered by whoever asked");
        }
    }

    private void Send(Outlet outlet, in Answer answer)
    {
        // Whoever is closing has told its runtimes to go elsewhere, and grants nothing more.
        if (IsClosing && answer.Kind == AnswerKind.Granted) return;
        _world.Observer.Answered(this, answer);
        outlet.Send(answer);
    }

    private async Task AnswerRepeatAsync(Guid id, long sequence, long content, Outlet outlet)
    {
        try
        {
            var store = _world.Store;
            var (row, generation) = await store.ReadAsync(this, () => (store.Events.GetValueOrDefault((id, sequence)), store.Generations.TryGetValue(id, out var g) ? g.Recorded : (RecordedGeneration?)null));
            if (generation is { } known && row is not null && row.Row.Content == content)
                Send(outlet, new Answer(AnswerKind.Acknowledged, id, known.LastSequence, Finished: known.Finish != FinishReason.None));
            else
                Send(outlet, Rejected(id, sequence,
                    generation is null ? Reasons.GenerationUnknown : row is not null ? Reasons.SequenceReused : generation.Value.Finish != FinishReason.None ? Reasons.GenerationFinished : Reasons.GenerationUnknown));
        }
        catch (StoreLostException)
        {
            outlet.Send(Rejected(id, sequence, Reasons.StoreUnavailable));
        }
    }

    /// <summary>Rows are committed: acknowledge them, and let go of what is finished.</summary>
    public void Committed(IReadOnlyList<UsageRow> rows, IReadOnlyList<UsageRow> conflicts)
    {
        var last = new Dictionary<Guid, long>();
        foreach (var row in rows) last[row.Generation.Id] = row.Sequence;
        foreach (var row in rows)
        {
            var route = (Route)row.Generation.Route!;
            route.Cell.Uncommitted.Remove(row);
            route.Cell.Owner.Durable(row);
            if (last[row.Generation.Id] != row.Sequence) continue;
            var finished = row.Finish != FinishReason.None;
            Send(route.Outlet, new Answer(AnswerKind.Acknowledged, row.Generation.Id, row.Sequence, Finished: finished));
            if (finished && route.Cell.Pins == 0) Forget(route.Cell, row.Generation);
        }
        foreach (var row in conflicts) throw new ViolationException($"U3: {_world.Name(row.Generation.Id)} #{row.Sequence} is in the table with other content");
    }

    /// <summary>A report is durable: it can go out.</summary>
    public void ReportCut() => _publishing.Wake();

    public void SlabDurable(SlabAsked asked)
    {
        if (!IsClosing) Turn(asked.Cell, (owner, outcomes) => owner.SlabDurable(asked.Tokens, asked.Until, Now, outcomes));
    }

    public void TermsChanged(SubscriptionTerms terms)
    {
        _world.Observer.Pauses.Told(this, _cells.GetValueOrDefault(terms.Subscription), terms);
        if (terms.Paused && _world.Mutation == Mutation.PauseUntold) return;
        if (_cells.TryGetValue(terms.Subscription, out var cell)) Turn(cell, (owner, outcomes) => owner.ChangeTerms(terms, Now, outcomes));
    }

    private void Forget(Cell cell, Generation generation)
    {
        cell.Owner.Forget(generation);
        _running.Remove(generation.Id);
    }

    /// <summary>One that has nothing to write would never learn that another has held its shard, nor that a lease has ended under it.</summary>
    private void CheckEpoch() => Run(async () =>
    {
        var at = _world.Now.Real;
        try
        {
            if (await _world.Store.ReadAsync(this, () => _world.Store.Shards[Shard].Epoch) == Epoch) ConfirmedAt = at;
            else _world.Lost(this);
        }
        catch (StoreLostException)
        {
            // Asked again soon; until then nothing that was reserved is free.
        }
        After(_world.Draw.Int(700, 1_300), CheckEpoch);
    });

    private void Sweep()
    {
        if (IsClosing) return;
        var now = Now;
        var forgettable = new List<Generation>();
        foreach (var (id, cell) in _cells.ToList())
        {
            var lastTurn = cell.LastTurn;
            Turn(cell, (owner, outcomes) => owner.Expire(now, outcomes));
            cell.LastTurn = lastTurn;
            _world.Observer.Swept(this, cell);
            if (!cell.Owner.HasCrossings) _world.Observer.Thresholds.Quiet(this, cell);
            else if (_world.Mutation != Mutation.LoweredCapUnannounced) Run(() => AnnounceAsync(cell));
            if (cell.Pins > 0) continue;
            cell.Owner.CollectForgettable(now.Real - World.Limits.Lease, forgettable);
            foreach (var generation in forgettable) Forget(cell, generation);
            forgettable.Clear();
            if (cell.Uncommitted.Count > 0 || !cell.Owner.IsIdle || now.Real - lastTurn < World.Limits.Lease) continue;
            cell.Evicted = true;
            _cells.Remove(id);
        }
        After(_world.Draw.Int(900, 1_500), Sweep);
    }

    /// <summary>Hands the shard over in good order: no more turns, everything committed and reported, slabs cut down to what is out.</summary>
    public async Task CloseAsync()
    {
        IsClosing = true;
        Moved();
        await _writing.DrainAsync();
        await _slabs.LeaveRemaindersAsync();
        Kill();
        _world.Store.Abandon();
    }

    /// <summary>Tells every runtime whose generation was here to ask again; some never hear it.</summary>
    public void Moved()
    {
        foreach (var generation in _running.Values)
            if (_world.Draw.Chance(0.7)) ((Route)generation.Route!).Outlet.Send(Rejected(generation.Id, 0, Reasons.GenerationUnknown));
    }

    private static Answer Rejected(Guid generation, long sequence, string reason) => new(AnswerKind.Rejected, generation, sequence, reason);
}
