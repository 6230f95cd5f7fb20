using System.Diagnostics;
using System.Globalization;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Xunit.Abstractions;

namespace EndToEnd.Tests;

/// <summary>Three instances of usage on one database and one broker; runtimes connect to whichever answers.</summary>
public sealed class When_instances_are_killed_in_turn(ITestOutputHelper output)
{
    private const int Seed = 20260202;

    [Fact]
    public async Task U1_U3_U4_U5_hold_and_what_was_theirs_is_served_by_the_others()
    {
        await using var company = await Company.OpenAsync(
            [Company.Usage], ("Usage:ChunkTokens", "16"), ("Usage:LeaseSeconds", "3"), ("Usage:ReportIntervalMs", "50"),
            ("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Port", "0"), ("Usage:Cluster:Address", "127.0.0.1"));
        var more = await company.StartMoreUsageAsync(2);
        (ServiceProcess Process, Uri Address)[] instances = [(company.Apart(Company.Usage), company.Address(Company.Usage)), .. more];
        await company.PublishMenuAsync();
        var subscriptions = await company.SubscribeAsync(12);
        var channels = new List<GrpcChannel>();
        CallInvoker Connect()
        {
            // Each worker prefers another one.
            var first = channels.Count % instances.Length;
            channels.Add(Company.ConnectToAny(instances[first..].Concat(instances[..first]).Select(i => i.Address), inOrder: true));
            return channels[^1].CreateCallInvoker();
        }

        var random = new Random(Seed);
        var loads = new List<Load>();
        foreach (var (n, victim) in instances.Index())
        {
            // The one that was killed before carries a stream again as well; its shards come back to it under this load.
            foreach (var instance in instances) await instance.Process.ReadyAsync();
            var load = new Load(company, subscriptions, conversationsEach: 20, Seed + 10 * n, Connect);
            loads.Add(load);
            var serving = load.ServeAsync();
            await Task.WhenAll(instances.Select(i => Eventually.True(async () => await StreamsAsync(i.Process) > 0, "each instance carries a stream")));
            await load.ReachesAsync(random.NextDouble() / 2, serving);
            await victim.Process.KillAsync();
            var since = Stopwatch.StartNew();
            var others = instances.Where(i => i != victim).Select(i => GrpcChannel.ForAddress(i.Address)).ToArray();
            // Every shard answers at every instance that is left, before the lost one is back.
            foreach (var channel in others)
                await Eventually.True(async () => (await new UsageLedger.UsageLedgerClient(channel).GetHeadsAsync(new())).Heads.Count == 8, "the others have taken over", TimeSpan.FromMinutes(2));
            output.WriteLine($"instance {n + 1} killed; all shards answered again after {since.Elapsed.TotalSeconds:0.0} s");
            foreach (var channel in others) channel.Dispose();
            await serving;
            Assert.Equal(load.Conversations, load.Served);
            await Eventually.True(async () => await company.UsageScalarAsync("select count(*) from usage.report where not published") == 0, "what the lost one left is published by the others", TimeSpan.FromMinutes(2));
            await victim.Process.StartAsync();
        }
        foreach (var instance in instances) await instance.Process.ReadyAsync();
        await UsageBalance.HoldsAsync(company, subscriptions, [.. loads]);
        foreach (var channel in channels) channel.Dispose();
    }

    /// <summary>As it shows them to Prometheus.</summary>
    private static async Task<double> StreamsAsync(ServiceProcess instance)
    {
        using var http = new HttpClient { BaseAddress = instance.Http };
        return (await http.GetStringAsync(new Uri("/metrics", UriKind.Relative))).Split('\n')
            .Where(l => l.StartsWith("usage_streams{", StringComparison.Ordinal)).Sum(l => double.Parse(l.Split(' ')[1], CultureInfo.InvariantCulture));
    }
}
