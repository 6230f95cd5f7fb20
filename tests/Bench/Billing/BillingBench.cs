using System.Globalization;
using System.Text.Json;
using Bench.Metering;
using LocalServers;

namespace Bench.Books;

/// <summary>How much there is of everything.</summary>
/// <param name="Subscriptions">whose month is closed</param>
/// <param name="ActiveSubscriptions">that use tokens while the draft's lag is measured</param>
/// <param name="WarmUp">under the same load before that: a service compiles what it does often for half a minute, and is not asked how fast it is meanwhile</param>
/// <param name="PreparesBeside">what the other parts begin with is little enough to be made while RabbitMQ starts and the service warms up, and not in a time of its own</param>
/// <param name="Lag">for how long it is measured</param>
/// <param name="Readers">subscriptions of the books that are replayed</param>
/// <param name="Reports">that each of them has a line in; events of usage are ten times the lines</param>
public sealed record BillingBenchSize(int Subscriptions, int ActiveSubscriptions, TimeSpan WarmUp, TimeSpan Lag, int Readers, int Reports, bool PreparesBeside)
{
    public static BillingBenchSize Full => new(100_000, 1_000, TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(60), 1_000, 1_000, PreparesBeside: false);

    /// <summary>Within a minute.</summary>
    public static BillingBenchSize Quick => new(500, 1_000, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5), 40, 150, PreparesBeside: true);

    /// <summary>Measures nothing, and runs everything.</summary>
    public static BillingBenchSize Tiny => new(20, 40, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), 4, 10, PreparesBeside: true);
}

/// <summary>What the billing benchmark measured, all in one run on one machine, each part beside what it is compared with. The first five are the published ones.</summary>
/// <param name="DraftLagP99Ms">from a report being published to its tokens on the draft invoice</param>
/// <param name="CloseInvoicesPerSecond">subscriptions turned, periods closed and invoices finalized</param>
/// <param name="CloseRatioToSql">of the rate at which the same rows are inserted by plain SQL, in transactions of as many invoices</param>
/// <param name="ReplayRatioToScan">time of reading raw and stored events through Npgsql over the time of reconciling and replaying them</param>
/// <param name="RebuildRatioToMarten">time of Marten's own rebuild of the views over ours</param>
/// <param name="ReplayMemoryGrowth">physical memory in the last quarter of the replay over that in the first half</param>
public sealed record BillingBench(
    double DraftLagP99Ms, double CloseInvoicesPerSecond, double CloseRatioToSql, double ReplayRatioToScan, double RebuildRatioToMarten,
    double ReplayMemoryGrowth, double RebuildEventsPerSecond, long RawEvents, long StoredEvents, int ClosedSubscriptions)
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    /// <exception cref="ServerUnavailableException">A server is not installed.</exception>
    public static async Task<BillingBench> RunAsync(BillingBenchSize size, CancellationToken ct)
    {
        await using var servers = await BillingServers.StartAsync(ct);
        BenchPace.Say($"{await servers.ConditionsAsync(ct)}");
        var (lagBench, replayBench, closeBench) = (new DraftLagBench(servers, size), new ReplayBench(servers, size), new CloseBench(servers, size));
        await lagBench.PrepareAsync(ct);
        var others = new Lazy<Task>(() => PrepareAsync(replayBench, closeBench, ct));
        var beside = size.PreparesBeside ? others.Value : Task.CompletedTask;
        await servers.BrokerAsync();
        var lag = await lagBench.RunAsync(beside, ct);
        BenchPace.Say($"draft: visible {lag}");
        await others.Value;
        var replay = await replayBench.RunAsync(ct);
        BenchPace.Say($"replay: {replay.Replay.TotalSeconds:F1} s beside {replay.Scan.TotalSeconds:F1} s of reading; rebuild: {replay.Rebuild.TotalSeconds:F2} s beside Marten's {replay.MartenRebuild.TotalSeconds:F2} s");
        // Last, for the books that were replayed were closed by the same code: it is compiled by now.
        var close = await closeBench.RunAsync(ct);
        BenchPace.Say($"close: {close.PerSecond:F0} invoices/s beside {close.SqlPerSecond:F0} by plain SQL");
        return new(
            lag.Percentile(99), close.PerSecond, close.PerSecond / close.SqlPerSecond, replay.Scan / replay.Replay, replay.MartenRebuild / replay.Rebuild,
            replay.MemoryGrowth, replay.StoredEvents / replay.Rebuild.TotalSeconds, replay.RawEvents, replay.StoredEvents, size.Subscriptions);
    }

    private static async Task PrepareAsync(ReplayBench replay, CloseBench close, CancellationToken ct)
    {
        await replay.PrepareAsync(ct);
        await close.PrepareAsync(ct);
    }

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);

    public string ToText() => string.Create(CultureInfo.InvariantCulture, $"""
        draft      {DraftLagP99Ms,10:F0} ms            from a report to the draft invoice (p99)
        close      {CloseInvoicesPerSecond,10:F0} invoices/s    {CloseRatioToSql:F2} of the same rows by plain SQL, {ClosedSubscriptions:N0} subscriptions
        replay     {ReplayRatioToScan,10:F2}               of reading {RawEvents:N0} raw and {StoredEvents:N0} stored events without folding; memory grew by {ReplayMemoryGrowth:F2}
        rebuild    {RebuildRatioToMarten,10:F1}               times as fast as Marten's own, {RebuildEventsPerSecond:F0} events/s
        """);
}
