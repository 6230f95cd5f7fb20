using Contracts.Usage.V1;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Usage.Host.Owners;

namespace Usage.Host.Tests;

public sealed class When_the_database_fails : IAsyncLifetime
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
}
