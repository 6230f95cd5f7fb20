using System.Diagnostics;

namespace Bench.Metering;

/// <param name="LastOverFirst">events acknowledged in the last tenth of the time over those of the first</param>
/// <param name="MemoryLastOverFirst">what the service has in physical memory at the end over what it had after the first tenth</param>
/// <param name="PostgresMemoryLastOverFirst">the same of all of PostgreSQL's processes, shared memory once; until its buffers are full it grows</param>
public sealed record SoakFigures(double LastOverFirst, double MemoryLastOverFirst, double PostgresMemoryLastOverFirst);

/// <summary>Seven tenths of the load that was measured, for ten minutes: does it stay as fast, and as small, as it began? And is the ledger still right?</summary>
public sealed class SoakBench(BenchServers servers, BenchPace pace, IReadOnlyList<string> subscriptions, LedgerCheck ledger)
{
    private const int Parts = 10;
    private const double OfMeasured = 0.7, Mebibyte = 1024 * 1024;

    public async Task<SoakFigures> RunAsync(double eventsPerSecond, CancellationToken ct)
    {
        using var load = RuntimeLoad.Start(servers, new WorkerLoad(subscriptions, pace.Generations, EventsPerSecond: OfMeasured * eventsPerSecond / RuntimeLoad.Workers), ct);
        await load.ForAsync(pace.Round, ct);
        load.Measure();
        var parts = new List<(double Rate, ServerMemory Memory)>();
        for (var part = 0; part < Parts; part++)
        {
            var (begin, before) = (Stopwatch.GetTimestamp(), load.Acknowledged);
            await load.ForAsync(pace.Soak / Parts, ct);
            var (rate, memory) = ((load.Acknowledged - before) / Stopwatch.GetElapsedTime(begin).TotalSeconds, servers.Memory());
            parts.Add((rate, memory));
            if (part is 0 or Parts - 1 || pace.Soak > TimeSpan.FromMinutes(1))
                BenchPace.Say($"soak, part {part + 1} of {Parts}: {rate:F0} events/s, the service has {memory.Service / Mebibyte:F0} MiB and PostgreSQL {memory.Postgres / Mebibyte:F0} MiB");
        }
        await load.EndAsync();
        ledger.Acknowledged(load.Acknowledged);
        BenchPace.Say($"soak: acknowledged {load.Latencies}");
        await ledger.HoldAsync(ct);
        var (first, last) = (parts[0], parts[^1]);
        return new(BenchPace.Ratio(last.Rate, first.Rate), BenchPace.Ratio(last.Memory.Service, first.Memory.Service), BenchPace.Ratio(last.Memory.Postgres, first.Memory.Postgres));
    }
}
