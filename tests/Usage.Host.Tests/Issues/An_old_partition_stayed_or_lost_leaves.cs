using Contracts.Usage.V1;
using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Usage.Host.Tests.Issues;

/// <summary>Leaves of a day were kept in one statement, before the day was locked: it could take longer than it may, and miss what was committed meanwhile.</summary>
public sealed class An_old_partition_stayed_or_lost_leaves
{
    [Fact]
    public async Task What_is_committed_while_a_day_is_being_detached_keeps_its_leaf()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        foreach (var name in new[] { "a", "b", "c" })
        {
            await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start(name, "alice") });
            await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish(name, 1) });
        }
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await service.StopHostAsync();

        await using var store = new UsageStore(Options.Create(new UsageOptions { Postgres = service.Postgres }));
        var partitions = new Partitions(store) { SliceRows = 2, LockWait = TimeSpan.FromMinutes(1) };
        Task<(IReadOnlyList<DetachedDay> Days, bool All)> detaching;
        await using (var late = new NpgsqlConnection(service.Postgres))
        {
            // A commit of a row that had waited for the database: under way when the day's leaves are looked at, done before the day is locked.
            await late.OpenAsync();
            await using var command = new NpgsqlCommand("""
                begin;
                insert into usage.token_event select generation, 2, shard, batch + 1, ordinal, subscription, period, period_end, plan, conversation, model, input, cached_input,
                  cache_creation, output, reasoning, overrun, at, received_at, content, finish, leaf from usage.token_event order by batch desc, ordinal desc limit 1;
                update usage.shard s set last_batch = last_batch + 1, reported_batch = last_batch + 1 where exists (select from usage.token_event e where e.shard = s.shard)
                """, late);
            await command.ExecuteNonQueryAsync();
            detaching = partitions.DetachBeforeAsync(Partitions.DayOf(Samples.Jan1) + 1, Samples.Jan1, CancellationToken.None);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.token_event") > 0, "the detaching waits for the commit");
            await using var commit = new NpgsqlCommand("commit", late);
            await commit.ExecuteNonQueryAsync();
        }
        var (days, all) = await detaching;
        Assert.Equal((7, true), (Assert.Single(days).Rows, all));
        Assert.Equal(7, await service.ScalarAsync<long>("select count(*) from usage.token_event_20260101 e join usage.kept_leaf k using (shard, batch, ordinal) where e.leaf = k.leaf"));
        Assert.Equal(7, await service.ScalarAsync<long>("select rows from usage.detached_partition"));
    }

    /// <summary>A straggler makes its day's table again: sums were said to be complete, though only an empty table had come back.</summary>
    [Fact]
    public async Task A_day_that_was_archived_elsewhere_is_missing_until_its_rows_are_back()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("a", "alice") });
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("a", 1) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await service.StopHostAsync();
        await using var store = new UsageStore(Options.Create(new UsageOptions { Postgres = service.Postgres }));
        var partitions = new Partitions(store) { LockWait = TimeSpan.FromMinutes(1) };
        var day = Partitions.DayOf(Samples.Jan1);

        // Its table stands there, and is attached with all its rows.
        await DetachAsync();
        await partitions.EnsureAsync([day], CancellationToken.None);
        Assert.Equal(0, await MissingAsync());
        await DetachAsync();
        Assert.Equal(2, await MissingAsync());

        await service.ScalarAsync<long>("create table usage.archived as select * from usage.token_event_20260101; drop table usage.token_event_20260101, usage.generation_20260101; select 1");
        for (var time = 0; time < 2; time++)
        {
            await partitions.EnsureAsync([day], CancellationToken.None);
            Assert.Equal(2, await MissingAsync());
            await DetachAsync();
            Assert.Equal(2, await MissingAsync());
        }

        // Somebody brings it back.
        await service.ScalarAsync<long>("insert into usage.token_event_20260101 select * from usage.archived; select 1");
        await partitions.EnsureAsync([day], CancellationToken.None);
        Assert.Equal(0, await MissingAsync());

        async Task DetachAsync() => Assert.Single((await partitions.DetachBeforeAsync(day + 1, Samples.Jan1, CancellationToken.None)).Days);
        Task<long> MissingAsync() => service.ScalarAsync<long>("select coalesce(sum(rows), 0)::bigint from usage.detached_partition where last_received_at is not null");
    }

    [Fact]
    public async Task Leases_end_while_an_old_day_takes_long_to_detach()
    {
        await using var service = await UsageService.StartAsync(("Usage:RetentionDays", "1"), ("Usage:LeaseSeconds", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("old", "alice") });
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("old", 1) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await using (await TableLock.TakeAsync(service, "usage.kept_leaf", "exclusive"))
        {
            Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddDays(8)));
            await Eventually.True(async () => await WaiterAsync() > 0, "the day's leaves are being kept");
            var waiter = await WaiterAsync();
            await using var stream = new RuntimeStream(service.Meter);
            var start = Samples.Start("g", "alice");
            start.GenerationId = Samples.GenerationId("g", Samples.Jan1.AddDays(8));
            await stream.SendAsync(start);
            await stream.Answer(f => f.Stop, s => s.Reason == "grant_expired");
            Assert.Equal(waiter, await WaiterAsync()); // still the same attempt: nothing was broken off
        }
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.detached_partition where day = '2026-01-01'") == 1, "the day is detached");
        Assert.Equal(2, await service.ScalarAsync<long>("select count(*) from usage.kept_leaf"));

        // Who waits, and since when.
        Task<long> WaiterAsync() => service.ScalarAsync<long>("""
            select coalesce(max((extract(epoch from a.query_start) * 1000000)::bigint), 0) from pg_locks l join pg_stat_activity a using (pid)
            where a.datname = current_database() and l.relation = 'usage.kept_leaf'::regclass and not l.granted
            """);
    }
}
