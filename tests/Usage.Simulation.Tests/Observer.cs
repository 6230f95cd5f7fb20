using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// Sees everything from outside, keeps books of its own, and holds the product to its invariants after every step that could break them.
/// What it counts comes from rows and answers, never from the totals it checks.
/// </summary>
internal sealed class Observer(World world, Books books)
{
    private readonly record struct Reservation(long Tokens, DateTimeOffset Until, bool IsOver, bool IsWithheld);

    private sealed class Watched(RuntimeGeneration runtime)
    {
        public RuntimeGeneration Runtime => runtime;
        public List<(long Allowed, DateTimeOffset Until)> Grants { get; } = [];
        public long Rows { get; set; }
        public Tally Counted { get; set; }
        public long Overrun { get; set; }
        /// <summary>It reported tokens after their grant had ended, or without one: they may come out as overrun.</summary>
        public bool WasLate { get; set; }
        public Cell? OpenedBy { get; set; }
        /// <summary>Tokens of its rows that are decided in the turn being taken.</summary>
        public long Said { get; set; }
        /// <summary>Its reservation with each owner, as the last turn left it.</summary>
        public Dictionary<Cell, Reservation> Reserved { get; } = [];
        /// <summary>The latest attempt that each owner has denied.</summary>
        public Dictionary<Cell, Attempt> Denied { get; } = [];

        public long Allowed(DateTimeOffset now)
        {
            long allowed = 0;
            foreach (var grant in Grants) if (grant.Until > now && grant.Allowed > allowed) allowed = grant.Allowed;
            return allowed;
        }
    }

    private readonly Dictionary<Guid, Watched> _generations = [];
    private readonly Dictionary<Guid, List<Watched>> _bySubscription = [];
    private readonly HashSet<Guid> _lateAfterLoss = [], _lowered = [];
    private readonly Dictionary<(Guid, CapWindow), long> _ceilings = [];
    // Windows that some version of the terms leaves unbounded: under that one anything may have been granted.
    private readonly HashSet<(Guid, CapWindow)> _unbounded = [];
    private readonly Dictionary<(int Shard, LineKey Line), long> _unreported = [];

    public CorrectionWatch Corrections { get; } = new(world, books);
    public ThresholdWatch Thresholds { get; } = new(world, books);
    public PublishingWatch Publishing { get; } = new(world, books);
    public HolderWatch Holders { get; } = new(world);
    public PauseWatch Pauses { get; } = new();
    public long Grants { get; private set; }
    public long CapDenials { get; private set; }
    public long OverrunTokens { get; private set; }

    public void Watch(RuntimeGeneration runtime)
    {
        var watched = new Watched(runtime);
        _generations.Add(runtime.Header.Id, watched);
        if (!_bySubscription.TryGetValue(runtime.Header.Subscription, out var some)) _bySubscription.Add(runtime.Header.Subscription, some = []);
        some.Add(watched);
    }

    /// <summary>Grants may be given under any version of the terms that somebody still believes: used never passes the highest.</summary>
    public void Terms(SubscriptionTerms terms)
    {
        foreach (var window in Enum.GetValues<CapWindow>())
            if (!CapRule.Of(terms).Any(r => r.Hard && r.Window == window) && _unbounded.Add((terms.Subscription, window))) _lowered.Add(terms.Subscription);
        foreach (var rule in CapRule.Of(terms))
        {
            var key = (terms.Subscription, rule.Window);
            if (!rule.Hard) continue;
            // What a lost owner had granted under the higher cap may come out as overrun under the lower one: used never passes it.
            if (rule.Tokens < _ceilings.GetValueOrDefault(key)) _lowered.Add(terms.Subscription);
            _ceilings[key] = Math.Max(_ceilings.GetValueOrDefault(key), rule.Tokens);
        }
    }

    public void Cheated(GenerationHeader header)
    {
        _generations[header.Id].WasLate = true;
        _lateAfterLoss.Add(header.Subscription);
    }

    public void Counting(Generation generation)
    {
        var watched = _generations[generation.Id];
        if (watched.Runtime.Generated <= watched.Allowed(world.Now.Real)) return;
        watched.WasLate = true;
        // A successor cannot tell late tokens from live ones: it counts them against the slab, so that others' may come out as overrun.
        if (world.Store.Shards[world.ShardOf(generation.Header.Subscription)].Epoch > 1) _lateAfterLoss.Add(generation.Header.Subscription);
    }

