using Contracts.Usage.V1;
using Grpc.Net.Client;

namespace Bench.Metering;

/// <summary>Eight runtime workers, each on a connection of its own, under the same load.</summary>
public sealed class RuntimeLoad : IDisposable
{
    public const int Workers = 8;

    /// <summary>What its figures depend on.</summary>
    public static FormattableString Conditions { get; } =
        $"{Workers} workers of {WorkerLoad.GenerationsEach} generations, a connection each; a message is a sweep over them, at most {WorkerLoad.GenerationsEach} chunks of {WorkerLoad.TokensPerChunk} tokens; a generation is {WorkerLoad.ChunksPerGeneration} chunks; at most {WorkerLoad.UnacknowledgedEach} events of a worker are on their way";

    private readonly GrpcChannel[] _channels;
    private readonly RuntimeWorker[] _workers;
    private readonly Task _running;

    private RuntimeLoad(BenchServers servers, WorkerLoad load, CancellationToken ct)
    {
        _channels = [.. Enumerable.Range(0, Workers).Select(_ => servers.Connect())];
        _workers = [.. _channels.Select((c, n) => new RuntimeWorker(new TokenMeter.TokenMeterClient(c), load, seed: n))];
        _running = Task.WhenAll(_workers.Select(w => Task.Run(() => w.RunAsync(ct), ct)));
    }

    public long Acknowledged => _workers.Sum(w => w.Acknowledged);

    public Latencies Latencies => Latencies.Of(_workers.Select(w => w.Latencies));

    public static RuntimeLoad Start(BenchServers servers, WorkerLoad load, CancellationToken ct) => new(servers, load, ct);

    /// <summary>Latencies count from now on.</summary>
    public void Measure()
    {
        foreach (var worker in _workers) worker.Measure();
    }

    /// <summary>Its beginning is over: as many events are durable as there are generations.</summary>
    /// <exception cref="Exception">A worker's, as soon as one fails.</exception>
    public async Task RunningAsync(CancellationToken ct)
    {
        while (!Array.TrueForAll(_workers, w => w.IsRunning)) await ForAsync(TimeSpan.FromMilliseconds(20), ct);
    }

    /// <summary>Lets it go on for so long.</summary>
    /// <exception cref="Exception">A worker's, as soon as one fails.</exception>
    public async Task ForAsync(TimeSpan time, CancellationToken ct)
    {
        if (await Task.WhenAny(_running, Task.Delay(time, ct)) == _running) await _running;
        ct.ThrowIfCancellationRequested();
    }

    /// <summary>Ends it with its last acknowledgement.</summary>
    public async Task EndAsync()
    {
        foreach (var worker in _workers) worker.End();
        await _running;
    }

    public void Dispose()
    {
        foreach (var worker in _workers) worker.Dispose();
        foreach (var channel in _channels) channel.Dispose();
    }
}
