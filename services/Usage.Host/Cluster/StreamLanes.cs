using System.Collections.Concurrent;
using Contracts.Usage.V1;
using Usage.Host.Owners;

namespace Usage.Host.Cluster;

/// <summary>What one stream says to owners in other processes, and what they answer. Costs nothing while all owners are in this one.</summary>
/// <param name="forgetsAfter">a lane by which nothing was said for so long carries nothing any more: whoever speaks again is found by the tables</param>
public sealed class StreamLanes(Instances instances, Outlet outlet, TimeSpan forgetsAfter) : IStreamListener
{
    /// <summary>Frames of one stream that wait for owners elsewhere, or are on their way to them; then the stream is not read on.</summary>
    private const int FramesWaitingMax = 10_000;

    // Nobody asks for its handle, so there is nothing to dispose: lanes give places back when the stream is long over.
    private readonly SemaphoreSlim _places = Places();
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, Lane> _lanes = [];
    private readonly ConcurrentDictionary<string, Lane> _generations = new(StringComparer.Ordinal);
    private readonly Guid _stream = Guid.CreateVersion7(TimeProvider.System.GetUtcNow());
    private IStreamListener? _listener;
    private volatile bool _used;
    private bool _completed;

    /// <summary>Generations of this stream that run under owners elsewhere.</summary>
    public int Generations => _used ? _generations.Count : 0;

    /// <summary>The lane by which a generation was started; null if it runs here, or was not started on this stream.</summary>
    public Lane? Of(RuntimeFrame frame)
    {
        // Asking a concurrent dictionary whether it is empty takes all its locks, and this is asked for every frame.
        if (!_used) return null;
        var generation = frame.FrameCase switch
        {
            RuntimeFrame.FrameOneofCase.Chunk => frame.Chunk.GenerationId,
            RuntimeFrame.FrameOneofCase.Finish => frame.Finish.GenerationId,
            RuntimeFrame.FrameOneofCase.Renew => frame.Renew.GenerationId,
            _ => "",
        };
        return _generations.GetValueOrDefault(generation);
    }

    /// <summary>Sends a frame to the owner of a subscription; the generation's later frames take the same way.</summary>
    /// <exception cref="RefusedException">owner_moved: there is no other process that could own it</exception>
    public ValueTask SendAsync(Guid subscription, string generation, RuntimeFrame frame, CancellationToken ct)
    {
        Lane lane;
        lock (_gate)
        {
            _used = true;
            lane = LaneOf(subscription);
            lane.Expect();
            if (_generations.TryAdd(generation, lane)) Interlocked.Increment(ref lane.Running);
        }
        return lane.AddAsync(frame, ct);
    }

    public Task HearAsync(AnswerBatch batch)
    {
        foreach (var frame in MeterResponse.Parser.ParseFrom(batch.Frames).Frames)
        {
            if (frame.Deny is { } deny)
            {
                if (_generations.TryGetValue(deny.GenerationId, out var lane)) lane.Heard(deny);
                Over(deny.GenerationId);
            }
            else if (frame.Ack is { Finished: true } ack) Over(ack.GenerationId);
            outlet.Send(frame);
        }
        if (batch.OwnerMoved) outlet.OwnerMoved();
        return Task.CompletedTask;
    }

    /// <summary>Returns when everything said is committed and its answers have come, as far as the owners are still there.</summary>
    public Task FlushAsync(CancellationToken ct)
    {
        lock (_gate) return Task.WhenAll(_lanes.Values.Select(lane => lane.FlushAsync(ct)));
    }

    /// <summary>The stream has ended.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completed = true;
            foreach (var lane in _lanes.Values) lane.Complete();
            if (_listener is { } reference) instances.Forget(reference);
        }
    }

    private static SemaphoreSlim Places() => new(FramesWaitingMax);

    private Lane LaneOf(Guid subscription)
    {
        if (_lanes.TryGetValue(subscription, out var known)) return known;
        _listener ??= instances.Listen(this);
        var batch = new FrameBatch(_stream, outlet.Opened, _listener, 0, 0, [], false, false);
        var lane = new Lane(() => instances.OwnerOf(subscription), batch, _places, outlet, idle => Forget(subscription, idle), instances.Log);
        _lanes.Add(subscription, lane);
        if (_completed) lane.Complete();
        _ = Task.Run(lane.RunAsync);
        return lane;
    }

    private void Over(string generation)
    {
        if (_generations.TryRemove(generation, out var lane)) Interlocked.Decrement(ref lane.Running);
    }

    /// <summary>A stream may live for days and meet more subscriptions than need a lane at once.</summary>
    private void Forget(Guid subscription, Lane lane)
    {
        lock (_gate)
        {
            if (lane.SilentFor > forgetsAfter)
                foreach (var (generation, of) in _generations)
                    if (of == lane) Over(generation);
            if (!lane.TryEnd()) return;
            _lanes.Remove(subscription);
            lane.Complete();
        }
    }
}
