using Contracts.Usage.V1;
using Microsoft.Extensions.Options;
using Usage.Caps;
using Usage.Host.Ledger;

namespace Usage.Host.Owners;

/// <summary>Takes frames of runtimes, from streams and unary calls alike, to the owner whose turn they are.</summary>
public sealed partial class Intake(OwnerDirectory owners, OwnerLoader loader, TermsSource terms, Readiness readiness, BusinessClock clock, UsageMetrics metrics, IOptions<UsageOptions> options)
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(1);
    private readonly Frames _frames = new(clock, options.Value);

    /// <summary>Starts or resumes a generation; the answer goes to the outlet. Null if it was denied. Waits while the ledger is full, for its prompt will be a row.</summary>
    /// <exception cref="RefusedException">owner_moved: nothing was decided, and nothing was answered</exception>
    public async Task<Generation?> StartAsync(Start start, long tokensWanted, Outlet outlet, CancellationToken ct)
    {
        if ((_frames.Read(start, out var header) ?? Frames.ReadWanted(tokensWanted)) is { } invalid)
        {
            Deny(outlet, start, invalid);
            return null;
        }
        try
        {
            return await TurnAsync(header.Subscription, header.Conversation, header.Id, (cell, stored) => Start(cell, header, stored, start, tokensWanted, outlet), writes: true, waits: !outlet.AwaitsAnswer, ct);
        }
        catch (Exception e) when (StoreFailure.Is(e))
        {
            Deny(outlet, start, new Refusal(Reasons.StoreUnavailable, "the database does not answer; start again in a few seconds, with the same id"));
            return null;
        }
        catch (RefusedException e) when (e.Refusal.Code == Reasons.StoreUnavailable)
        {
            Deny(outlet, start, e.Refusal, retryAfter: TimeProvider.System.GetUtcNow() + AskAgainAfter);
            return null;
        }
    }

    /// <summary>Returns when one more owner may be looked up: whoever brings many Starts waits for this before each.</summary>
    public ValueTask RoomAsync(CancellationToken ct) => loader.RoomAsync(ct);

    /// <summary>Takes frames that came from another process, in order; Starts that stand together are read together.</summary>
    /// <returns>how many were taken before <paramref name="within"/> was over: when the ledger is full the rest has to wait where it came from</returns>
    /// <exception cref="RefusedException">owner_moved: those that were taken may come again</exception>
    public async Task<int> TakeAsync(IReadOnlyList<RuntimeFrame> frames, Outlet outlet, CancellationToken within)
    {
        for (var i = 0; i < frames.Count; i++)
        {
            var (first, starting) = (i, new List<Task>());
            try
            {
                for (; i < frames.Count && frames[i].Start is { } start; i++)
                {
                    await RoomAsync(within);
                    starting.Add(StartAsync(start, 0, outlet, within));
                }
                await Task.WhenAll(starting);
                if (i == frames.Count) break;
                if (await TakeAsync(frames[i], outlet, within) is not null) throw OwnerMoved.AsException();
            }
            catch (OperationCanceledException) when (within.IsCancellationRequested)
            {
                // Of Starts that stand together some may have been taken; they may come again.
                return starting.Exists(s => !s.IsCompletedSuccessfully) ? first : i;
            }
        }
        return frames.Count;
    }

    /// <summary>Whether a frame's generation runs here now.</summary>
    public bool Runs(RuntimeFrame frame) => Runs(frame.Chunk?.GenerationId ?? frame.Finish?.GenerationId ?? "");

    /// <inheritdoc cref="Runs(RuntimeFrame)"/>
    public bool Runs(string generation) => Ids.TryParse(Ids.Generation, generation, out var id) && owners.Find(id) is not null;

    /// <summary>Takes any frame but a Start.</summary>
    /// <returns>the subscription whose owner has to be asked, in another process; null if the frame was taken</returns>
    public ValueTask<Guid?> TakeAsync(RuntimeFrame frame, Outlet outlet, CancellationToken ct)
    {
        switch (frame.FrameCase)
        {
            case RuntimeFrame.FrameOneofCase.Chunk:
                if (Frames.Read(frame.Chunk, out var chunk) is not { } invalidChunk) return CountAsync(frame.Chunk.GenerationId, chunk, 0, outlet, ct);
                outlet.Send(Answers.Rejected(frame.Chunk.GenerationId, frame.Chunk.Sequence, invalidChunk));
                break;
            case RuntimeFrame.FrameOneofCase.Finish:
                if (Frames.Read(frame.Finish, out var finish) is not { } invalidFinish) return CountAsync(frame.Finish.GenerationId, finish, 0, outlet, ct);
                outlet.Send(Answers.Rejected(frame.Finish.GenerationId, frame.Finish.Sequence, invalidFinish));
                break;
            case RuntimeFrame.FrameOneofCase.Renew:
                Renew(frame.Renew, outlet);
                break;
            case RuntimeFrame.FrameOneofCase.None:
            case RuntimeFrame.FrameOneofCase.Start:
            default:
                outlet.Send(Answers.Rejected("", 0, new Refusal(Reasons.FrameInvalid, "a frame must be a start, chunk, renew or finish; this one is empty or of a newer protocol")));
                break;
        }
        return ValueTask.FromResult<Guid?>(null);
    }

    /// <summary>Counts a Chunk or a Finish. Waits only when the ledger is full, or when the generation is not running here.</summary>
    /// <returns>the subscription whose owner has to be asked, in another process; null if the frame was taken</returns>
    public async ValueTask<Guid?> CountAsync(string generationId, Frame frame, long tokensWanted, Outlet outlet, CancellationToken ct)
    {
        if (!Ids.TryParse(Ids.Generation, generationId, out var id))
        {
            outlet.Send(Answers.Rejected(generationId, frame.Sequence, new Refusal(Reasons.FrameInvalid, "generation_id must be gen_ and 32 lower-case hex digits")));
            return null;
        }
        if (owners.Find(id) is not { } generation) return await owners.AnswerRepeatAsync(id, frame.Sequence, frame.Content, outlet, ct);
        if (_frames.IsTooOld(id) is { } tooOld)
        {
            outlet.Send(Answers.Rejected(generationId, frame.Sequence, tooOld));
            return null;
        }
        var cell = ((Route)generation.Route!).Cell;
        if (cell.Tenure.Writer.IsFull) await cell.Tenure.Writer.RoomAsync(ct);
        var isForgotten = false;
        lock (cell.Gate)
        {
            // Not acknowledged, so it will be sent again: to whoever owns it then.
            if (cell.Tenure.IsOver) cell.Tenure.Listen(outlet);
            else if (!ReferenceEquals(cell.Owner.Find(id), generation)) isForgotten = true;
            else
            {
                owners.Attach(cell, generation, outlet);
                cell.Owner.Count(generation, frame, tokensWanted, owners.NowOf(cell), cell.Outcomes);
                owners.Deliver(cell, outlet);
            }
        }
        // In between: whatever it was, the tables know it.
        if (isForgotten) return await owners.AnswerRepeatAsync(id, frame.Sequence, frame.Content, outlet, ct);
        // What came again is looked up meanwhile; whoever sends much of it waits.
        var fewer = outlet.FewLookUpsAsync();
        if (!fewer.IsCompleted) await fewer.WaitAsync(ct);
        return null;
    }

    public void Renew(Renew renew, Outlet outlet)
    {
        if (Frames.ReadWanted(renew.TokensWanted) is { } invalid) outlet.Send(Answers.Rejected(renew.GenerationId, 0, invalid));
        else if (!Ids.TryParse(Ids.Generation, renew.GenerationId, out var id) || owners.Find(id) is not { } generation)
            outlet.Send(NotRunning(renew.GenerationId));
        else
        {
            var cell = ((Route)generation.Route!).Cell;
            lock (cell.Gate)
            {
                if (cell.Tenure.IsOver)
                {
                    cell.Tenure.Listen(outlet);
                    return;
                }
                if (!ReferenceEquals(cell.Owner.Find(id), generation))
                {
                    outlet.Send(NotRunning(renew.GenerationId));
                    return;
                }
                owners.Attach(cell, generation, outlet);
                cell.Owner.Renew(generation, renew.TokensWanted, owners.NowOf(cell), cell.Outcomes);
                owners.Deliver(cell);
            }
        }
    }

    private static MeterFrame NotRunning(string generation) =>
        Answers.Rejected(generation, 0, new Refusal(Reasons.GenerationUnknown, "the generation is not running here; send its Start, again if it had one"));

    /// <summary>What the tables have of a generation.</summary>
    public async Task<(TokenCounts Recorded, long Overrun)> RecordedAsync(Guid generation, CancellationToken ct)
    {
        var loaded = await loader.LoadAsync(Guid.Empty, "", generation, ofOwner: false, waits: false, ct);
        if (loaded.Generation is not { } stored) return (new TokenCounts(), 0);
        var (prompt, counted) = (stored.Header.Prompt, stored.Recorded.Counted);
        return (new TokenCounts
        {
            Input = prompt.Input,
            CachedInput = prompt.CachedInput,
            CacheCreation = prompt.CacheCreation,
            Output = counted.Output,
            Reasoning = counted.Reasoning,
        }, stored.Recorded.OverrunTokens);
    }

    /// <summary>Every cap of a subscription as it stands now, from its owner's memory: the tables are read only for what is not in it.</summary>
    public Task<Balance> BalanceAsync(Guid subscription, string conversation, CancellationToken ct) => TurnAsync(subscription, conversation, Guid.Empty, (cell, _) =>
    {
        if (cell.Owner.Terms is not { } known)
            throw (cell.NotAskedFor ? terms.TooMany : new Refusal(Reasons.SubscriptionUnknown, "neither usage nor billing knows this subscription")).AsException();
        var balance = Answers.Balance(known, cell.Owner.Balance(conversation.Length == 0 ? null : conversation, owners.NowOf(cell)));
        if (conversation.Length > 0 && !cell.LookAt(conversation, cell.LastTurn)) cell.Owner.ForgetIfIdle(conversation);
        return balance;
    }, writes: false, waits: false, ct);

    /// <summary>One turn of a subscription's owner, which is read first where it is not in memory. The turn gets what the tables have of the generation, if they were read and have it.</summary>
    /// <param name="writes">it may queue a row, so it waits while the ledger is full</param>
    /// <param name="waits">likewise while as many owners are being looked up as may; else it is refused then</param>
    private async Task<T> TurnAsync<T>(
        Guid subscription, string conversation, Guid generation, Func<OwnerCell, (GenerationHeader Header, RecordedGeneration Recorded)?, T> turn, bool writes, bool waits, CancellationToken ct)
    {
        var cell = owners.Pin(subscription);
        try
        {
            while (true)
            {
                if (writes && cell.Tenure.Writer.IsFull) await cell.Tenure.Writer.RoomAsync(ct);
                var needsLoading = NeedsLoading(cell, conversation, generation, out var before, out var ofOwner, out var isBehind);
                if (needsLoading && await loader.WholeAsync(cell.Tenure.Writer, isBehind, ct)) continue;
                var loaded = needsLoading
                    ? await loader.LoadAsync(subscription, conversation, generation, ofOwner, waits, ct)
                    : null;
                var asked = NeedsTerms(cell, loaded, out var isKnown) ? await terms.AskAsync(subscription, waits: isKnown).WaitAsync(ct) : default;
                lock (cell.Gate)
                {
                    if (cell.Tenure.IsOver) throw OwnerMoved.AsException();
                    // Older than what was told meanwhile, or forgotten since the look: it must be read again, or after all.
                    if (!cell.TryLoad(loaded, before, conversation, generation, StoreIsAway, owners.NowOf(cell))) continue;
                    // Filled up by others since the look.
                    if (writes && cell.Tenure.Writer.IsFull)
                    {
                        owners.Deliver(cell);
                        cell.Owner.ForgetIfIdle(conversation);
                        continue;
                    }
                    if (asked.Terms is { } told) cell.Owner.ChangeTerms(told, owners.NowOf(cell), cell.Outcomes);
                    cell.NotAskedFor = asked.TooMany && cell.Owner.Terms is null;
                    owners.Deliver(cell);
                    return turn(cell, loaded?.Generation);
                }
            }
        }
        finally
        {
            owners.Unpin(cell);
        }
    }

    private void Deny(Outlet outlet, Start start, Refusal why, CapWindow? window = null, DateTimeOffset? retryAfter = null)
    {
        metrics.Denied(why.Code);
        outlet.Send(Answers.Denied(start, why, window, retryAfter));
    }

    /// <summary>While the database is known to be away nothing new is granted.</summary>
    private bool StoreIsAway => !readiness.IsReady && readiness.Waiting.ContainsKey(UsageLifetime.Database);

    /// <param name="ofOwner">what its owner knows is not in memory either</param>
    /// <param name="isBehind">what is to be read lacks rows yet</param>
    private bool NeedsLoading(OwnerCell cell, string conversation, Guid generation, out ReadPoint before, out bool ofOwner, out bool isBehind)
    {
        lock (cell.Gate)
        {
            isBehind = cell.WouldReadBehind(conversation, generation, cell.Tenure.Writer.Behind);
            (before, ofOwner) = (cell.ReadPoint, !cell.IsLoaded);
            return cell.NeedsLoading(conversation, generation, StoreIsAway);
        }
    }

    private bool NeedsTerms(OwnerCell cell, Loaded? loaded, out bool isKnown)
    {
        lock (cell.Gate) return cell.NeedsTerms(loaded, clock.Now, out isKnown);
    }

    private Generation? Start(OwnerCell cell, GenerationHeader header, (GenerationHeader Header, RecordedGeneration Recorded)? stored, Start start, long tokensWanted, Outlet outlet)
    {
        DateTimeOffset? retryAfter = null;
        StartAnswer answer;
        if (owners.Find(header.Id) is { } running && running.Header.Subscription != header.Subscription)
            answer = cell.Deny(header, new Refusal(Reasons.GenerationReused, "this generation id was started for another subscription; a new generation takes a new id"));
        else if (cell.NotAskedFor)
            (answer, retryAfter) = (cell.Deny(header, terms.TooMany), TimeProvider.System.GetUtcNow() + AskAgainAfter);
        else
            answer = cell.Start(header, stored, tokensWanted, start.Resumed, new Attempt(start.Asker, start.Attempt), outlet.IsGone, owners.NowOf(cell));
        if (answer.Denied is { } denied) Deny(outlet, start, denied.Why, denied.Window, denied.When ?? retryAfter);
        if (answer.FinishedAt is { } sequence) outlet.Send(Answers.Acknowledged(header.Id, sequence, finished: true));
        if (answer.Generation is { } generation)
        {
            owners.Attach(cell, generation, outlet, started: true);
            if (generation is { Started: false, Route: Route { PromptExpected: false } route })
            {
                // Its grant waits for the slab, and with it the row: whoever comes next must know that it takes room.
                route.PromptExpected = true;
                cell.Tenure.Writer.Expect();
            }
        }
        owners.Deliver(cell);
        return answer.Generation;
    }
}
