using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Contracts.Usage.V1;
using Google.Protobuf;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Cluster;

/// <summary>
/// Frames of one stream for one subscription that is owned by another process. One call is under way at a time, what gathers meanwhile goes
/// with the next: so their order is kept. Until the owner has taken the first frame the lane waits for one to be found; when an owner that has
/// taken frames is gone, the stream has to end, since what only that owner knew must be said again.
/// </summary>
/// <param name="places">of frames that wait, shared by all lanes of the stream: a frame has one from when it is added until its owner has taken it</param>
public sealed class Lane(Func<ISubscriptionOwner> find, FrameBatch stream, SemaphoreSlim places, Outlet outlet, Action<Lane> idle, ILogger log)
{
    private const int FramesPerCall = 2_000;
    /// <summary>An owner that says nothing may be gone: it is asked, so that no runtime waits for ever.</summary>
    private static readonly TimeSpan AsksAfter = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan FindsOwnerWithin = TimeSpan.FromSeconds(30);

    private readonly record struct Item(RuntimeFrame? Frame, TaskCompletionSource? Flushed);

    private readonly Channel<Item> _queue = Channel.CreateUnbounded<Item>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<RuntimeFrame> _frames = [];
    private readonly List<TaskCompletionSource> _flushes = [];
    private FrameBatch _batch = stream;
    private ISubscriptionOwner? _owner;
    private readonly ConcurrentQueue<Deny> _denials = new();
    /// <summary>So many of the first frames were passed on before, and may have been taken.</summary>
    private volatile int _passed;
    private int _expected;
    private long _expectedAt = Stopwatch.GetTimestamp();

    /// <summary>Generations that were started here and are not over.</summary>
    internal int Running;

    /// <summary>Since a frame was added last.</summary>
    internal TimeSpan SilentFor => Stopwatch.GetElapsedTime(Volatile.Read(ref _expectedAt));

    /// <summary>True if nothing is on its way and nothing runs: it takes no more frames, and can be forgotten.</summary>
    internal bool TryEnd() => Volatile.Read(ref Running) == 0 && Interlocked.CompareExchange(ref _expected, int.MinValue, 0) == 0;

    /// <summary>Before a frame is added, so that the lane is not forgotten in between. False if it was.</summary>
    internal bool Expect()
    {
        Volatile.Write(ref _expectedAt, Stopwatch.GetTimestamp());
        return Interlocked.Increment(ref _expected) > 0;
    }

    /// <summary>Waits while owners are slow: what a client sends must not gather without bound, over however many of them.</summary>
    public async ValueTask AddAsync(RuntimeFrame frame, CancellationToken ct)
    {
        await places.WaitAsync(ct);
        if (_queue.Writer.TryWrite(new Item(frame, null))) return;
        // After its end the stream is ending too.
        places.Release();
        Interlocked.Decrement(ref _expected);
    }

