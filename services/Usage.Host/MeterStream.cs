using System.Diagnostics;
using Contracts.Usage.V1;
using Google.Protobuf.Collections;
using Grpc.Core;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>
/// One runtime's stream: frames are taken in order, answers go back as they come. Ends when the client is done, silent for too long,
/// or asked to go because the service drains or an owner has moved; each time only after what it sent is committed and acknowledged.
/// </summary>
public sealed class MeterStream : IDisposable
{
    // A stream that ends because an owner has moved must not wait for another owner that is moving too.
    private static readonly TimeSpan LastAnswersWithin = TimeSpan.FromSeconds(5);
    // One that was only slow is told why its stream ends; one that does not read at all never hears it.
    private static readonly TimeSpan LastChanceToRead = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LooksForForgottenEvery = TimeSpan.FromSeconds(1);
    // By then its owner has forgotten whoever says nothing.
    private const int ForgetsAfterLeases = 2;
    private readonly Intake _intake;
    private readonly LedgerWriters _ledger;
    private readonly UsageOptions _options;
    private readonly CancellationToken _caller;
    private readonly StreamOutlet _outlet;
    private readonly StreamLanes _lanes;
    private readonly FramePace _pace;
    /// <summary>Generations that have a place here, and whether their owner has taken them.</summary>
    private readonly Dictionary<string, bool> _running = new(StringComparer.Ordinal);
    private long _lookedForForgottenAt;
    /// <summary>Frames of the message being taken whose generations do not run here, and what the tables say of each.</summary>
    private readonly List<(RuntimeFrame Frame, Task<Guid?> Elsewhere)> _lookedUp = [];

    public MeterStream(Intake intake, LedgerWriters ledger, Instances instances, UsageOptions options, CancellationToken caller)
    {
        (_intake, _ledger, _options, _caller) = (intake, ledger, options, caller);
        _pace = new FramePace(options.FramesPerSecondMax);
        _outlet = new StreamOutlet(options.AnswersWaitingMax, caller);
        _lanes = new StreamLanes(instances, _outlet, ForgetsAfterLeases * TimeSpan.FromSeconds(options.LeaseSeconds));
    }

    public void Dispose() => _outlet.Dispose();

