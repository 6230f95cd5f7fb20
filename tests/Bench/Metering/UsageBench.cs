using System.Globalization;
using System.Text.Json;
using LocalServers;

namespace Bench.Metering;

/// <summary>How long the parts of the benchmark take, and where their details are said. Every part is bounded by its time, however slow the machine is.</summary>
/// <param name="WarmUpMax">of each of the four contenders that get faster while they run</param>
/// <param name="Kills">of the service while a cap is used up</param>
/// <param name="LeaseSeconds">of grants while a cap is used up, longer than a killed service is away: it is waited out twice</param>
/// <param name="CapTokens">of the cap that is used up</param>
/// <param name="IdleWithin">the service, between two contenders</param>
/// <param name="Generations">that a worker runs at once</param>
public sealed record BenchPace(
    int Rounds, TimeSpan Round, TimeSpan Soak, TimeSpan WarmUpMax, int Kills, int LeaseSeconds, long CapTokens, TimeSpan IdleWithin, int Generations = WorkerLoad.GenerationsEach)
{
    public static BenchPace Full => new(5, TimeSpan.FromSeconds(8), TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(12), 5, 10, 200_000, TimeSpan.FromMinutes(1));

    /// <summary>Within a minute.</summary>
    public static BenchPace Quick => new(1, TimeSpan.FromSeconds(0.8), TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(1.2), 1, 4, 10_000, TimeSpan.FromSeconds(0.5));

    /// <summary>Measures nothing, and runs everything.</summary>
    public static BenchPace Tiny => new(1, TimeSpan.FromSeconds(0.2), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(0.5), 1, 15, 2_000, TimeSpan.FromSeconds(0.2), Generations: 8);

    private static readonly long Begun = TimeProvider.System.GetTimestamp();

    /// <summary>One line with the seconds since the beginning, to standard error: standard output has the figures only.</summary>
    public static void Say(FormattableString line) =>
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetElapsedTime(Begun).TotalSeconds,6:F1}  ") + line.ToString(CultureInfo.InvariantCulture));

    /// <summary>Runs it until it gets no faster: code is compiled for good only while it runs, and on a busy machine late.</summary>
    /// <param name="round">a rate, measured for so long</param>
    public async Task WarmUpAsync(Func<TimeSpan, Task<double>> round)
    {
        const double faster = 1.1, seconds = 0.5;
        var (best, last) = (0.0, 0);
        for (var (n, begin) = (1, TimeProvider.System.GetTimestamp()); n - last <= 2 && TimeProvider.System.GetElapsedTime(begin) < WarmUpMax; n++)
        {
            var rate = await round(TimeSpan.FromSeconds(seconds));
            if (rate > best * faster) last = n;
            best = Math.Max(best, rate);
        }
    }

    /// <summary>0 where nothing was measured to compare with.</summary>
    public static double Ratio(double of, double to) => to > 0 ? of / to : 0;

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What the usage benchmark measured, all in one run on one machine, contenders in turns, their clients on the same cores.</summary>
public sealed record UsageBench(DurableFigures Durable, DecisionFigures Decisions, OverspendFigures Overspend, SoakFigures Soak)
{
    private const int Subscriptions = 400;
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    /// <exception cref="ServerUnavailableException">A server is not installed.</exception>
    public static async Task<UsageBench> RunAsync(BenchPace pace, CancellationToken ct)
    {
        await using var servers = await BenchServers.StartAsync(ct);
        await using var redis = await PrivateRedis.StartAsync(servers.Folder, ct);
        BenchPace.Say($"{await servers.ConditionsAsync(redis, ct)}");
        BenchPace.Say($"{FormattableString.Invariant(RuntimeLoad.Conditions)}; {Callers.Count} callers on one connection; bare COPY in batches of {DurableBench.CopyBatchRows} rows by {Environment.ProcessorCount} writers");
        var subscriptions = await servers.SubscribeAsync("durable", Subscriptions, Peers.CapTokens, ct);
        var ledger = new LedgerCheck(servers);
        var durable = await new DurableBench(servers, pace, subscriptions, ledger).RunAsync(ct);
        var soak = await new SoakBench(servers, pace, subscriptions, ledger).RunAsync(durable.EventsPerSecond, ct);
        var decisions = await new DecisionBench(servers, redis, pace).RunAsync(ct);
        var overspend = await new OverspendBench(servers, redis, pace).RunAsync(ct);
        return new(durable, decisions, overspend, soak);
    }

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);

    public string ToText() => string.Create(CultureInfo.InvariantCulture, $"""
        durable     {Durable.EventsPerSecond,10:F0} events/s    {Durable.RatioToCopy:F2} of bare COPY with deduplication; acknowledged within {Durable.AckP99Ms:F1} ms (p99) at half of it; dirty input {Durable.DirtyRatio:F2} of clean
        decisions   {Decisions.PerSecond,10:F0} /s           {Decisions.RatioToUnary:F2} of bare unary gRPC, {Decisions.RatioToSqlHotRow:F1} of an UPDATE of one row, {Decisions.RatioToRedis:F2} of Redis-backed; p99 {Decisions.P99Ms:F2} ms at 10,000/s
        overspend   {Overspend.Ours,10} tokens      check-then-add {Overspend.CheckThenAdd}, increment-after {Overspend.IncrementAfter}; {Overspend.NeverBack} where nobody who crashed came back, of at most {Overspend.NeverBackMax}
        soak        {Soak.LastOverFirst,10:F2}             of the first part's rate in the last; memory {Soak.MemoryLastOverFirst:F2} of it, PostgreSQL's {Soak.PostgresMemoryLastOverFirst:F2}
        """);
}