    /// <summary>Returns when everything added before is committed and its answers have come, or when the owner is gone.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Expect();
        if (!_queue.Writer.TryWrite(new Item(null, flushed))) return;
        await flushed.Task.WaitAsync(ct);
    }

    public void Complete() => _queue.Writer.TryComplete();

    public async Task RunAsync()
    {
        try
        {
            while (await TakeAsync()) await SendAsync();
            // Its answers need not be sent any more. A lane that was only idle leaves the stream's others alone.
            if (_owner is { } owner && outlet.IsGone) await owner.TakeAsync(_batch with { Frames = [], Flush = false, Gone = true });
        }
        catch (Exception e)
        {
            // Whatever it is, the runtime must not wait for answers that will not come.
            if (!OwnerMoved.Is(e) && e is not ObjectDisposedException) log.LogError(e, "frames could not be sent to another instance; their stream ends");
            outlet.OwnerMoved();
        }
        finally
        {
            _queue.Writer.TryComplete();
            while (_queue.Reader.TryRead(out var item)) Sort(item);
            Release(_frames.Count);
            foreach (var flush in _flushes) flush.TrySetResult();
        }
    }

    /// <summary>Waits for frames, or until it is time to ask whether the owner is still there. False at the end.</summary>
    private async Task<bool> TakeAsync()
    {
        if (_frames.Count == 0 && _flushes.Count == 0)
        {
            using var asks = new CancellationTokenSource(AsksAfter);
            try
            {
                if (!await _queue.Reader.WaitToReadAsync(asks.Token)) return false;
            }
            catch (OperationCanceledException)
            {
                idle(this);
            }
        }
        while (_frames.Count < FramesPerCall && _flushes.Count == 0 && _queue.Reader.TryRead(out var item))
            Sort(item);
        return true;
    }

    private void Sort(Item item)
    {
        if (item.Frame is { } frame) _frames.Add(frame);
        if (item.Flushed is { } flushed) _flushes.Add(flushed);
    }

    private void Release(int frames)
    {
        if (frames > 0) places.Release(frames);
    }

    private async Task SendAsync()
    {
        if (_frames.Count == 0 && _flushes.Count == 0 && _batch.Epoch == 0) return;
        var taken = await FindAsync();
        _batch = _batch with { Epoch = taken.Epoch, Outlet = taken.Outlet };
        _frames.RemoveRange(0, taken.Frames);
        Release(taken.Frames);
        _passed = _frames.Count;
        Interlocked.Add(ref _expected, -taken.Frames);
        if (!taken.Flushed) return;
        Interlocked.Add(ref _expected, -_flushes.Count);
        foreach (var flush in _flushes) flush.TrySetResult();
        _flushes.Clear();
    }

    /// <summary>An owner has denied a Start of this lane.</summary>
    internal void Heard(Deny deny)
    {
        if (_passed > 0) _denials.Enqueue(deny);
    }

    /// <summary>Whoever owns it by now may have room: a Start that is passed on again, and whose denial came meanwhile, must not be granted after all.</summary>
    private void LeaveOutDenied()
    {
        while (_denials.TryDequeue(out var deny))
            for (var i = _passed - 1; i >= 0; i--)
            {
                if (_frames[i].Start is not { } start || start.GenerationId != deny.GenerationId || start.Asker != deny.Asker || start.Attempt > deny.Attempt) continue;
                _frames.RemoveAt(i);
                _passed--;
                Release(1);
                Interlocked.Decrement(ref _expected);
            }
    }

    private FrameBatch Batch()
    {
        LeaveOutDenied();
        var request = new MeterRequest();
        request.Frames.AddRange(_frames);
        _passed = _frames.Count;
        // The stream may have ended while its owner was looked for: then its left-over frames must not take answers from a newer one.
        return _batch with { Frames = request.ToByteArray(), Flush = _flushes.Count > 0, Gone = outlet.IsGone };
    }

    private async Task<Taken> FindAsync()
    {
        var since = Stopwatch.GetTimestamp();
        for (var (backoff, attempt) = (Backoff.Start, 1); ; (backoff, attempt) = (backoff.Next, attempt + 1))
        {
            try
            {
                var owner = _owner ?? find();
                var taken = await owner.TakeAsync(Batch());
                if (taken.Epoch != 0)
                {
                    _owner = owner;
                    return taken;
                }
                if (_batch.Epoch != 0) throw OwnerMoved.AsException();
            }
            // A message may be turned away though the owner lives; once is chance. Frames that were taken before are known when they come again.
            catch (Exception e) when (OwnerMoved.Is(e) && (_batch.Epoch == 0 || (attempt == 1 && e is not RefusedException)))
            {
                if (Stopwatch.GetElapsedTime(since) > FindsOwnerWithin) throw NotFound(e.Message);
            }
            if (Stopwatch.GetElapsedTime(since) > FindsOwnerWithin) throw NotFound("its instance has not taken the shard, or ended the answers to this stream");
            await backoff.WaitAsync(CancellationToken.None);
        }
    }

    private Exception NotFound(string cause)
    {
        log.LogWarning("no owner elsewhere was found within {Seconds} s, and the stream ends: {Cause}", FindsOwnerWithin.TotalSeconds, cause);
        return OwnerMoved.AsException();
    }
}
