using System.Threading.Channels;
using Contracts.Usage.V1;
using Grpc.Core;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>
/// Answers on their way to one stream. Owners and writers only append; the stream's own task sends, in messages as large as what has
/// gathered. A client that does not read is cut off before it costs memory.
/// </summary>
/// <param name="caller">cancelled when the client's connection is broken</param>
public sealed class StreamOutlet(int answersMax, CancellationToken caller) : Outlet, IDisposable
{
    private const int FramesPerMessage = 5_000;
    private readonly Lock _gate = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private List<MeterFrame> _gathered = [];
    private List<MeterFrame> _sending = [];
    private readonly CancellationTokenSource _moved = new();
    private bool _completed;

    /// <summary>An owner is in another process now, or too many answers wait: the stream ends, and its runtime resumes on another.</summary>
    public CancellationToken Moved => _moved.Token;

    public bool IsOverfull { get; private set; }

    public override bool IsGone => _completed || caller.IsCancellationRequested;

    public override void Send(MeterFrame frame)
    {
        lock (_gate)
        {
            if (_completed) return;
            if (_gathered.Count < answersMax) _gathered.Add(frame);
            else if (!IsOverfull)
            {
                // The reader is told at once: a client that does not read may not send either.
                IsOverfull = true;
                _ = _moved.CancelAsync();
            }
            Signal();
        }
    }

    public override void OwnerMoved()
    {
        lock (_gate)
            if (!_completed) _ = _moved.CancelAsync();
    }

    /// <summary>Nothing more will be sent after what has gathered.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completed = true;
            Signal();
        }
    }

    /// <summary>Sends until completed. Throws when the client is gone, or does not read.</summary>
    public async Task SendAllAsync(IServerStreamWriter<MeterResponse> stream, CancellationToken ct)
    {
        while (true)
        {
            await _signal.Reader.ReadAsync(ct);
            bool completed;
            lock (_gate)
            {
                (_gathered, _sending) = (_sending, _gathered);
                completed = _completed;
            }
            for (var from = 0; from < _sending.Count; from += FramesPerMessage)
            {
                var response = new MeterResponse();
                for (var i = from; i < Math.Min(from + FramesPerMessage, _sending.Count); i++) response.Frames.Add(_sending[i]);
                await stream.WriteAsync(response, ct);
            }
            _sending.Clear();
            if (completed) return;
        }
    }

    public void Dispose() => _moved.Dispose();

    private void Signal() => _signal.Writer.TryWrite(true);
}
