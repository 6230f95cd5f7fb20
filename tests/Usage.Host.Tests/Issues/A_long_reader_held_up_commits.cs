using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// While somebody read the table for long, as a backup does, a day past the retention was tried to be detached again and again, and commits queued
/// behind each attempt for two seconds.
/// </summary>
public sealed class A_long_reader_held_up_commits
{
    private const int Calls = 20;

    [Fact]
    public async Task An_old_day_that_is_being_read_is_tried_seldom_and_detached_when_the_reader_is_done()
    {
        await using var service = await StartAsync();
        var log = new Attempts();
        // As another instance has it: each tries by itself.
        var housekeeping = ActivatorUtilities.CreateInstance<Housekeeping>(service.App.Services, log, ActivatorUtilities.CreateInstance<Partitions>(service.App.Services));
        await using (await TableLock.TakeAsync(service, "usage.token_event", "access share"))
        {
            Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddDays(8)));
            await using var stream = new RuntimeStream(service.Meter);
            var start = Samples.Start("g", "alice");
            start.GenerationId = Samples.GenerationId("g", Samples.Jan1.AddDays(8));
            await stream.SendAsync(start);
            for (var call = 1; call <= Calls; call++)
            {
                await housekeeping.DetachAsync(CancellationToken.None);
                await stream.SendAsync(new Chunk { GenerationId = start.GenerationId, Sequence = call, Tokens = new TokenCounts { Output = call } });
                await stream.Answer(f => f.Ack, a => a.GenerationId == start.GenerationId && a.Sequence == call);
            }
            Assert.Equal(1, log.Count);
            Assert.Equal(0, await service.ScalarAsync<long>("select count(*) from usage.detached_partition"));
        }
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.detached_partition where day = '2026-01-01'") == 1, "the day is detached");
        Assert.Equal(2, await service.ScalarAsync<long>("select rows from usage.detached_partition where day = '2026-01-01'"));
        Assert.Equal(2, await service.ScalarAsync<long>("select count(*) from usage.kept_leaf"));
    }

    [Fact]
    public async Task The_next_attempt_goes_on_from_the_leaves_that_are_kept()
    {
        await using var service = await StartAsync();
        await service.StopHostAsync();
        await using var store = new UsageStore(Options.Create(new UsageOptions { Postgres = service.Postgres }));
        var partitions = new Partitions(store);
        await using (await TableLock.TakeAsync(service, "usage.token_event", "access share"))
            Assert.Equal(PostgresErrorCodes.LockNotAvailable, (await Assert.ThrowsAsync<PostgresException>(() => DetachAsync(partitions))).SqlState);
        // Whoever read the day again would keep them again.
        Assert.Equal(2, await service.ScalarAsync<long>("with gone as (delete from usage.kept_leaf returning 1) select count(*) from gone"));
        Assert.Equal(2, Assert.Single((await DetachAsync(partitions)).Days).Rows);
        Assert.Equal(0, await service.ScalarAsync<long>("select count(*) from usage.kept_leaf"));
    }

    private static Task<(IReadOnlyList<DetachedDay> Days, bool All)> DetachAsync(Partitions partitions) =>
        partitions.DetachBeforeAsync(Partitions.DayOf(Samples.Jan1) + 1, Samples.Jan1, CancellationToken.None);

    /// <summary>With two rows of one day, reported.</summary>
    private static async Task<UsageService> StartAsync()
    {
        var service = await UsageService.StartAsync(("Usage:RetentionDays", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("old", "alice") });
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("old", 1) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        return service;
    }

    /// <summary>How often an attempt was given up.</summary>
    private sealed class Attempts : ILogger<Housekeeping>
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).StartsWith("an old partition is in use", StringComparison.Ordinal)) Count++;
        }
    }
}