    public void Answered(Hold hold, in Answer answer)
    {
        if (world.Schedule.IsTold) world.Tell($"{hold} says {world.Name(answer.Generation)} {answer.Kind} {answer.Number} {answer.Reason}{(answer.Final ? "final" : "")}{(answer.Kind == AnswerKind.Granted ? $" until {(answer.Until - World.Jan1).TotalSeconds:0.0}" : "")}");
        var watched = _generations[answer.Generation];
        if (answer.Kind == AnswerKind.Acknowledged && watched.Rows <= answer.Number)
            throw new ViolationException($"U3: {watched.Runtime.Name} is acknowledged to {answer.Number} with {watched.Rows} rows in the table");
        if (answer.Kind != AnswerKind.Granted) return;
        Pauses.Granted(hold, watched.Runtime, watched.Grants.Select(g => g.Allowed).DefaultIfEmpty().Max(), answer);
        Grants++;
        watched.Grants.Add((answer.Number, answer.Until));
        CheckExposure(watched.Runtime.Header.Subscription);
    }

    public void Committed(CommittedPlan commit)
    {
        var (shard, before, plan) = (commit.Shard, commit.Before, commit.Plan);
        if (plan.Batch is { } batch)
        {
            world.Tell($"shard {shard}: batch {batch.Number} of {batch.Rows.Count} rows");
            Must(batch.Number == before.Batch + 1 && batch.PreviousChain.AsSpan().SequenceEqual(before.Chain), "U5: batches follow each other");
            foreach (var row in batch.Rows) Recorded(shard, row);
            foreach (var row in batch.Rows) CheckTotals(row);
            foreach (var correction in batch.Corrections) Corrected(shard, correction);
        }
        if (commit.Call is { } call) Corrections.Committed(call, plan.Batch?.Corrections ?? []);
        if (plan.Report is { } report) Reported(shard, before, report, plan.Head);
    }

    private void Recorded(int shard, UsageRow row)
    {
        var watched = _generations[row.Generation.Id];
        var (header, runtime) = (watched.Runtime.Header, watched.Runtime);
        if (world.Schedule.IsTold) world.Tell($"  {runtime.Name} #{row.Sequence}: {row.Tokens.Generated} counted, {row.OverrunTokens} overrun{(row.Finish == FinishReason.None ? "" : ", finished")}");
        Must(row.Sequence == watched.Rows, $"U3: {runtime.Name} #{row.Sequence} is recorded where #{watched.Rows} was next");
        Must(row.Content == (row.Sequence == 0 ? header.Content : runtime.Contents[(int)row.Sequence - 1]), $"U3: {runtime.Name} #{row.Sequence} is not what was said");
        Must(row.OverrunTokens == 0 || watched.WasLate || _lateAfterLoss.Contains(header.Subscription) || ((_lowered.Contains(header.Subscription) || world.PeriodTurns) && world.Store.Shards[shard].Epoch > 1), $"{runtime.Name} kept to its grants, and {row.OverrunTokens} of its tokens are overrun");
        watched.Rows++;
        watched.Counted += row.Tokens;
        watched.Overrun += row.OverrunTokens;
        OverrunTokens += row.OverrunTokens;
        Must(!runtime.IsHonest || watched.Counted.Generated + watched.Overrun <= runtime.Generated, $"U3: more is recorded of {runtime.Name} than it generated");
        ToReport(shard, books.Add(row));
    }

    private void Corrected(int shard, UsageCorrection correction)
    {
        // Room that a lost owner had granted may be gone to what somebody added: its tokens may come out as overrun.
        if (correction.Deltas.AnyAbove(0)) _lowered.Add(correction.Subscription);
        ToReport(shard, books.Add(correction));
        Thresholds.Corrected(correction);
    }

    private void ToReport(int shard, IReadOnlyDictionary<LineKey, long> lines)
    {
        foreach (var (line, tokens) in lines)
            if ((_unreported[(shard, line)] = _unreported.GetValueOrDefault((shard, line)) + tokens) == 0) _unreported.Remove((shard, line));
    }

