using Contracts.Usage.V1;
using Grpc.Core;

namespace Usage.Host.Tests;

/// <summary>A runtime's end of a Meter stream: sends frames, keeps every answer.</summary>
public sealed class RuntimeStream : IAsyncDisposable
{
    private readonly AsyncDuplexStreamingCall<MeterRequest, MeterResponse> _call;
    private readonly List<MeterFrame> _answers = [];
    private readonly SemaphoreSlim _writing = new(1);
    private readonly Task _reading;

    public RuntimeStream(TokenMeter.TokenMeterClient meter)
    {
        _call = meter.Meter();
        _reading = ReadAsync();
    }

    public IReadOnlyList<MeterFrame> Answers
    {
        get { lock (_answers) return [.. _answers]; }
    }

    /// <summary>How many messages the answers came in.</summary>
    public int Messages { get; private set; }

    public async Task SendAsync(params RuntimeFrame[] frames)
    {
        // One write at a time is the transport's rule; a test may speak for several generations at once.
        await _writing.WaitAsync();
        try { await _call.RequestStream.WriteAsync(new MeterRequest { Frames = { frames } }); }
        finally { _writing.Release(); }
    }

    public Task SendAsync(Start start) => SendAsync(new RuntimeFrame { Start = start });
    public Task SendAsync(Chunk chunk) => SendAsync(new RuntimeFrame { Chunk = chunk });
    public Task SendAsync(Renew renew) => SendAsync(new RuntimeFrame { Renew = renew });
    public Task SendAsync(Finish finish) => SendAsync(new RuntimeFrame { Finish = finish });

    public Task<Grant> GrantOf(string generation, Func<Grant, bool>? which = null) => Answer(f => f.Grant, g => g.GenerationId == Samples.GenerationId(generation) && (which?.Invoke(g) ?? true));
    public Task<Deny> DenialOf(string generation) => Answer(f => f.Deny, d => d.GenerationId == Samples.GenerationId(generation));
    public Task<Stop> StopOf(string generation, string reason) => Answer(f => f.Stop, s => s.GenerationId == Samples.GenerationId(generation) && s.Reason == reason);
    public Task<Ack> AckOf(string generation, long sequence) => Answer(f => f.Ack, a => a.GenerationId == Samples.GenerationId(generation) && a.Sequence >= sequence);
    public Task<Rejection> RejectionOf(string generation, string reason) => Answer(f => f.Rejection, r => r.GenerationId == Samples.GenerationId(generation) && r.Reason == reason);

    public async Task<T> Answer<T>(Func<MeterFrame, T?> of, Func<T, bool> which) where T : class =>
        await Eventually.Some(() => Task.FromResult(Answers.Select(of).LastOrDefault(a => a is not null && which(a)) ?? AsLongAsOpen<T>()), $"the runtime is answered with that {typeof(T).Name}");

    /// <summary>No answer yet; if the stream is broken, why.</summary>
    private T? AsLongAsOpen<T>() where T : class => _reading.IsFaulted ? throw _reading.Exception!.GetBaseException() : null;

    /// <summary>Says that no more frames come, and reads answers to the end of the stream.</summary>
    public async Task CompleteAsync()
    {
        await _call.RequestStream.CompleteAsync();
        await _reading;
    }

    /// <summary>Why the service ended the stream by itself.</summary>
    public Task<RpcException> GoodbyeAsync() => Assert.ThrowsAsync<RpcException>(() => _reading.WaitAsync(TimeSpan.FromSeconds(60)));

    private async Task ReadAsync()
    {
        while (await _call.ResponseStream.MoveNext(CancellationToken.None))
            lock (_answers)
            {
                _answers.AddRange(_call.ResponseStream.Current.Frames);
                Messages++;
            }
    }

    public async ValueTask DisposeAsync()
    {
        _call.Dispose();
        try { await _reading; }
        catch (Exception e) when (e is RpcException or ObjectDisposedException) { /* The stream was cut off, by the test, between two answers perhaps, or by the service. */ }
    }
}
