using System.Diagnostics;

namespace Bench.Metering;

/// <param name="EventsPerSecond">chunks acknowledged, each durable and counted once; prompts and finishes are rows too, and are not counted</param>
/// <param name="RatioToCopy">over bare COPY with deduplication, the median of rounds in turns</param>
/// <param name="AckP99Ms">from when an event was due to its acknowledgement, at half of that rate</param>
/// <param name="DirtyRatio">the rate of different events when every tenth comes twice, every twentieth late, and subscriptions follow Zipf's law; over the clean rate</param>
public sealed record DurableFigures(double EventsPerSecond, double RatioToCopy, double AckP99Ms, double DirtyRatio);

/// <summary>Durable, deduplicated, acknowledged events through grants, owners and the Meter stream.</summary>
public sealed class DurableBench(BenchServers servers, BenchPace pace, IReadOnlyList<string> subscriptions)
{
    private long _acknowledged;

    /// <exception cref="InvalidOperationException">The ledger does not have exactly what was acknowledged.</exception>
    public async Task<DurableFigures> RunAsync(CancellationToken ct)
    {
        var copy = new CopyBaseline(servers.Postgres, batchRows: 10_000);
        await copy.CreateTableAsync(ct);
        await BenchPace.WarmUpAsync(time => RateAsync("warming up", new WorkerLoad(subscriptions), time, ct));

        var rounds = new List<(double Ours, double Copy, double Dirty)>();
        for (var n = 0; n < pace.Rounds; n++)
        {
            var bare = await copy.RunAsync(pace.Round, ct);
            BenchPace.Say($"bare COPY with deduplication: {bare:F0} rows/s");
            var clean = await RateAsync("durable events", new WorkerLoad(subscriptions), pace.Round, ct);
            var dirty = await RateAsync("the same, dirty", new WorkerLoad(subscriptions, Dirty: true), pace.Round, ct);
            rounds.Add((clean, bare, dirty));
        }
        var rate = BenchPace.Median(rounds.Select(r => r.Ours));
        var half = await LoadAsync("at half of that rate", new WorkerLoad(subscriptions, EventsPerSecond: rate / 2 / RuntimeLoad.Workers), 2 * pace.Round, ct);
        await CheckAsync(ct);
        return new(rate, BenchPace.Median(rounds.Select(r => r.Ours / r.Copy)), half.Latencies.Percentile(99), BenchPace.Median(rounds.Select(r => r.Dirty / r.Ours)));
    }

    private async Task<double> RateAsync(string name, WorkerLoad load, TimeSpan time, CancellationToken ct) => (await LoadAsync(name, load, time, ct)).Rate;

    /// <summary>Runs the load until its rate has been measured for so long, then to the last acknowledgement.</summary>
    private async Task<(double Rate, Latencies Latencies)> LoadAsync(string name, WorkerLoad what, TimeSpan time, CancellationToken ct)
    {
        using var load = RuntimeLoad.Start(servers, what, ct);
        await load.ForAsync(time / 4, ct);
        load.Measure();
        var (begin, before, cpu) = (Stopwatch.GetTimestamp(), load.Acknowledged, servers.ProcessorTimes());
        await load.ForAsync(time, ct);
        var (seconds, events, spent) = (Stopwatch.GetElapsedTime(begin).TotalSeconds, load.Acknowledged - before, servers.ProcessorTimes());
        await load.EndAsync();
        _acknowledged += load.Acknowledged;
        BenchPace.Say($"{name}: {events / seconds:F0} events/s, acknowledged {load.Latencies}; {spent.Since(cpu, events)}");
        return (events / seconds, load.Latencies);
    }

    /// <summary>Speed counts for nothing if one event is missing or twice there: in the table, or in what was reported to billing.</summary>
    private async Task CheckAsync(CancellationToken ct)
    {
        var stored = await servers.ScalarAsync("select count(*) from usage.token_event where sequence > 0 and finish = 0", ct);
        if (stored != _acknowledged) throw new InvalidOperationException($"{_acknowledged} events were acknowledged and {stored} are in the table");
        var tokens = await servers.ScalarAsync("select sum(input + output) from usage.token_event", ct);
        await BenchServers.UntilAsync(() => Task.FromResult(servers.ReportedTokens == tokens), $"all {tokens} tokens are reported", ct);
        BenchPace.Say($"checked: {stored} events acknowledged, {stored} in the table, and the reports say all of their tokens");
    }
}