    /// <summary>The totals say what the rows say, and no hard cap is passed by what is committed or may yet come.</summary>
    private void CheckTotals(UsageRow row)
    {
        var (header, watched, store) = (row.Generation.Header, _generations[row.Generation.Id], world.Store);
        var recorded = store.GenerationOf(header.Id)!.Value.Recorded;
        Must(recorded.Counted.Generated == watched.Counted.Generated && recorded.OverrunTokens == watched.Overrun && recorded.LastSequence == watched.Rows - 1, $"U3: the totals of {watched.Runtime.Name} differ from its rows");
        var (period, conversation) = (books.Period(header.Subscription, row.Period.Id), books.Conversation(header.Subscription, header.Conversation));
        Must(store.Periods[(header.Subscription, row.Period.Id)].Tokens == period.Used, "U3: the total of a period differs from its rows");
        Must(store.ConversationOf(header.Subscription, header.Conversation) == conversation.Used, "U3: the total of a conversation differs from its rows");
        foreach (var window in new[] { row.FiveHours, row.Week })
        {
            if (window is null) continue;
            var account = books.Window(header.Subscription, window);
            Must(store.Windows[(header.Subscription, window)] == account.Used, "U3: the total of a window differs from its rows");
            CheckCeiling(header.Subscription, window.Window, account);
        }
        CheckCeiling(header.Subscription, CapWindow.BillingPeriod, period);
        CheckCeiling(header.Subscription, CapWindow.Conversation, conversation);
        CheckExposure(header.Subscription);
    }

    private void CheckCeiling(Guid subscription, CapWindow window, Books.Account account)
    {
        if (!_unbounded.Contains((subscription, window)) && _ceilings.TryGetValue((subscription, window), out var cap) && account.Used.Of(world.CountedBy(subscription, window)) is var used && used > cap + account.Beyond)
            throw new ViolationException($"U1: {used} are used of a hard cap of {cap} per {window}, which corrections filled {account.Beyond} beyond");
    }

    private void Reported(int shard, ShardHead before, PlannedReport report, ShardHead head)
    {
        Must(report.Number == before.Report + 1 && report.FirstBatch == before.ReportedBatch + 1 && report.LastBatch == head.Batch && report.PreviousChain.AsSpan().SequenceEqual(before.ReportedChain), "U5: reports follow each other without a gap");
        if (world.Schedule.IsTold) world.Tell($"shard {shard}: report {report.Number} of batches {report.FirstBatch} to {report.LastBatch}: {string.Join(", ", report.Lines.Select(l => $"{l.Key.Kind} {l.Value}"))}");
        var lines = 0;
        foreach (var (key, tokens) in _unreported)
        {
            if (key.Shard != shard) continue;
            Must(report.Lines.GetValueOrDefault(key.Line) == tokens, $"U4: report {report.Number} of shard {shard} says {report.Lines.GetValueOrDefault(key.Line)}, the table {tokens}");
            _unreported.Remove(key);
            lines++;
        }
        Must(lines == report.Lines.Count, $"U4: report {report.Number} of shard {shard} has lines without rows");
    }

    /// <summary>What is committed, and what holders of valid grants and the queue of the current owner may still add, keep within the caps.</summary>
    private void CheckExposure(Guid subscription)
    {
        if (_lateAfterLoss.Contains(subscription) || world.CapsCountPrompts(subscription)) return;
        var now = world.Now;
        if (_ceilings.TryGetValue((subscription, CapWindow.BillingPeriod), out var cap) && !world.PeriodTurns)
            CheckExposure(subscription, null, cap, books.Period(subscription, world.TermsOf(subscription).PeriodAt(now.Business).Id), now);
        if (!_ceilings.TryGetValue((subscription, CapWindow.Conversation), out cap)) return;
        foreach (var conversation in World.Conversations) CheckExposure(subscription, conversation, cap, books.Conversation(subscription, conversation), now);
    }

