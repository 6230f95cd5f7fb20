using System.Diagnostics;

namespace Bench.Metering;

/// <param name="LastOverFirst">events acknowledged in the last tenth of the time over those of the first</param>
public sealed record SoakFigures(double LastOverFirst);

/// <summary>Seven tenths of the load that was measured, for ten minutes: does it stay as fast, and as small, as it began?</summary>
public sealed class SoakBench(BenchServers servers, BenchPace pace, IReadOnlyList<string> subscriptions)
{
    private const int Parts = 10;
    private const double OfMeasured = 0.7, Mebibyte = 1024 * 1024;

    public async Task<SoakFigures> RunAsync(double eventsPerSecond, CancellationToken ct)
    {
        using var load = RuntimeLoad.Start(servers, new WorkerLoad(subscriptions, EventsPerSecond: OfMeasured * eventsPerSecond / RuntimeLoad.Workers), ct);
        await load.ForAsync(pace.Round, ct);
        load.Measure();
        var rates = new List<double>();
        for (var part = 0; part < Parts; part++)
        {
            var (begin, before) = (Stopwatch.GetTimestamp(), load.Acknowledged);
            await load.ForAsync(pace.Soak / Parts, ct);
            rates.Add((load.Acknowledged - before) / Stopwatch.GetElapsedTime(begin).TotalSeconds);
            if (part is 0 or Parts - 1 || pace.Soak > TimeSpan.FromMinutes(1))
                BenchPace.Say($"soak, part {part + 1} of {Parts}: {rates[^1]:F0} events/s, the service has {servers.Service.Memory / Mebibyte:F0} MiB");
        }
        await load.EndAsync();
        BenchPace.Say($"soak: acknowledged {load.Latencies}");
        return new(rates[^1] / rates[0]);
    }
}
