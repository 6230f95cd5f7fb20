using System.Threading.Channels;
using Contracts.Usage.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;

namespace RuntimeClient;

/// <summary>The one stream: opened while there is something to say, opened again when it breaks.</summary>
public sealed partial class MeterClient
{
    /// <summary>How often the clock is looked at, for reports, leases and everything that has to be said again.</summary>
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(25);

    private ChannelWriter<RuntimeFrame>? _outgoing;
    private TimeSpan _lastHeard;
    private int _framesPerMessage;
    private MeterException? _keyRefused;

    /// <summary>Why the meter lets this client in no more; null while it does, or nothing is known.</summary>
    internal MeterException? KeyRefused => Volatile.Read(ref _keyRefused);

    /// <summary>Frames that no stream takes now are said again on the next one.</summary>
    internal void Send(RuntimeFrame frame) => Volatile.Read(ref _outgoing)?.TryWrite(frame);

    private static GrpcChannel Open(Uri address, MeterOptions options)
    {
        // A connection that died without a word is found out by pings, not by waiting for TCP.
        var sockets = new SocketsHttpHandler { KeepAlivePingDelay = TimeSpan.FromSeconds(15), KeepAlivePingTimeout = TimeSpan.FromSeconds(10), EnableMultipleHttp2Connections = true };
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = string.IsNullOrEmpty(options.ApiKey) ? sockets : new WithKey(options.ApiKey, sockets), DisposeHttpClient = true,
            // After a long outage the channel itself would look for the meter every two minutes, however often it is asked to.
            InitialReconnectBackoff = options.PauseMin, MaxReconnectBackoff = options.PauseMax,
        });
    }

    private sealed class WithKey(string key, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
            return base.SendAsync(request, cancellationToken);
        }
    }

    private void Wake()
    {
        try { _work.Release(); }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException) { }
    }

    /// <summary>A log that fails must not end what it is about.</summary>
    private void Announce(RpcException e)
    {
        try { Disconnected?.Invoke(e); }
        catch (Exception) { }
    }

    private async Task RunAsync()
    {
        var (pause, told) = (TimeSpan.Zero, (TimeSpan?)null);
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                if (_active.IsEmpty) await _work.WaitAsync(_closing.Token).ConfigureAwait(false);
                await ServeAsync().ConfigureAwait(false);
            }
            catch (Exception error) when (!_closing.IsCancellationRequested)
            {
                // Whatever it was, usage that is not acknowledged must still go out: nothing may end this loop but its owner.
                var e = error as RpcException ?? new RpcException(new(StatusCode.Internal, error.Message, error));
                // A stream that had nothing to say and was ended for it is no failure.
                if (ReasonOf(e) != "stream_idle" || !_active.IsEmpty) Announce(e);
                // Whatever carries the messages, the meter's own server or a proxy, refuses those of too many bytes without a reason of ours.
                if (ReasonOf(e) is "frames_too_many" || (e.StatusCode == StatusCode.ResourceExhausted && ReasonOf(e) is null)) _framesPerMessage = Math.Max(_framesPerMessage / 2, 1);
                var refused = RefusedForGood(e);
                Volatile.Write(ref _keyRefused, e.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied ? refused : null);
                if (refused is not null)
                    foreach (var generation in _active.Values)
                        if (generation.Started.IsCompleted) generation.Wake();
                        else generation.Fail(refused);
                told = RetryDelayOf(e);
                pause = told ?? Longer(_lastHeard > TimeSpan.Zero ? TimeSpan.Zero : pause);
            }
            catch (Exception e) when (_closing.IsCancellationRequested && e is (OperationCanceledException or RpcException))
            {
                return;
            }
            if (!_closing.IsCancellationRequested) await Task.Delay(told ?? Scattered(pause), Options.Time, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>One stream from its opening to its end.</summary>
    private async Task ServeAsync()
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        using var call = _meter.Meter(cancellationToken: broken.Token);
        var frames = Channel.CreateUnbounded<RuntimeFrame>(new() { SingleReader = true });
        _lastHeard = TimeSpan.Zero;
        Volatile.Write(ref _outgoing, frames.Writer);
        foreach (var generation in _active.Values) generation.SayAgain();
        var writing = WriteAsync(call.RequestStream, frames.Reader, broken);
        var beating = BeatAsync(broken);
        try
        {
            while (await call.ResponseStream.MoveNext(broken.Token).ConfigureAwait(false))
            {
                _lastHeard = Now;
                Volatile.Write(ref _keyRefused, null);
                foreach (var frame in call.ResponseStream.Current.Frames) Hear(frame);
            }
            throw new RpcException(new(StatusCode.Unavailable, "the meter ended the stream"));
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled } && !_closing.IsCancellationRequested)
        {
            throw new RpcException(new(StatusCode.Unavailable, "the stream owed answers and was silent, or could not be written"), e.Message);
        }
        finally
        {
            Volatile.Write(ref _outgoing, null);
            frames.Writer.TryComplete();
            await broken.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(writing, beating).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Hear(MeterFrame frame)
    {
        switch (frame.FrameCase)
        {
            case MeterFrame.FrameOneofCase.Grant: Find(frame.Grant.GenerationId)?.Heard(frame.Grant); break;
            case MeterFrame.FrameOneofCase.Deny: Find(frame.Deny.GenerationId)?.Heard(frame.Deny); break;
            case MeterFrame.FrameOneofCase.Stop: Find(frame.Stop.GenerationId)?.Heard(frame.Stop); break;
            case MeterFrame.FrameOneofCase.Ack: Find(frame.Ack.GenerationId)?.Heard(frame.Ack); break;
            case MeterFrame.FrameOneofCase.Rejection: Find(frame.Rejection.GenerationId)?.Heard(frame.Rejection); break;
            case MeterFrame.FrameOneofCase.None:
            default: break; // of a newer protocol, which adds and never changes
        }
    }

    private Generation? Find(string id) => _active.GetValueOrDefault(id);

    private async Task WriteAsync(IClientStreamWriter<MeterRequest> stream, ChannelReader<RuntimeFrame> frames, CancellationTokenSource broken)
    {
        try
        {
            while (await frames.WaitToReadAsync(broken.Token).ConfigureAwait(false))
            {
                var message = new MeterRequest();
                while (message.Frames.Count < _framesPerMessage && frames.TryRead(out var frame)) message.Frames.Add(frame);
                await stream.WriteAsync(message, broken.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or IOException)
        {
            // The reader learns why from the stream's status; if it never comes, the silence ends it.
        }
    }

    private async Task BeatAsync(CancellationTokenSource broken)
    {
        try
        {
            using var timer = new PeriodicTimer(Beat, Options.Time);
            var owedSince = Now;
            while (await timer.WaitForNextTickAsync(broken.Token).ConfigureAwait(false))
            {
                var now = Now;
                var owed = false;
                foreach (var generation in _active.Values) owed |= generation.Tick(now);
                if (!owed) owedSince = now;
                if (now - (_lastHeard > owedSince ? _lastHeard : owedSince) > Options.SilenceMax) return;
            }
        }
        finally
        {
            await broken.CancelAsync().ConfigureAwait(false);
        }
    }

    private TimeSpan Longer(TimeSpan pause) => pause == TimeSpan.Zero ? Options.PauseMin : pause * 2 < Options.PauseMax ? pause * 2 : Options.PauseMax;

    /// <summary>How long the service says to wait before the next attempt; null where it says nothing.</summary>
    private static TimeSpan? RetryDelayOf(RpcException e) => e.GetRpcStatus()?.GetDetail<RetryInfo>()?.RetryDelay?.ToTimeSpan();

    /// <summary>A meter that is back would be met by all its runtimes at once.</summary>
    private static TimeSpan Scattered(TimeSpan pause) => pause * (0.5 + (Random.Shared.NextDouble() / 2));

    /// <summary>What no waiting will change, as far as the caller can tell: then a Start that waits is told so.</summary>
    private static MeterException? RefusedForGood(RpcException e) => e.StatusCode is
        StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.PermissionDenied or StatusCode.Unauthenticated or
        StatusCode.FailedPrecondition or StatusCode.OutOfRange or StatusCode.Unimplemented
            ? new MeterException(ReasonOf(e) ?? "refused", e.Status.Detail, e)
            : null;

    private static string? ReasonOf(RpcException e) => e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;
}
