using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Contracts.Usage.V1;
using Microsoft.Extensions.Options;
using Usage.Caps;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Usage.Host.Owners;

/// <summary>The owners of this process and the generations that run under them: who takes turns, and where the consequences go.</summary>
public sealed partial class OwnerDirectory(
    LedgerWriters ledger, SlabWriter slabs, RepeatReader repeats, TermsSource terms, Announcements announcements, BusinessClock clock, UsageMetrics metrics, IOptions<UsageOptions> options, ILogger<OwnerDirectory> log)
{
    private readonly ConcurrentDictionary<Guid, OwnerCell> _cells = new();
    private readonly ConcurrentDictionary<Guid, Generation> _running = new();
    private readonly MeterLimits _limits = options.Value.Limits;
    // Longer than watchers look away between two looks, unless they are told to look less often than anybody would call watching.
    private static readonly TimeSpan KeepsLookedAt = TimeSpan.FromSeconds(10);

    public int Owners => _cells.Count;
    public int Running => _running.Count;

    /// <summary>Granted and not yet reported, as of the last sweep.</summary>
    public long HeldTokens { get; private set; }

    /// <summary>Promised by slabs that have not ended, as of the last sweep.</summary>
    public long SlabTokens { get; private set; }

    /// <summary>How long the slab that was asked for first is being made durable, as of the last sweep.</summary>
    public TimeSpan SlabWait { get; private set; }

    /// <summary>The moment of a turn of this owner.</summary>
    public Moment NowOf(OwnerCell cell)
    {
        // Read before the clock, so that it is never after it.
        var confirmed = cell.Tenure.ConfirmedAt;
        return new(TimeProvider.System.GetUtcNow(), clock.Now) { Confirmed = confirmed };
    }

    public Generation? Find(Guid generation) => _running.GetValueOrDefault(generation);

    /// <summary>What a running generation may generate now; null if it may not go on, or waits.</summary>
    public Grant? CurrentGrant(string generationId)
    {
        if (!Ids.TryParse(Ids.Generation, generationId, out var id) || Find(id) is not { } generation) return null;
        lock (((Route)generation.Route!).Cell.Gate)
        {
            if (generation.Stopped || generation.Finished || generation.Withheld) return null;
            return Answers.Granted(Outcome.Granting(generation, generation.GeneratedTokens + generation.Held, generation.ExpiresAt), TimeProvider.System.GetUtcNow()).Grant;
        }
    }

    /// <summary>The cell of a subscription, held in memory until it is unpinned.</summary>
    /// <exception cref="RefusedException">owner_moved: its shard is not held by this process</exception>
    public OwnerCell Pin(Guid subscription)
    {
        while (ledger.Find(ledger.ShardOf(subscription)) is { } tenure)
        {
            var cell = _cells.GetOrAdd(subscription, (id, under) => new OwnerCell(new SubscriptionOwner(id, _limits), under), tenure);
            lock (cell.Gate)
            {
                // A tenure that ends marks itself first and evicts then, so what it cannot have seen yet is seen here.
                if (cell.Tenure.IsOver) Evict(cell);
                if (cell.Evicted) continue;
                cell.Pin();
                return cell;
            }
        }
        throw OwnerMoved.AsException();
    }

    /// <summary>One that nobody knows is not kept: there may be as many as somebody invents.</summary>
    public void Unpin(OwnerCell cell)
    {
        lock (cell.Gate)
        {
            cell.Unpin();
            if (cell.IsUnknown) Evict(cell);
        }
    }

    /// <summary>Registers a generation that its owner has taken. Inside the gate.</summary>
    public void Attach(OwnerCell cell, Generation generation, Outlet outlet, bool started = false)
    {
        if (generation.Route is Route route && started) route.Started(outlet);
        else if (generation.Route is Route heard) heard.Heard(outlet);
        else generation.Route = new Route(cell, outlet);
        _running[generation.Id] = generation;
    }

    /// <summary>Carries out what a turn decided, in order. Inside the gate: nothing here waits.</summary>
    /// <param name="speaker">whose frame the turn was about, if it was</param>
    public void Deliver(OwnerCell cell, Outlet? speaker = null)
    {
        cell.LastTurn = TimeProvider.System.GetUtcNow();
        var outcomes = cell.TakeOutcomes();
        foreach (ref readonly var outcome in CollectionsMarshal.AsSpan(outcomes)) Deliver(cell, outcome, speaker);
        cell.Delivered(outcomes);
    }

    private void Deliver(OwnerCell cell, in Outcome outcome, Outlet? speaker)
    {
        switch (outcome.Kind)
        {
            case OutcomeKind.Recorded:
                cell.UncommittedRows++;
                var recorded = RouteOf(outcome.Generation!);
                cell.Tenure.Writer.Add(outcome.Row!, expected: recorded.PromptExpected);
                recorded.PromptExpected = false;
                break;
            case OutcomeKind.Granted:
                metrics.Granted();
                RouteOf(outcome.Generation!).Send(Answers.Granted(outcome, cell.LastTurn));
                break;
            case OutcomeKind.Stopped:
                metrics.Stopped(outcome.Why.Code);
                RouteOf(outcome.Generation!).Send(Answers.Stopped(outcome));
                break;
            case OutcomeKind.Rejected:
                metrics.Rejected(outcome.Why.Code);
                RouteOf(outcome.Generation!).Outlet.Send(Answers.Rejected(Answers.Id(outcome.Generation!.Id), outcome.Number, outcome.Why));
                break;
            case OutcomeKind.Acknowledged:
                if (outcome.Number >= 0) RouteOf(outcome.Generation!).Send(Answers.Acknowledged(outcome.Generation!.Id, outcome.Number, outcome.Generation.Finished && outcome.Generation.AllDurable));
                break;
            case OutcomeKind.Resumed:
                RouteOf(outcome.Generation!).Send(Answers.Resumed(outcome.Generation!, outcome.Number));
                break;
            case OutcomeKind.Repeated:
                var outlet = RouteOf(outcome.Generation!).Outlet;
                var answer = AnswerRepeatAsync(outcome.Generation!.Id, outcome.Number, outcome.Content, outlet, CancellationToken.None);
                outlet.Track(answer);
                // Whoever repeats itself waits, also if a newer stream gets the answers.
                if (speaker is not null && !ReferenceEquals(speaker, outlet)) speaker.Track(answer);
                break;
            case OutcomeKind.SlabNeeded:
                slabs.Add(new SlabRequest(cell, outcome.Number, outcome.When!.Value, cell.Owner.Inherited(cell.Tenure.ConfirmedAt)));
                break;
            case OutcomeKind.TermsNeeded:
                if (cell.AskingForTerms) break;
                cell.AskingForTerms = true;
                _ = RefreshTermsAsync(cell);
                break;
            case OutcomeKind.Denied:
            default:
                throw new System.Diagnostics.UnreachableException($"a denial is answered by whoever asked: {outcome.Kind}");
        }
    }

    private static Route RouteOf(Generation generation) => (Route)generation.Route!;

    /// <summary>A sequence that is not the next one, met with its row in the table. Not answered if its owner may know better, in another process.</summary>
    /// <returns>the subscription whose owner has to be asked; null if the answer was given</returns>
    public async Task<Guid?> AnswerRepeatAsync(Guid generation, long sequence, long content, Outlet outlet, CancellationToken ct)
    {
        try
        {
            var stored = await repeats.ReadAsync(generation, sequence, waits: !outlet.AwaitsAnswer, ct);
            if (stored.IsUnfinished && ledger.Find(ledger.ShardOf(stored.Subscription)) is null) return stored.Subscription;
            outlet.Send(stored.Refusing(content) is { } why
                ? Answers.Rejected(Answers.Id(generation), sequence, why)
                : Answers.Acknowledged(generation, stored.LastSequence!.Value, stored.Finish != Caps.FinishReason.None));
        }
        catch (Exception e) when (StoreFailure.Is(e) || e is RefusedException { Refusal.Code: Reasons.StoreUnavailable })
        {
            outlet.Send(Answers.Rejected(Answers.Id(generation), sequence, (e as RefusedException)?.Refusal ?? new Refusal(Reasons.StoreUnavailable, "the database does not answer; send this frame again later")));
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            // Whoever said it waits for an answer, whatever it is.
            log.LogError(e, "{Generation} {Sequence} could not be looked up", generation, sequence);
            outlet.Send(Answers.Rejected(Answers.Id(generation), sequence, new Refusal(Reasons.StoreUnavailable, "this frame could not be looked up; the service's log says why; send it again later")));
        }
        return null;
    }

    /// <summary>Rows are committed: acknowledge them, and let go of what is finished.</summary>
    public void Committed(ShardCommit commit)
    {
        foreach (var row in commit.Rows)
        {
            var generation = row.Generation;
            var route = (Route)generation.Route!;
            lock (route.Cell.Gate)
            {
                route.Cell.Durable(row);
                // One acknowledgement says all: the last row of the generation in this commit speaks.
                if (commit.LastOf[generation.Id] != row.Sequence) continue;
                var finished = row.Finish != Caps.FinishReason.None;
                route.Send(Answers.Acknowledged(generation.Id, row.Sequence, finished));
                if (finished) Forget(route.Cell, generation);
            }
        }
        foreach (var row in commit.Conflicts)
        {
            log.LogError("{Generation} {Sequence} is in the table with other content: not counted", row.Generation.Id, row.Sequence);
            var (generation, route) = (row.Generation, (Route)row.Generation.Route!);
            lock (route.Cell.Gate)
            {
                // Its sequence is taken, by the row that counts: nothing more will come of this one.
                if (route.Cell.Tenure.IsOver) route.Cell.Durable(row);
                else
                {
                    route.Cell.UncommittedRows--;
                    route.Cell.Owner.Refused(row, NowOf(route.Cell), route.Cell.Outcomes);
                    Deliver(route.Cell);
                }
                if (row.Sequence > 0)
                    route.Send(Answers.Rejected(Answers.Id(generation.Id), row.Sequence, new Refusal(Reasons.SequenceReused, "this sequence is recorded with other content; the first one counts")));
                if (generation.IsTaken) Forget(route.Cell, generation);
            }
        }
    }

    private void Forget(OwnerCell cell, Generation generation)
    {
        cell.Forget(generation);
        Forgotten(generation);
    }

    private void Forgotten(Generation generation) => _running.TryRemove(new KeyValuePair<Guid, Generation>(generation.Id, generation));

    public void SlabDurable(SlabRequest request)
    {
        lock (request.Cell.Gate)
        {
            if (request.Cell.Tenure.IsOver) return;
            request.Cell.Owner.SlabDurable(request.Tokens, request.Until, NowOf(request.Cell), request.Cell.Outcomes);
            Deliver(request.Cell);
        }
    }

    /// <summary>New terms: told to the owner if it is in memory; if not, it will read them.</summary>
    /// <returns>the epoch of the shard here; null if it is held by another process, which must be told instead</returns>
    public long? TermsChanged(SubscriptionTerms changed)
    {
        if (ledger.Find(ledger.ShardOf(changed.Subscription)) is not { } tenure) return null;
        if (!_cells.TryGetValue(changed.Subscription, out var cell)) return tenure.Epoch;
        lock (cell.Gate)
        {
            if (cell.Tenure.IsOver) return null;
            cell.Owner.ChangeTerms(changed, NowOf(cell), cell.Outcomes);
            Deliver(cell);
            return cell.Tenure.Epoch;
        }
    }

    private async Task RefreshTermsAsync(OwnerCell cell)
    {
        SubscriptionTerms? asked = null;
        try
        {
            // The answer may be known already, and the turn that needs it is not over: what follows is another one.
            asked = (await terms.AskAsync(cell.Owner.Subscription, waits: true).ConfigureAwait(ConfigureAwaitOptions.ForceYielding)).Terms;
        }
        catch (Exception e)
        {
            // What waits is told that there are none, and whoever needs them next asks again.
            log.LogError(e, "terms of {Subscription} could not be had", cell.Owner.Subscription);
        }
        lock (cell.Gate)
        {
            cell.AskingForTerms = false;
            if (cell.Tenure.IsOver) return;
            cell.TermsAnswered(asked, NowOf(cell));
            Deliver(cell);
        }
    }

    private void Evict(OwnerCell cell)
    {
        cell.Evicted = true;
        _cells.TryRemove(new KeyValuePair<Guid, OwnerCell>(cell.Owner.Subscription, cell));
    }
}