    public async Task RunAsync(IAsyncStreamReader<MeterRequest> requests, IServerStreamWriter<MeterResponse> responses, CancellationToken draining)
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(_caller);
        var sending = SendAsync(responses, broken);
        Exception? goodbye;
        try
        {
            goodbye = await ReadAsync(requests, broken.Token, draining);
            if (!_outlet.IsOverfull)
            {
                await LastAnswersAsync(_outlet.Moved.IsCancellationRequested, broken.Token);
            }
        }
        finally
        {
            _outlet.Complete();
            _lanes.Complete();
        }
        await LastWordsAsync(sending, goodbye is not null, broken);
        if (goodbye is not null) throw goodbye;
    }

    /// <summary>What has gathered still goes out, but a client that does not read is not waited for: it would cost a stream, and its memory, for ever.</summary>
    private async Task LastWordsAsync(Task sending, bool dismissed, CancellationTokenSource broken)
    {
        try
        {
            await sending.WaitAsync(_outlet.IsOverfull ? LastChanceToRead : dismissed ? LastAnswersWithin : TimeSpan.FromSeconds(_options.StreamIdleSecondsMax));
            return;
        }
        catch (TimeoutException)
        {
            // Broken off below.
        }
        await broken.CancelAsync();
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>What was queued for the ledger before this has been answered after it.</summary>
    private async Task LastAnswersAsync(bool moved, CancellationToken broken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(broken);
        if (moved) patience.CancelAfter(LastAnswersWithin);
        try
        {
            await Task.WhenAll(_ledger.FlushAsync(), _lanes.FlushAsync(patience.Token)).WaitAsync(patience.Token);
            await _outlet.TrackedAsync().WaitAsync(patience.Token);
        }
        catch (OperationCanceledException) when (moved && !broken.IsCancellationRequested)
        {
            // Not acknowledged, so the runtime sends it again on its next stream.
        }
    }

    private async Task SendAsync(IServerStreamWriter<MeterResponse> responses, CancellationTokenSource broken)
    {
        try
        {
            await _outlet.SendAllAsync(responses, broken.Token);
        }
        catch
        {
            // Without this the reader would go on for a client that no longer hears.
            await broken.CancelAsync();
            throw;
        }
    }

    private async Task<Exception?> ReadAsync(IAsyncStreamReader<MeterRequest> requests, CancellationToken broken, CancellationToken draining)
    {
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(broken, draining, _outlet.Moved);
        try
        {
            for (var frames = 1; ;)
            {
                // A message without frames says nothing.
                if (frames > 0) idle.CancelAfter(TimeSpan.FromSeconds(_options.StreamIdleSecondsMax));
                if (!await requests.MoveNext(idle.Token)) return null;
                frames = requests.Current.Frames.Count;
                if (frames > _options.FramesPerMessageMax)
                    return new Refusal(Reasons.FramesTooMany, $"a message holds at most {_options.FramesPerMessageMax} frames; send several").AsException();
                if (_pace.Take(frames) is { } wait)
                    return new RefusedException(
                        new Refusal(Reasons.RateLimited, $"a stream may send {_options.FramesPerSecondMax} frames a second; wait {Math.Ceiling(wait.TotalMilliseconds)} ms, then open a stream and resume with Start"), wait);
                await TakeAsync(requests.Current, idle.Token);
                if (_outlet.IsOverfull) return TooSlow();
            }
        }
        catch (RefusedException e) when (OwnerMoved.Is(e))
        {
            return e;
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled } && !broken.IsCancellationRequested)
        {
            if (_outlet.IsOverfull) return TooSlow();
            if (_outlet.Moved.IsCancellationRequested) return OwnerMoved.AsException();
            return (draining.IsCancellationRequested
                ? new Refusal(Reasons.Draining, "this instance is shutting down; open a new stream and resume with Start what is not finished")
                : new Refusal(Reasons.StreamIdle, $"no frame came for {_options.StreamIdleSecondsMax} s; open a new stream when there is something to say")).AsException();
        }
    }

    private static Exception TooSlow() =>
        new Refusal(Reasons.ReaderTooSlow, "answers are not being read; open a new stream, read it, and resume with Start").AsException();

    private async Task TakeAsync(MeterRequest message, CancellationToken ct)
    {
        var frames = message.Frames;
        for (var i = 0; i < frames.Count; i++)
        {
            // Starts need the tables; those that stand together are read together.
            if (frames[i].FrameCase == RuntimeFrame.FrameOneofCase.Start)
            {
                var end = i + 1;
                while (end < frames.Count && frames[end].FrameCase == RuntimeFrame.FrameOneofCase.Start) end++;
                // Whoever starts a generation again was answered first what had become of it.
                await LookedUpAsync(ct);
                await StartAsync(frames, i, end, ct);
                i = end - 1;
            }
            else await TakeAsync(frames[i], ct);
        }
        await LookedUpAsync(ct);
    }

    private async Task StartAsync(RepeatedField<RuntimeFrame> frames, int from, int to, CancellationToken ct)
    {
        var starting = new List<Task>(to - from);
        for (var i = from; i < to; i++)
        {
            if (Frames.TooLarge(frames[i], _options) is { } tooLarge)
            {
                _outlet.Send(Answers.Invalid(frames[i], tooLarge));
                continue;
            }
            var start = frames[i].Start;
            await _intake.RoomAsync(ct);
            // Its place is taken before its answer is known, so that those that come with it find it taken.
            if (TakePlace(start.GenerationId) is { } isNew) starting.Add(StartAsync(frames[i], isNew, ct));
            else _outlet.Send(Answers.Denied(start, new Refusal(Reasons.GenerationsTooMany, $"a stream carries at most {_options.GenerationsPerStreamMax} generations; open another")));
        }
        await Task.WhenAll(starting);
    }

    /// <summary>True if it is new here, false if it runs here; null if there is no place.</summary>
    private bool? TakePlace(string generation)
    {
        lock (_running)
        {
            if (_running.ContainsKey(generation)) return false;
            if (!HasPlace) FreeForgotten();
            return HasPlace && _running.TryAdd(generation, false) ? true : null;
        }
    }

    private bool HasPlace => _running.Count + _lanes.Generations < _options.GenerationsPerStreamMax;

    /// <summary>A generation of which nothing more is heard is forgotten by its owner without a word. All are looked at, so not for each that finds no place.</summary>
    private void FreeForgotten()
    {
        if (_lookedForForgottenAt != 0 && Stopwatch.GetElapsedTime(_lookedForForgottenAt) < LooksForForgottenEvery) return;
        _lookedForForgottenAt = Stopwatch.GetTimestamp();
        foreach (var (generation, isTaken) in _running)
            if (isTaken && !_intake.Runs(generation)) _running.Remove(generation);
    }

    private void FreePlace(string generation)
    {
        lock (_running) _running.Remove(generation);
    }

    private async Task StartAsync(RuntimeFrame frame, bool isNew, CancellationToken ct)
    {
        var (start, runsHere) = (frame.Start, false);
        try
        {
            // An id that is not one is refused by the intake, with what is wrong about it.
            if (Ids.TryParse(Ids.Subscription, start.SubscriptionId, out var subscription) && _ledger.Find(_ledger.ShardOf(subscription)) is null)
                await _lanes.SendAsync(subscription, start.GenerationId, frame, ct);
            else runsHere = await _intake.StartAsync(start, 0, _outlet, ct) is not null;
        }
        finally
        {
            lock (_running)
            {
                // Denied, or counted among those that run elsewhere.
                if (!runsHere && isNew) _running.Remove(start.GenerationId);
                else if (runsHere && _running.ContainsKey(start.GenerationId)) _running[start.GenerationId] = true;
            }
        }
    }

    private async ValueTask TakeAsync(RuntimeFrame frame, CancellationToken ct)
    {
        if (Frames.TooLarge(frame, _options) is { } tooLarge) _outlet.Send(Answers.Invalid(frame, tooLarge));
        else if (_lanes.Of(frame) is { } lane && lane.Expect()) await lane.AddAsync(frame, ct);
        else
        {
            var taking = _intake.TakeAsync(frame, _outlet, ct);
            // It waits for room, or for the tables because its generation does not run here: then those that follow are looked up with it, and not after it.
            if (taking.IsCompleted || _intake.Runs(frame)) await TakenAsync(frame, await taking, ct);
            else await LookUpAsync(frame, taking.AsTask(), ct);
        }
    }

    private async ValueTask LookUpAsync(RuntimeFrame frame, Task<Guid?> answer, CancellationToken ct)
    {
        _lookedUp.Add((frame, answer));
        _outlet.Track(answer);
        var fewer = _outlet.FewLookUpsAsync();
        if (!fewer.IsCompleted) await fewer.WaitAsync(ct);
    }

    /// <summary>Returns when all that was looked up is answered, or on its way to its owner in the order in which it came.</summary>
    private async ValueTask LookedUpAsync(CancellationToken ct)
    {
        if (_lookedUp.Count == 0) return;
        await Task.WhenAll(_lookedUp.Select(l => l.Elsewhere));
        foreach (var (frame, elsewhere) in _lookedUp) await TakenAsync(frame, await elsewhere, ct);
        _lookedUp.Clear();
    }

    private async ValueTask TakenAsync(RuntimeFrame frame, Guid? elsewhere, CancellationToken ct)
    {
        if (elsewhere is { } subscription) await _lanes.SendAsync(subscription, frame.Chunk?.GenerationId ?? frame.Finish.GenerationId, frame, ct);
        else if (frame.Finish is { } finish && Frames.Read(finish, out _) is null) FreePlace(finish.GenerationId);
    }
}
