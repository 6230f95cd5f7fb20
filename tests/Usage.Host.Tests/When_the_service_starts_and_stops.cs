using System.Collections.Concurrent;
using Contracts.Messages;
using Contracts.Usage.V1;
using Grpc.Core;
using Hosting;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Usage.Host.Tests;

public sealed class When_the_service_starts_and_stops
{
    [Fact]
    public async Task Another_number_of_shards_is_refused_in_one_line()
    {
        var database = await Servers.CreateDatabaseAsync();
        var broker = await Servers.CreateVirtualHostAsync();
        await using var first = await UsageService.PrepareAsync(database, broker);
        await first.StartHostAsync();
        await first.ReadyAsync();
        await first.StopHostAsync();

        await using var second = await UsageService.PrepareAsync(database, broker, ("Usage:Shards", "4"));
        var (exit, _, error) = await second.RunApartAsync();
        Assert.Equal(1, exit);
        Assert.Contains("Usage__Shards=8", Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Usage:ChunkTokens", "0", "Usage__ChunkTokens")]
    [InlineData("Usage:Postgres", "", "Usage__Postgres")]
    [InlineData("Usage:Postgres", "Host=localhost;Nonsense=1", "Usage__Postgres")]
    [InlineData("Usage:BillingAddress", "billing:8081", "Usage__BillingAddress")]
    [InlineData("Usage:Cluster:Mode", "Several", "Usage__Cluster__Mode")]
    [InlineData("Usage:Cluster:Port", "70000", "Usage__Cluster__Port")]
    [InlineData("Usage:Cluster:ProbeSeconds", "0", "Usage__Cluster__ProbeSeconds")]
    public async Task A_wrong_option_stops_it_with_its_name(string option, string value, string named)
    {
        await using var service = await UsageService.PrepareAsync(settings: [(option, value)]);
        var refused = await Assert.ThrowsAnyAsync<Exception>(service.StartHostAsync);
        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shutdown_drains_streams_rows_and_reports_and_leaves_exact_slabs()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 100));
        await stream.AckOf("g", 1);
        await service.App.StopAsync();
        var goodbye = await stream.GoodbyeAsync();
        Assert.Equal((StatusCode.Unavailable, "draining"), (goodbye.StatusCode, When_a_generation_is_metered.Reason(goodbye)));

        Assert.Equal(100, await service.ScalarAsync<long>("select sum(tokens) from usage.report_line l join usage.report r using (shard, number) where r.published"));
        Assert.Equal(156, await service.ScalarAsync<long>("select tokens from usage.slab"));
    }

    /// <summary>The bus is the last to end: whoever else is drained for seconds, snapshots come meanwhile.</summary>
    [Fact]
    public async Task A_snapshot_that_comes_while_the_service_drains_is_what_it_begins_with_again()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        Task stopping;
        await using (await TableLock.TakeAsync(service, "usage.token_event", "share"))
        {
            await stream.SendAsync(Samples.Chunk("g", 1, 100));
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.token_event") > 0, "a row waits, and its stream with it");
            stopping = service.App.StopAsync();
            Assert.True(service.App.Lifetime.ApplicationStopping.IsCancellationRequested);
            await service.PublishAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)) with { Version = 2, Status = "cancelled" });
            await Eventually.True(async () => await VersionAsync(service) == 2, "it is stored");
            Assert.False(stopping.IsCompleted);
        }
        await stopping;
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal("subscription_cancelled", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("h", "alice") })).Deny.Reason);
        Assert.Empty(await ErrorsAsync(service));
    }

    [Fact]
    public async Task A_snapshot_that_waits_for_the_database_when_the_service_stops_goes_back_to_its_queue()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        // As a database answers that has no tables yet: it is tried again and again.
        await service.ScalarAsync<long>("alter table usage.subscription rename to subscription_away; select 1");
        await service.PublishAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 40)) with { Version = 2 });
        await Eventually.True(async () => await WaitingAsync(service, SubscriptionChangedConsumer.Queue) == 0, "it is in hand");
        await service.StopHostAsync();
        await service.ScalarAsync<long>("alter table usage.subscription_away rename to subscription; select 1");
        Assert.Equal(1u, await WaitingAsync(service, SubscriptionChangedConsumer.Queue));
        await service.StartHostAsync();
        await service.ReadyAsync();
        await Eventually.True(async () => await VersionAsync(service) == 2, "it came again");
        Assert.Empty(await ErrorsAsync(service));
    }

    [Fact]
    public async Task A_snapshot_that_cannot_be_is_kept_counted_and_named()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        await service.PublishAsync(Samples.Snapshot("alice", Samples.Hard("fortnight", 1_000)) with { Version = 2 });
        await Eventually.True(async () => (await http.GetStringAsync(new Uri("/health/ready", UriKind.Relative))).Contains("usage-subscription-changed_error", StringComparison.Ordinal), "it says so");
        Assert.Contains("fortnight", await http.GetStringAsync(new Uri("/health/ready", UriKind.Relative)), StringComparison.Ordinal);
        Assert.Contains("usage_snapshots_failed_total", await http.GetStringAsync(new Uri("/metrics", UriKind.Relative)), StringComparison.Ordinal);
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 40)) with { Version = 3 });
        Assert.Equal([2L], (await ErrorsAsync(service)).Select(e => e.Version));
    }

    /// <summary>Messages in a queue that nobody has in hand.</summary>
    private static async Task<uint> WaitingAsync(UsageService service, string queue)
    {
        await using var connection = await new RabbitMQ.Client.ConnectionFactory { Uri = service.Broker }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        return (await channel.QueueDeclarePassiveAsync(queue)).MessageCount;
    }

    private static Task<long> VersionAsync(UsageService service) => service.ScalarAsync<long>("select max(version) from usage.subscription");

    /// <summary>What lies in the queue of errors, up to a message of our own that is sent there last.</summary>
    private static async Task<IReadOnlyList<SubscriptionChanged>> ErrorsAsync(UsageService service)
    {
        var (found, last) = (new ConcurrentQueue<SubscriptionChanged>(), Samples.Snapshot("last"));
        var bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(service.Broker);
            rabbit.ReceiveEndpoint(SnapshotFaults.ErrorQueue, queue =>
            {
                queue.ConfigureConsumeTopology = false;
                queue.ConcurrentMessageLimit = 1;
                queue.Handler<SubscriptionChanged>(context =>
                {
                    found.Enqueue(context.Message);
                    return Task.CompletedTask;
                });
            });
        });
        await bus.StartAsync();
        await (await bus.GetSendEndpoint(new Uri($"queue:{SnapshotFaults.ErrorQueue}"))).Send(last);
        await Eventually.True(() => found.Any(m => m.SubscriptionId == last.SubscriptionId), "the queue of errors is read");
        await bus.StopAsync();
        return [.. found.Where(m => m.SubscriptionId != last.SubscriptionId)];
    }
}
