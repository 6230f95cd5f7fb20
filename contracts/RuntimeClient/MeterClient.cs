using System.Collections.Concurrent;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace RuntimeClient;

/// <summary>
/// A runtime's end of usage.v1.TokenMeter: many generations on one stream, their frames in batches. It reconnects by itself, to whatever
/// instance answers, and says again what is not acknowledged. One for each process is enough.
/// </summary>
public sealed partial class MeterClient : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Generation> _active = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Task, Generation> _settling = new();
    private readonly CancellationTokenSource _starting = new(), _closing = new();
    private readonly SemaphoreSlim _work = new(0, 1);
    private readonly GrpcChannel? _own;
    private readonly TokenMeter.TokenMeterClient _meter;
    private readonly UsageLedger.UsageLedgerClient _ledger;
    private readonly UsageCorrections.UsageCorrectionsClient _corrections;
    private readonly long _origin;
    private readonly Task _running;
    private int _disposed;

    /// <param name="address">of usage's gRPC, such as http://usage:8081; several instances may answer there</param>
    public MeterClient(Uri address, MeterOptions? options = null) : this(Open(address, (options ?? new()).Checked()), options)
    {
    }

    /// <param name="invoker">with whatever credentials and interceptors it needs; it stays yours</param>
    public MeterClient(CallInvoker invoker, MeterOptions? options = null)
    {
        Options = (options ?? new()).Checked();
        _framesPerMessage = Options.FramesPerMessageMax;
        _origin = Options.Time.GetTimestamp();
        (_meter, _ledger, _corrections) = (new(invoker), new(invoker), new(invoker));
        _running = RunAsync();
    }

    private MeterClient(GrpcChannel own, MeterOptions? options) : this(own.CreateCallInvoker(), options) => _own = own;

    /// <summary>The stream broke, or could not be opened; it is tried again. For a log.</summary>
    public event Action<RpcException>? Disconnected;

    /// <summary>Generations that are not acknowledged to their end.</summary>
    public IReadOnlyCollection<Generation> Active => [.. _active.Values];

    internal MeterOptions Options { get; }

    /// <summary>Since this client began, by a clock that never jumps.</summary>
    internal TimeSpan Now => Options.Time.GetElapsedTime(_origin);

    /// <summary>Starts a generation, or resumes the one with this id, and waits for its first grant. As long as no meter answers it waits: fail closed.</summary>
    /// <param name="ct">ends the wait. What may have been granted meanwhile is given back: then the generation is finished, as aborted, and its id with it; else the same id may start again at once</param>
    /// <exception cref="GenerationDeniedException">a cap is reached, or the subscription is not one that may generate</exception>
    /// <exception cref="MeterException">the meter does not serve this caller at all</exception>
    /// <exception cref="ObjectDisposedException">the client was disposed meanwhile</exception>
    /// <exception cref="InvalidOperationException">this client is metering a generation of this id, which has not come to its end</exception>
    public async Task<Generation> StartAsync(GenerationRequest request, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed == 1, this);
        var generation = new Generation(this, request);
        while (!_active.TryAdd(request.Id, generation))
            if (_active.TryGetValue(request.Id, out var running) && !running.GivesWayTo(generation))
                throw new InvalidOperationException($"{request.Id} is being metered here already; if this is a retry, wait for the end of the attempt before it, and keep the id");
        try
        {
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(ct, _starting.Token);
            if (request.TokensWanted > 0) await HoldAsync(generation, waiting.Token).ConfigureAwait(false);
            if (!generation.IsClosed) Speak(generation);
            await generation.Started.WaitAsync(waiting.Token).ConfigureAwait(false);
            return generation;
        }
        catch (Exception e)
        {
            if (e is MeterException refused) generation.Fail(refused);
            else generation.Abandon();
            if (e is not OperationCanceledException) throw;
            ct.ThrowIfCancellationRequested();
            throw new ObjectDisposedException("the client was disposed while a generation waited for its first grant", e);
        }
    }

    /// <summary>Waits a while for what is not acknowledged, then ends the stream.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1) return;
        var deadline = Now + Options.DisposeWithin;
        await _starting.CancelAsync().ConfigureAwait(false);
        foreach (var generation in _active.Values) generation.Abandon(clientCloses: true);
        while (!(_active.IsEmpty && _settling.IsEmpty) && Now < deadline) await Task.Delay(Beat, Options.Time).ConfigureAwait(false);
        await _closing.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var generation in _active.Values) generation.Fail(new MeterException("unacknowledged", $"{generation.Id} was not acknowledged before its client was closed; start it again with the same id"));
        _own?.Dispose();
        _starting.Dispose();
        _closing.Dispose();
        _work.Dispose();
    }

    private void Speak(Generation generation)
    {
        if (_work.CurrentCount == 0) Wake();
        generation.Speak();
    }

    internal void Forget(Generation generation) => _active.TryRemove(new(generation.Id, generation));
}
