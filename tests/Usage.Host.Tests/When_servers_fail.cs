using System.Diagnostics;
using Contracts.Usage.V1;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Usage.Host.Owners;
using Xunit.Abstractions;

namespace Usage.Host.Tests;

public sealed class When_servers_fail(ITestOutputHelper output) : IAsyncLifetime
{
    private ServerFolder _folder = null!;

    public async Task InitializeAsync() => _folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), "billing-usage-tests"));
    public async Task DisposeAsync() => await _folder.DisposeAsync();

    [Fact]
    public async Task U3_U4_U5_hold_when_PostgreSQL_is_killed_in_the_middle()
    {
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        await using var service = await UsageService.PrepareAsync(await postgres.CreateDatabaseAsync("usage_test"), settings: [("Usage:ReportIntervalMs", "20"), ("Usage:RowsWaitingMax", "100")]);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        string[] generations = [.. Enumerable.Range(0, 20).Select(n => $"g{n}")];
        foreach (var g in generations) await stream.SendAsync(Samples.Start(g, "alice", g, input: 1));
        foreach (var g in generations) await stream.GrantOf(g);

        // Small messages without a pause, so that the kill meets commits at every stage.
        const int chunks = 100;
        for (var n = 1; n <= chunks; n++)
        {
            await stream.SendAsync([.. generations.Select(g => new RuntimeFrame { Chunk = Samples.Chunk(g, n, n) })]);
            if (n is 30 or 70)
            {
                await stream.AckOf(generations[0], n / 2);
                postgres.Kill();
                await postgres.RestartAsync();
            }
        }
        foreach (var g in generations) await stream.SendAsync(Samples.Finish(g, chunks + 1));
        foreach (var g in generations) Assert.True((await stream.AckOf(g, chunks + 1)).Finished);

        Assert.Equal(20 * chunks, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        Assert.Equal(20 * (chunks + 2), await service.ScalarAsync<long>("select count(*) from usage.token_event"));
        Assert.Equal(20 * chunks, await service.ScalarAsync<long>("select sum(output) from usage.period_total"));
        Assert.DoesNotContain(stream.Answers, f => f.Rejection is not null);
        await LedgerChecks.HoldAsync(service);
        await service.ReadyAsync();
    }

    /// <summary>A silo asks its table again and again while it starts. The one that gave up once went on asking nobody, without a pause, beside the one that joined.</summary>
    [Fact]
    public async Task An_instance_whose_database_dies_while_it_joins_the_others_joins_them_when_it_is_back()
    {
        // A port that is said, as it is by default: what gave up has to let go of it.
        (string, string)[] clustered = [("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Port", $"{Ports.Free(1)[0]}"), ("Usage:Cluster:Address", "127.0.0.1")];
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        var database = await postgres.CreateDatabaseAsync("usage_test");
        await using (var before = await UsageService.PrepareAsync(database, settings: clustered))
        {
            await before.ListenAsync();
            await before.StartHostAsync();
            await before.ReadyAsync();
        }
        await using var service = await UsageService.PrepareAsync(database, settings: clustered);
        await service.ListenAsync();
        var (process, address) = service.Apart();
        await using var _ = process;
        await using (await TableLock.TakeAsync(service, "usage.cluster", "access exclusive"))
        {
            await process.StartAsync();
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.cluster") > 0, "it is joining");
            postgres.Kill();
        }
        await postgres.RestartAsync();
        await process.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        using var channel = GrpcChannel.ForAddress(address);
        Assert.NotNull((await new TokenMeter.TokenMeterClient(channel).AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Grant);
        await process.RestsAsync();
    }

    /// <summary>As in the middle of a failover, when its name leads to a standby for a moment.</summary>
    [Fact]
    public async Task A_database_that_only_reads_for_a_while_ends_nothing()
    {
        var database = await Servers.CreateDatabaseAsync();
        await using var service = await UsageService.PrepareAsync(database);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var superuser = new NpgsqlConnection(database.SuperuserConnectionString);
        await superuser.OpenAsync();
        await ExecuteAsync($"alter role usage in database {database.Name} set default_transaction_read_only = on");
        await ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'usage' and datname = current_database()");
        // Its grant waits for a slab that cannot be written, unless it met a connection that was ended: then it is asked for again.
        var granting = AuthorizeAsync();
        var owners = service.App.Services.GetRequiredService<OwnerDirectory>();
        await Eventually.True(() =>
        {
            if (granting.IsCompleted) granting = AuthorizeAsync();
            return owners.SlabWait > TimeSpan.FromSeconds(1);
        }, "it has been tried for a while");
        await ExecuteAsync($"alter role usage in database {database.Name} reset default_transaction_read_only");
        await ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'usage' and datname = current_database()");
        await Eventually.True(async () => ((await granting).Grant ?? (await AuthorizeAsync()).Grant) is not null, "it is granted");
        Assert.False(service.App.Lifetime.ApplicationStopping.IsCancellationRequested);

        Task<AuthorizeResponse> AuthorizeAsync() => service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") }).ResponseAsync;

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, superuser);
            await command.ExecuteNonQueryAsync();
        }
    }

    [Fact]
    public async Task The_service_starts_without_a_database_says_so_and_serves_once_it_answers()
    {
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        var database = await postgres.CreateDatabaseAsync("usage_test");
        postgres.Kill();
        await using var service = await UsageService.PrepareAsync(database);
        await service.ListenAsync();
        await service.StartHostAsync();
        var readiness = service.App.Services.GetRequiredService<Readiness>();
        Assert.True(readiness.Waiting.ContainsKey("postgres"));
        var refused = await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") }));
        Assert.Equal((Grpc.Core.StatusCode.Unavailable, "store_unavailable"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));

        await postgres.RestartAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Grant);

        postgres.Kill();
        await Eventually.True(() => !readiness.IsReady, "the service notices that the database is gone");
        Assert.Equal("store_unavailable", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("h", "alice") })).Deny.Reason);
        await postgres.RestartAsync();
        await service.ReadyAsync();
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("h", "alice") })).Grant);
    }

    [Fact]
    public async Task A_broker_that_is_down_delays_reports_and_loses_none()
    {
        await using var rabbit = await PrivateRabbitMq.StartAsync(_folder);
        await using var service = await UsageService.PrepareAsync(broker: rabbit.Uri(), settings: ("Usage:ReportIntervalMs", "10"));
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        rabbit.Kill();

        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        // As many reports as a shard cuts in two minutes: more than are read, published and marked at once.
        const int reports = 240;
        for (var n = 1; n <= reports; n++)
        {
            await stream.SendAsync(Samples.Chunk("g", n, n));
            await stream.AckOf("g", n);
            await service.Ledger.GetHeadsAsync(new GetHeadsRequest()); // when it answers, a report was cut
        }
        Assert.True(await service.ScalarAsync<long>("select count(*) from usage.report where not published") >= reports);
        await rabbit.RestartAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(reports, service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
        Assert.Equal(service.Arrivals.Order(), service.Arrivals);
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.report where not published") == 0, "all reports are marked");
    }

    [Fact]
    public async Task What_eight_shards_cut_without_a_broker_is_published_in_order_when_it_is_back()
    {
        const int shards = 8, reportsEach = 720;
        await using var rabbit = await PrivateRabbitMq.StartAsync(_folder);
        await using var service = await UsageService.PrepareAsync(broker: rabbit.Uri());
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        rabbit.Kill();
        await service.ScalarAsync<long>($"""
            insert into usage.batch (shard, number, row_count, root, previous_chain, chain, committed_at)
            select s, n, 0, sha256(convert_to(s || 'root' || n, 'UTF8')), sha256(convert_to(s || 'chain' || n - 1, 'UTF8')), sha256(convert_to(s || 'chain' || n, 'UTF8')), now()
            from generate_series(0, {shards - 1}) s, generate_series(1, {reportsEach}) n;
            insert into usage.report (shard, number, first_batch, last_batch, previous_chain, chain, recorded_at)
            select shard, number, number, number, previous_chain, chain, committed_at from usage.batch;
            insert into usage.report_line (shard, number, subscription, period, period_end, plan, kind, tokens)
            select r.shard, r.number, gen_random_uuid(), gen_random_uuid(), '{Samples.Feb1:O}', gen_random_uuid(), 'output', r.number from usage.report r;
            update usage.shard set last_batch = {reportsEach}, last_report = {reportsEach}, reported_batch = {reportsEach};
            select 1
            """);
        var since = Stopwatch.StartNew();
        await rabbit.RestartAsync();
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.report where not published") == 0, "all reports are marked", TimeSpan.FromMinutes(5));
        var published = since.Elapsed;
        await Eventually.True(() => service.Reports.Count == shards * reportsEach, "all reports have come", TimeSpan.FromMinutes(5));
        // At two reports a second a shard cuts so many in six minutes.
        output.WriteLine($"{shards * reportsEach} reports, {reportsEach} of each shard, were published {published.TotalSeconds:0.0} s after the broker was started again, and heard after {since.Elapsed.TotalSeconds:0.0} s");
        foreach (var shard in service.ArrivalsOfShards.GroupBy(a => a.Shard, a => a.Number))
            Assert.Equal(Enumerable.Range(1, reportsEach).Select(n => (long)n), shard.Distinct());
        Assert.Equal(shards * (reportsEach * (reportsEach + 1L) / 2), service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
    }

    [Fact]
    public async Task Customers_are_warned_while_no_queue_takes_reports()
    {
        await using var service = await UsageService.PrepareAsync();
        await service.ListenAsync(billing: false);
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000, "input")));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 600) });
        await Eventually.True(() => service.Thresholds.Values.Any(t => t is { Threshold: "percent_50", UsedTokens: 600 }), "the warning goes out");
        Assert.Empty(service.Reports);
        await service.ForgetListenerAsync();
        await service.ListenAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(600, service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
    }

    [Fact]
    public async Task A_report_that_no_queue_takes_is_published_again_until_one_does()
    {
        await using var service = await UsageService.PrepareAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.App.Services.GetRequiredService<Owners.TermsSource>().StoreAsync(Owners.SnapshotTerms.Of(Samples.Snapshot("alice")), CancellationToken.None);
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 9) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await service.ListenAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(9, service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
    }
}
