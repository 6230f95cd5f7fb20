using System.Diagnostics;

namespace Bench.Metering;

/// <param name="EventsPerSecond">chunks acknowledged, each durable and counted once; prompts and finishes are rows too, and are not counted</param>
/// <param name="RatioToCopy">over bare COPY with deduplication, the median of rounds in turns</param>
/// <param name="AckP99Ms">from when an event was due to its acknowledgement, at half of that rate</param>
/// <param name="DirtyRatio">the rate of different events when one in ten comes again, half of those of generations that are over, every twentieth generation is of an earlier day, and subscriptions follow Zipf's law; over the clean rate</param>
public sealed record DurableFigures(double EventsPerSecond, double RatioToCopy, double AckP99Ms, double DirtyRatio);

/// <summary>Durable, deduplicated, acknowledged events through grants, owners and the Meter stream.</summary>
public sealed class DurableBench(BenchServers servers, BenchPace pace, IReadOnlyList<string> subscriptions, LedgerCheck ledger)
{
    public const int CopyBatchRows = 10_000;

    /// <exception cref="InvalidOperationException">The ledger does not have exactly what was acknowledged.</exception>
    public async Task<DurableFigures> RunAsync(CancellationToken ct)
    {
        var copy = new CopyBaseline(servers.Postgres, CopyBatchRows);
        await copy.CreateTableAsync(ct);
        await pace.WarmUpAsync(time => RateAsync("warming up", new WorkerLoad(subscriptions, pace.Generations), time, ct));

        var rounds = new List<(double Ours, double Copy, double Dirty)>();
        for (var n = 0; n < pace.Rounds; n++)
        {
            var before = servers.ProcessorTimes();
            var (bare, rows, commits) = await copy.RunAsync(pace.Round, ct);
            BenchPace.Say($"bare COPY with deduplication: {bare:F0} rows/s, a batch committed in {commits}; {servers.ProcessorTimes().Since(before, rows)}");
            var clean = await RateAsync("durable events", new WorkerLoad(subscriptions, pace.Generations), pace.Round, ct);
            var dirty = await RateAsync("the same, dirty", new WorkerLoad(subscriptions, pace.Generations, Dirty: true), pace.Round, ct);
            rounds.Add((clean, bare, dirty));
        }
        var rate = BenchPace.Median(rounds.Select(r => r.Ours));
        var half = await LoadAsync("at half of that rate", new WorkerLoad(subscriptions, pace.Generations, EventsPerSecond: rate / 2 / RuntimeLoad.Workers), 2 * pace.Round, ct);
        await ledger.HoldAsync(ct);
        return new(rate, BenchPace.Median(rounds.Select(r => BenchPace.Ratio(r.Ours, r.Copy))), half.Latencies.Percentile(99), BenchPace.Median(rounds.Select(r => BenchPace.Ratio(r.Dirty, r.Ours))));
    }

    private async Task<double> RateAsync(string name, WorkerLoad load, TimeSpan time, CancellationToken ct) => (await LoadAsync(name, load, time, ct)).Rate;

    /// <summary>Runs the load until its rate has been measured for so long, then to the last acknowledgement.</summary>
    private async Task<(double Rate, Latencies Latencies)> LoadAsync(string name, WorkerLoad what, TimeSpan time, CancellationToken ct)
    {
        using var load = RuntimeLoad.Start(servers, what, ct);
        await load.RunningAsync(ct);
        await load.ForAsync(time / 4, ct);
        load.Measure();
        var (begin, before, cpu) = (Stopwatch.GetTimestamp(), load.Acknowledged, servers.ProcessorTimes());
        await load.ForAsync(time, ct);
        var (seconds, events, spent) = (Stopwatch.GetElapsedTime(begin).TotalSeconds, load.Acknowledged - before, servers.ProcessorTimes());
        await load.EndAsync();
        ledger.Acknowledged(load.Acknowledged);
        BenchPace.Say($"{name}: {events / seconds:F0} events/s, acknowledged {load.Latencies}; {spent.Since(cpu, events)}");
        return (events / seconds, load.Latencies);
    }
}
