using System.Collections.Concurrent;
using System.Diagnostics;
using Bench.Metering;
using Billing.Host;
using Contracts.Messages;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using MassTransit;

namespace Bench.Books;

/// <summary>
/// Billing as a process of its own, and the reports that 50,000 events/s over its active subscriptions would give: eight shards, two reports a second each, every one with a line for each
/// subscription of the shard that Zipf lets use tokens within half a second. One subscription of each report is looked at until its draft invoice has what the report said.
/// </summary>
public sealed class DraftLagBench(BillingServers servers, BillingBenchSize size)
{
    private const int Shards = 8, ReportsPerSecond = 2, EventsPerSecond = 50_000;
    // Whoever looks all the time measures itself.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100), LostAfter = TimeSpan.FromSeconds(60);
    private readonly Random _random = new(1);
    private readonly ConcurrentDictionary<string, long> _used = new();
    private readonly (long Number, string Chain)[] _heads = [.. Enumerable.Repeat((0L, Convert.ToHexStringLower(MerkleTree.EmptyRoot)), Shards)];

    private ServiceDatabase? _database;
    private string[] _subscriptions = [];

    public async Task PrepareAsync(CancellationToken ct)
    {
        _database = await servers.DatabaseAsync("lag", ct);
        await using (var store = await BillingStore.OpenAsync(_database.ConnectionString("billing")))
            _subscriptions = await servers.PhaseAsync("draft, subscribing", () => Company.SubscribeAsync(store, "lag", size.ActiveSubscriptions, 0, ct));
    }

    /// <param name="beside">what may be done until the service is warm; nothing is measured before it is done</param>
    public async Task<Latencies> RunAsync(Task beside, CancellationToken ct)
    {
        var port = Ports.Free(1)[0];
        var settings = servers.Settings(_database!, "http://127.0.0.1:1", port).ToDictionary(s => s.Key, s => s.Value!);
        using var service = ServiceProcess.Start(typeof(BillingHost).Assembly.Location, [], new Dictionary<string, string>(settings) { ["DOTNET_ENVIRONMENT"] = "Bench", ["ASPNETCORE_ENVIRONMENT"] = "Bench" });
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");
        var health = new HealthClient(channel);
        await servers.PhaseAsync("draft, billing starts", () => BenchServers.UntilAsync(() => health.IsServingAsync(ct), "billing serves", ct), service);
        // Usage takes the snapshots of new subscriptions: to whom nobody listens they would be published again and again.
        var bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(servers.Broker);
            rabbit.ReceiveEndpoint("bench-subscription-changed", queue => queue.Handler<SubscriptionChanged>(_ => Task.CompletedTask));
        });
        await bus.StartAsync(ct);
        try
        {
            await servers.PhaseAsync("draft, warming up", () => Task.WhenAll(LoadAsync(bus, channel, _subscriptions, size.WarmUp, ct), beside), service);
            return await servers.PhaseAsync("draft, measured", () => LoadAsync(bus, channel, _subscriptions, size.Lag, ct), service);
        }
        finally
        {
            await bus.StopAsync(ct);
        }
    }

    private async Task<Latencies> LoadAsync(IBusControl bus, GrpcChannel channel, string[] subscriptions, TimeSpan time, CancellationToken ct)
    {
        var shards = subscriptions.Select((s, i) => (s, i)).GroupBy(x => x.i % Shards).OrderBy(g => g.Key).Select(g => g.ToArray()).ToArray();
        var harmonic = Enumerable.Range(1, subscriptions.Length).Sum(rank => 1.0 / rank);
        var (looks, begin) = (new List<Task<long>>(), Stopwatch.GetTimestamp());
        for (var report = 0; report < time.TotalSeconds * Shards * ReportsPerSecond; report++)
        {
            var due = TimeSpan.FromSeconds(report / (double)(Shards * ReportsPerSecond)) - Stopwatch.GetElapsedTime(begin);
            if (due > TimeSpan.Zero) await Task.Delay(due, ct);
            var shard = report % Shards;
            if (shard >= shards.Length) continue;
            var lines = new List<RecordedLine>();
            foreach (var (subscription, rank) in shards[shard])
            {
                var expected = EventsPerSecond / (double)ReportsPerSecond / (rank + 1) / harmonic;
                var events = (long)expected + (_random.NextDouble() < expected - (long)expected ? 1 : 0);
                if (events > 0) lines.Add(new(subscription, Company.PeriodOf(subscription), BillingServers.Feb1, Company.Plan, "output", events * 16));
            }
            if (lines.Count == 0) continue;
            foreach (var line in lines) _used.AddOrUpdate(line.SubscriptionId, line.Tokens, (_, had) => had + line.Tokens);
            var seen = lines[_random.Next(lines.Count)];
            var published = Stopwatch.GetTimestamp();
            var (recorded, id) = (Next(shard, lines), Ids.NewGuid(BillingServers.Jan1));
            await BenchServers.UntilTakenAsync(() => bus.PublishConfirmed(recorded, id, mandatory: true, ct), ct);
            looks.Add(Task.Run(() => UntilVisible(channel, seen.SubscriptionId, _used[seen.SubscriptionId], published, ct), ct));
        }
        var latencies = new Latencies();
        foreach (var look in await Task.WhenAll(looks)) latencies.Add(look);
        return latencies;
    }

    /// <returns>ticks from the report being published until the draft has the tokens</returns>
    private static async Task<long> UntilVisible(GrpcChannel channel, string subscription, long tokens, long since, CancellationToken ct)
    {
        var billing = new Contracts.Billing.V1.Billing.BillingClient(channel);
        while (true)
        {
            var draft = await billing.GetInvoiceAsync(new() { PeriodId = Company.PeriodOf(subscription) }, deadline: TimeProvider.System.GetUtcNow().UtcDateTime + LostAfter, cancellationToken: ct);
            if (draft.Lines.Sum(l => l.Tokens) >= tokens) return Stopwatch.GetTimestamp() - since;
            if (Stopwatch.GetElapsedTime(since) > LostAfter) throw new TimeoutException($"{tokens} tokens of {subscription} did not come to its draft");
            await Task.Delay(LookEvery, ct);
        }
    }

    private UsageRecorded Next(int shard, List<RecordedLine> lines)
    {
        var (last, previous) = _heads[shard];
        var number = last + 1;
        var root = MerkleTree.Leaf(BitConverter.GetBytes(number));
        var chain = Convert.ToHexStringLower(MerkleTree.Chain(Convert.FromHexString(previous), number, root));
        _heads[shard] = (number, chain);
        return new(shard, number, number, number, previous, [Convert.ToHexStringLower(root)], chain, BillingServers.Jan1, lines);
    }
}

/// <summary>Whether a service serves, asked until it does.</summary>
internal sealed class HealthClient(GrpcChannel channel)
{
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(5);
    private readonly Health.HealthClient _health = new(channel);

    public async Task<bool> IsServingAsync(CancellationToken ct)
    {
        try { return (await _health.CheckAsync(new HealthCheckRequest(), deadline: TimeProvider.System.GetUtcNow().UtcDateTime + AnswersWithin, cancellationToken: ct)).Status == HealthCheckResponse.Types.ServingStatus.Serving; }
        catch (RpcException) { return false; }
    }
}
