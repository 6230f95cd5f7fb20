using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Ledger;
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

    /// <summary>Whoever had waited for the lock opened another connection to end it, which may never come where all wait; and the wait had to be shorter than a command may take.</summary>
    [Fact]
    public async Task U3_one_that_is_silent_in_the_middle_of_its_rows_is_ended_through_the_connection_that_waited_for_it()
    {
        await using var service = await UsageService.StartAsync();
        await service.StopHostAsync();
        await using var frozen = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(service.Postgres) { Pooling = false }.ConnectionString);
        await frozen.OpenAsync();
        await using (var command = new NpgsqlCommand("begin; select shard from usage.shard where shard = 0 for no key update", frozen)) await command.ExecuteNonQueryAsync();
        var rows = await frozen.BeginBinaryImportAsync("copy usage.kept_leaf from stdin (format binary)");

        var options = Options.Create(new UsageOptions
        {
            Postgres = new NpgsqlConnectionStringBuilder(service.Postgres) { MaxPoolSize = 1, Timeout = 2, CommandTimeout = 2 }.ConnectionString, TransactionIdleSecondsMax = 3,
        });
        await using var store = new UsageStore(options);
        var holders = new ShardHolders(store, options, NullLogger<ShardHolders>.Instance);
        var (before, taken) = (await holders.EpochAsync(0, CancellationToken.None), (long?)null);
        await Eventually.True(async () => (taken = await holders.TakeAsync(0, "another", _ => false, CancellationToken.None)) is not null, "the shard is taken");
        Assert.Equal(before + 1, taken);
        Assert.True(StoreFailure.Is(await Assert.ThrowsAnyAsync<NpgsqlException>(async () => await rows.CompleteAsync())), "whoever thaws has written nothing");
    }
}
