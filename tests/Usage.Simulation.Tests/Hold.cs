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

    /// <returns>whether it had to be waited for</returns>
    private async Task<bool> WholeAsync(Cell cell, string conversation, Guid generation)
    {
        if (_world.Mutation == Mutation.TotalsReadBehind || !cell.WouldReadBehind(conversation, generation, _writing.Behind)) return false;
        await _writing.ReportedAsync();
        return true;
    }

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
            while (true)
            {
                var before = cell.ReadPoint;
                var needsLoading = cell.NeedsLoading(header.Conversation, header.Id, storeIsAway: false);
                if (needsLoading && await WholeAsync(cell, header.Conversation, header.Id)) continue;
                var loaded = needsLoading ? await Reading.ReadAsync(_world, this, header.Subscription, header.Conversation, header.Id) : null;
                var asked = cell.NeedsTerms(loaded, _world.Now.Business, out _) ? await Instance.Terms.AskAsync(this, header.Subscription) : null;
                if (IsClosing)
                {
                    outlet.Send(new Answer(AnswerKind.Denied, header.Id, Reason: Reasons.StoreUnavailable, Attempt: request.Attempt));
                    return;
                }
                if (_world.Mutation == Mutation.ForgottenSinceUsed) before = before with { Forgotten = long.MaxValue };
                if (!TryLoad(cell, loaded, before, header.Conversation, header.Id)) continue;
                if (asked is not null) cell.Owner.ChangeTerms(asked, Now, cell.Outcomes);
                Deliver(cell);
                Start(cell, request, loaded?.Generation, outlet);
                return;
            }
        }
        catch (StoreLostException)
        {
            outlet.Send(new Answer(AnswerKind.Denied, header.Id, Reason: Reasons.StoreUnavailable, Attempt: request.Attempt));
        }
        finally
        {
            Unpin(cell);
        }
    }

    private Cell Pin(Guid subscription)
    {
        if (!_cells.TryGetValue(subscription, out var cell))
            _cells.Add(subscription, cell = new Cell(new SubscriptionOwner(subscription, World.Limits), Epoch));
        cell.Pin();
        return cell;
    }

    private void Unpin(Cell cell)
    {
        cell.Unpin();
        if (cell.IsUnknown) _cells.Remove(cell.Owner.Subscription);
    }

    private bool TryLoad(Cell cell, Loaded? loaded, ReadPoint before, string conversation, Guid generation)
    {
        var isFirst = !cell.IsLoaded;
        if (!cell.TryLoad(loaded, before, conversation, generation, storeIsAway: false, Now)) return false;
        if (isFirst && loaded?.Slab is { } slab && slab.Epoch != Epoch) cell.Inherited = slab.Tokens;
        return true;
    }

    private void Start(Cell cell, Request request, (GenerationHeader Header, RecordedGeneration Recorded)? stored, Outlet outlet)
    {
        var header = request.Header;
        var isNew = cell.Owner.Find(header.Id) is null && stored is null;
        var attempt = _world.Mutation == Mutation.DenialsForgotten ? default : request.Attempt;
        var answer = cell.Start(header, stored, request.TokensWanted, request.Resumed, attempt, outlet.IsGone, Now);
        if (answer.FinishedAt is { } sequence) Send(outlet, new Answer(AnswerKind.Acknowledged, header.Id, sequence, Finished: true));
        if (answer.Generation is { } generation)
        {
            if (isNew) _world.Observer.Opened(cell, header);
            Attach(generation, outlet, started: true, cell);
        }
        if (answer.Denied is { } denied)
        {
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
        var outcomes = cell.TakeOutcomes();
        foreach (var outcome in outcomes) Deliver(cell, outcome);
        cell.Delivered(outcomes);
        _world.Observer.TurnTaken(this, cell);
    }

    private void Deliver(Cell cell, in Outcome outcome)
    {
        var outlet = (outcome.Generation?.Route as Route)?.Outlet;
        switch (outcome.Kind)
        {
            case OutcomeKind.Recorded:
                cell.UncommittedRows++;
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
            var stored = await _world.Store.ReadAsync(this, () => _world.Store.Find(id, sequence));
            Send(outlet, stored.Refusing(content) is { } why
                ? Rejected(id, sequence, why.Code)
                : new Answer(AnswerKind.Acknowledged, id, stored.LastSequence!.Value, Finished: stored.Finish != FinishReason.None));
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
            route.Cell.Durable(row);
            if (last[row.Generation.Id] != row.Sequence) continue;
            var finished = row.Finish != FinishReason.None;
            Send(route.Outlet, new Answer(AnswerKind.Acknowledged, row.Generation.Id, row.Sequence, Finished: finished));
            if (finished) Forget(route.Cell, row.Generation);
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
        cell.Forget(generation);
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
        var forgotten = new List<Generation>();
        foreach (var (id, cell) in _cells.ToList())
        {
            var lastTurn = cell.LastTurn;
            Turn(cell, (owner, outcomes) => owner.Expire(now, outcomes));
            cell.LastTurn = lastTurn;
            _world.Observer.Swept(this, cell);
            if (!cell.Owner.HasCrossings) _world.Observer.Thresholds.Quiet(this, cell);
            else if (_world.Mutation != Mutation.LoweredCapUnannounced) Run(() => AnnounceAsync(cell));
            var isSilent = cell.ForgetSilent(now.Real, World.Limits.Lease, World.Limits.Lease, forgotten);
            foreach (var generation in forgotten) _running.Remove(generation.Id);
            forgotten.Clear();
            if (isSilent) _cells.Remove(id);
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
