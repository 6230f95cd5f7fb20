using Contracts.Usage.V1;
using Grpc.Core;
using Hosting;
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
}
