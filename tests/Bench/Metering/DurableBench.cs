using System.Diagnostics;
using Contracts.Usage.V1;
using Grpc.Net.Client;

namespace Bench.Metering;

/// <param name="EventsPerSecond">chunks acknowledged, each durable and counted once; prompts and finishes are rows too, and are not counted</param>
/// <param name="RatioToCopy">over bare COPY with deduplication, the median of rounds in turns</param>
/// <param name="AckP99Ms">from when an event was due to its acknowledgement, at half of that rate</param>
/// <param name="DirtyRatio">the rate of different events when every tenth comes twice, every twentieth late, and subscriptions follow Zipf's law; over the clean rate</param>
public sealed record DurableFigures(double EventsPerSecond, double RatioToCopy, double AckP99Ms, double DirtyRatio);

/// <summary>Durable, deduplicated, acknowledged events through grants, owners and the Meter stream.</summary>
public sealed class DurableBench(BenchServers servers, BenchPace pace)
{
    private const int Workers = 8, Subscriptions = 400;
    private string[] _subscriptions = [];

    public async Task<DurableFigures> RunAsync(CancellationToken ct)
    {
        _subscriptions = await servers.SubscribeAsync("durable", Subscriptions, 1_000_000_000_000, ct);
        var copy = new CopyBaseline(servers.Postgres, batchRows: 10_000);
        await copy.CreateTableAsync(ct);
        await RateAsync("warm-up", new WorkerLoad(_subscriptions), pace.Round, ct);

        var rounds = new List<(double Ours, double Copy, double Dirty)>();
        for (var n = 0; n < pace.Rounds; n++)
        {
            var bare = await copy.RunAsync(pace.Round, ct);
            BenchPace.Say($"bare COPY with deduplication: {bare:F0} rows/s");
            var clean = await RateAsync("durable events", new WorkerLoad(_subscriptions), pace.Round, ct);
            var dirty = await RateAsync("the same, dirty", new WorkerLoad(_subscriptions, Dirty: true), pace.Round, ct);
            rounds.Add((clean, bare, dirty));
        }
        var rate = BenchPace.Median(rounds.Select(r => r.Ours));
        var half = await LoadAsync("at half of that rate", new WorkerLoad(_subscriptions, EventsPerSecond: rate / 2 / Workers), 2 * pace.Round, ct);
        return new(rate, BenchPace.Median(rounds.Select(r => r.Ours / r.Copy)), half.Latencies.Percentile(99), BenchPace.Median(rounds.Select(r => r.Dirty / r.Ours)));
    }

    private async Task<double> RateAsync(string name, WorkerLoad load, TimeSpan time, CancellationToken ct) => (await LoadAsync(name, load, time, ct)).Rate;

    /// <summary>Runs the load until its rate has been measured for so long, then to the last acknowledgement.</summary>
    private async Task<(double Rate, Latencies Latencies)> LoadAsync(string name, WorkerLoad load, TimeSpan time, CancellationToken ct)
    {
        GrpcChannel[] channels = [.. Enumerable.Range(0, Workers).Select(_ => servers.Connect())];
        RuntimeWorker[] workers = [.. channels.Select((c, n) => new RuntimeWorker(new TokenMeter.TokenMeterClient(c), load, seed: n))];
        var running = Task.WhenAll(workers.Select(w => Task.Run(() => w.RunAsync(ct), ct)));
        await Task.WhenAny(running, Task.Delay(time / 4, ct));

        foreach (var worker in workers) worker.Measure();
        var (begin, before, cpu) = (Stopwatch.GetTimestamp(), workers.Sum(w => w.Acknowledged), ProcessorTimes.Now(servers.Folder.Path, servers.Service.Id));
        await Task.WhenAny(running, Task.Delay(time, ct));
        var (seconds, events) = (Stopwatch.GetElapsedTime(begin).TotalSeconds, workers.Sum(w => w.Acknowledged) - before);
        var spent = ProcessorTimes.Now(servers.Folder.Path, servers.Service.Id).Since(cpu, events);
        foreach (var worker in workers) worker.End();
        await running;
        foreach (var worker in workers) worker.Dispose();
        foreach (var channel in channels) channel.Dispose();
        var latencies = Latencies.Of(workers.Select(w => w.Latencies));
        BenchPace.Say($"{name}: {events / seconds:F0} events/s, acknowledged {latencies}; {spent}");
        return (events / seconds, latencies);
    }
}