    private void CheckExposure(Guid subscription, string? conversation, long cap, Books.Account account, Moment now)
    {
        long exposed = 0;
        foreach (var watched in _bySubscription[subscription])
        {
            var runtime = watched.Runtime;
            if (conversation is not null && runtime.Header.Conversation != conversation) continue;
            if (watched.Rows > 0 && world.Store.Generations[runtime.Header.Id].Recorded.Finish != FinishReason.None) continue;
            var (queued, queuedOverrun) = world.Queued(runtime.Header);
            // A runtime that has finished generates no more, whatever it was granted.
            var reach = watched.Allowed(now.Real);
            if (runtime.HasFinished || !runtime.Worker.IsAlive) reach = Math.Min(reach, runtime.Generated);
            exposed += Math.Max(queued, reach - queuedOverrun - watched.Counted.Generated - watched.Overrun);
        }
        var committed = account.Used.Generated;
        if (committed + exposed > cap + account.Beyond) throw new ViolationException($"U1: {committed} committed and {exposed} that may still come pass the cap of {cap} {(conversation is null ? "per period" : $"of {conversation}")}");
    }

    public void Denied(Hold hold, Cell cell, GenerationHeader header, Attempt attempt, in Outcome denied)
    {
        if (world.Schedule.IsTold) world.Tell($"{hold} denies {world.Name(header.Id)}: {denied.Why.Code}");
        var watched = _generations[header.Id];
        // The runtime has said it again since, and was denied then: it hears nothing of what becomes of this one.
        if (watched.Denied.TryGetValue(cell, out var latest) && attempt.Number <= latest.Number) return;
        watched.Denied[cell] = attempt;
        Pauses.Denied(hold, cell, denied);
        if (denied.Why.Code != Reasons.CapReached) return;
        CapDenials++;
        if (hold.IsCurrent && !hold.IsClosing && RoomOf(hold, cell, header, withPrompt: true) is > 0 and var room)
            throw new ViolationException($"U2: {world.Name(header.Id)} is denied with room for {room} tokens");
    }

    /// <summary>Questions to billing about subscriptions that have run out.</summary>
    public int TermsAsked { get; set; }

    public void Opened(Cell cell, GenerationHeader header) => _generations[header.Id].OpenedBy = cell;

    public void Swept(Hold hold, Cell cell)
    {
        if (!hold.IsCurrent) return;
        // A sweep looks at everybody who waits; whoever waits for billing is heard of there.
        if (cell.Owner.Terms is { Active: true } old && old.IsStaleAt(world.Now.Business) && !cell.AskingForTerms)
            foreach (var watched in _bySubscription[cell.Owner.Subscription])
                Must(cell.Owner.Find(watched.Runtime.Header.Id) is not { Waiting: true, IsEnded: false, Finished: false }, $"{watched.Runtime.Name} waits for terms that nobody asks for");
        foreach (var watched in _bySubscription[cell.Owner.Subscription])
            if (cell.Owner.Find(watched.Runtime.Header.Id) is { Waiting: true, IsFinal: false } && cell.Owner.Terms is { Active: true } terms && !terms.IsStaleAt(world.Now.Business) && RoomOf(hold, cell, watched.Runtime.Header, withPrompt: false) is > 0 and var room)
                throw new ViolationException($"U2: {watched.Runtime.Name} waits with room for {room} tokens");
    }

    /// <summary>What an observer who sees the tables, the queue, every reservation and the inherited slab would call room.</summary>
    private long RoomOf(Hold hold, Cell cell, GenerationHeader header, bool withPrompt)
    {
        var (owner, now) = (cell.Owner, world.Now);
        var (least, inherited) = (long.MaxValue, cell.Inherited.Where(s => hold.ConfirmedAt < s.Until).Sum(s => s.Tokens));
        foreach (var rule in CapRule.Of(owner.Terms!))
        {
            if (!rule.Hard) continue;
            var used = books.UsedBy(cell, rule, header.Conversation, owner.Terms!.PeriodAt(now.Business).Id, now.Business);
            var left = rule.Tokens - used - inherited - (withPrompt ? header.Prompt.Of(rule.Kinds) : 0);
            foreach (var watched in _bySubscription[owner.Subscription])
                if (owner.Find(watched.Runtime.Header.Id) is { } other && (rule.Window != CapWindow.Conversation || other.Header.Conversation == header.Conversation))
                    left -= other.Held + (other.Started ? 0 : other.Header.Prompt.Of(rule.Kinds));
            least = Math.Min(least, left);
        }
        return least;
    }

