using System.Collections.Concurrent;
using Contracts.Usage.V1;
using Google.Protobuf;
using Microsoft.Extensions.Options;
using Usage.Host.Owners;

namespace Usage.Host.Cluster;

/// <summary>
/// Answers on their way to a stream that was opened to another instance. One call is under way at a time and carries what has gathered, so
/// answers arrive in order and a slow instance is met with larger calls.
/// </summary>
public sealed class RemoteOutlet(long opened, IStreamListener listener, int answersMax, ILogger log) : Outlet(opened)
{
    private const int FramesPerCall = 5_000;
    private static long _made;
    private static readonly TimeSpan SilenceMax = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private List<MeterFrame> _gathered = [];
    private bool _moved;
    private Task _sending = Task.CompletedTask;
    private bool _isSending;
    private volatile bool _gone;
    private long _heardAt = Environment.TickCount64;

    /// <summary>Tells it from an earlier one of the same stream, which was given up.</summary>
    public long Number { get; } = Interlocked.Increment(ref _made);

    public override bool IsGone => _gone;

    /// <summary>The stream said nothing for so long that its instance must have been lost: as long as it lives, it says that it does.</summary>
    public bool IsSilent => Environment.TickCount64 - Volatile.Read(ref _heardAt) > SilenceMax.TotalMilliseconds;

    public void Heard(bool gone)
    {
        Volatile.Write(ref _heardAt, Environment.TickCount64);
        if (gone) Gone();
    }

    public void Gone()
    {
        _gone = true;
        Went();
    }

    public override void Send(MeterFrame frame)
    {
        lock (_gate)
        {
            // Nobody takes them: the stream's own lanes will find out, and end it.
            if (_gathered.Count >= answersMax) _ = Task.Run(Gone);
            if (_gone || _gathered.Count >= answersMax) return;
            _gathered.Add(frame);
            Wake();
        }
    }

    public override void OwnerMoved()
    {
        lock (_gate)
        {
            _moved = true;
            Wake();
        }
    }

    /// <summary>Returns when all that was sent before has arrived, or cannot.</summary>
    public Task ArrivedAsync()
    {
        lock (_gate) return _sending;
    }

    private void Wake()
    {
        if (_isSending) return;
        _isSending = true;
        _sending = Task.Run(SendGatheredAsync);
    }

    private async Task SendGatheredAsync()
    {
        while (true)
        {
            List<MeterFrame> sending;
            bool moved;
            lock (_gate)
            {
                (sending, _gathered, moved) = (_gathered, [], _moved);
                // Said under the gate: what is added after this starts another round. The task itself ends a moment later.
                _isSending = !_gone && (sending.Count > 0 || moved);
                if (!_isSending) return;
                _moved = false;
            }
            try
            {
                for (var from = 0; from == 0 || from < sending.Count; from += FramesPerCall)
                {
                    var response = new MeterResponse();
                    for (var i = from; i < Math.Min(from + FramesPerCall, sending.Count); i++) response.Frames.Add(sending[i]);
                    await listener.HearAsync(new AnswerBatch(response.ToByteArray(), moved && from + FramesPerCall >= sending.Count));
                }
            }
            catch (Exception e)
            {
                // Whatever it was, not sent again: it may have arrived. Whoever waits for these answers finds its outlet gone, and resumes.
                log.LogWarning("answers to a stream at another instance could not be sent, and its runtime will have to resume: {Cause}", e.Message);
                Gone();
                return;
            }
        }
    }
}

/// <summary>The streams of other instances that speak to owners here.</summary>
public sealed class RemoteOutlets(IOptions<UsageOptions> options, ILogger<RemoteOutlets> log)
{
    private readonly ConcurrentDictionary<Guid, RemoteOutlet> _outlets = new();

    public RemoteOutlet Of(in FrameBatch batch)
    {
        var outlet = _outlets.GetOrAdd(batch.Stream, static (_, a) => new RemoteOutlet(a.batch.Opened, a.batch.Listener, a.max, a.log), (batch, max: options.Value.AnswersWaitingMax, log));
        outlet.Heard(batch.Gone);
        return outlet;
    }

    public void Forget(Guid stream) => _outlets.TryRemove(stream, out _);

    /// <summary>Forgets streams whose instance is no longer heard of.</summary>
    public void Sweep()
    {
        foreach (var (stream, outlet) in _outlets)
        {
            if (!outlet.IsGone && !outlet.IsSilent) continue;
            outlet.Gone();
            Forget(stream);
        }
    }
}
