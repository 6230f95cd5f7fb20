using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Tests.Issues;

/// <summary>A process that is frozen, or whose network is gone, closes no connection: PostgreSQL kept its locks for as long as TCP does, which is hours.</summary>
public sealed class A_frozen_instance_kept_its_shard_shut
{
    [Fact]
    public async Task U3_its_transaction_is_ended_and_what_waits_for_the_shard_is_committed()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.AckOf("g", 0);

        await using var frozen = await service.App.Services.GetRequiredService<UsageStore>().DataSource.OpenConnectionAsync();
        await using var transaction = await frozen.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("select shard from usage.shard for no key update", frozen)) await command.ExecuteNonQueryAsync();
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        await stream.AckOf("g", 1);
        Assert.True(StoreFailure.Is(await Assert.ThrowsAnyAsync<NpgsqlException>(() => transaction.CommitAsync())), "whoever thaws waits and tries again");
        await LedgerChecks.HoldAsync(service);
    }
}