    /// <summary>U6: what is held is held by somebody who runs, and a reservation that ended holds nothing.</summary>
    public void TurnTaken(Hold hold, Cell cell)
    {
        long held = 0;
        foreach (var watched in _bySubscription[cell.Owner.Subscription])
        {
            if (cell.Owner.Find(watched.Runtime.Header.Id) is not { } generation) continue;
            held += generation.Held;
            CheckReservation(hold, cell, watched, generation);
            Must(generation.Held >= 0 && !(generation.Finished && generation.Held > 0), $"U6: {watched.Runtime.Name} holds {generation.Held} and has finished: {generation.Finished}");
        }
        Must(held == cell.Owner.HeldTokens, $"U6: {cell.Owner.HeldTokens} are held, by generations {held}");
        if (!hold.IsCurrent || cell.Owner.Terms is null) return;
        foreach (var line in cell.Owner.Balance(null, world.Now))
        {
            if (!line.Rule.Hard || _unbounded.Contains((cell.Owner.Subscription, line.Rule.Window))) continue;
            var cap = _ceilings[(cell.Owner.Subscription, line.Rule.Window)] + Beyond(cell, line.Rule);
            if (line.UsedTokens + (line.Rule.CountsGenerated ? held : 0) > cap) throw new ViolationException($"U1: {line.UsedTokens} used and {held} held pass the cap of {cap} per {line.Rule.Window}");
        }
    }

    public void Decided(UsageRow row) => _generations[row.Generation.Id].Said += row.Tokens.Generated + row.OverrunTokens;

    /// <summary>U6: tokens stop being held because they are reported, because the generation is over, because its lease has ended, or because they never went out; and never twice.</summary>
    private static void CheckReservation(Hold hold, Cell cell, Watched watched, Generation generation)
    {
        var before = watched.Reserved.GetValueOrDefault(cell);
        var ended = before.Tokens - generation.Held;
        Must(ended <= watched.Said || generation.Finished || before.IsWithheld || hold.ConfirmedAt >= before.Until,
            $"U6: {watched.Runtime.Name} held {before.Tokens} and holds {generation.Held}, though it said {watched.Said} and its lease goes on");
        Must(ended >= 0 || !before.IsOver, $"U6: {watched.Runtime.Name} holds {generation.Held} after its reservation had ended");
        watched.Reserved[cell] = new(generation.Held, generation.ExpiresAt, generation.Finished, generation.Withheld);
        watched.Said = 0;
    }

    /// <summary>So much beyond a cap may be used as far as the owner in a cell has been told.</summary>
    private long Beyond(Cell cell, CapRule rule)
    {
        var (business, period) = (world.Now.Business, cell.Owner.Terms!.PeriodAt(world.Now.Business).Id);
        var beyond = books.Of(rule.Window, cell.Owner.Subscription, "", period, business).Beyond;
        foreach (var correction in cell.Untold) beyond -= Books.In(rule.Window, correction, "", period, business).Of(rule.Kinds);
        return Math.Max(0, beyond);
    }

    /// <summary>Once all is quiet: everything acknowledged is in the table, everything in the table is reported, nothing is held.</summary>
    public void Settled()
    {
        foreach (var watched in _generations.Values)
        {
            var runtime = watched.Runtime;
            Must(watched.Rows > runtime.AcknowledgedTo, $"U3: {runtime.Name} was acknowledged to {runtime.AcknowledgedTo}, and {watched.Rows} rows are in the table");
            // An owner that is read again knows nothing of what was denied before.
            if (runtime is { GaveUp: true, WasGranted: false } && watched.Rows > 0 && watched.Denied.TryGetValue(watched.OpenedBy!, out var denied))
                Must(denied != runtime.LastAttempt, $"U3: {runtime.Name} was denied by its owner, which recorded it all the same");
            if (!runtime.IsDone || runtime.GaveUp) continue;
            Must(watched.Counted.Generated + watched.Overrun == runtime.Generated, $"U3: {runtime.Name} generated {runtime.Generated}, recorded are {watched.Counted.Generated} and {watched.Overrun} overrun");
        }
        Must(_unreported.Count == 0, "U4: not everything in the table is reported");
        Publishing.Settled();
    }

    private static void Must(bool holds, string message)
    {
        if (!holds) throw new ViolationException(message);
    }
}
