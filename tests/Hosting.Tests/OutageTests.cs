using Contracts.PlanDesign.V1;
using Grpc.Core;
using LocalServers;
using Npgsql;

namespace Hosting.Tests;

/// <summary>A database and a broker of the test's own, which it may kill.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private ServerFolder _folder = null!;
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"billing-tests-{Environment.UserName}");

    public async Task InitializeAsync() => _folder = await ServerFolder.CreateAsync(_root);
    public async Task DisposeAsync() => await _folder.DisposeAsync();

    private static async Task<(StatusCode, string)> Drop(TestHost host, string coin)
    {
        try
        {
            await host.Jars.RetireMenuAsync(new RetireMenuRequest { MenuId = "o1", Reason = coin });
            return (StatusCode.OK, "");
        }
        catch (RpcException e)
        {
            return TestHost.Why(e);
        }
    }

    [Fact]
    public async Task A_service_starts_without_database_and_broker_and_says_what_it_waits_for()
    {
        var nobody = Ports.Free(2);
        await using var host = await TestHost.StartAsync(
            $"Host=127.0.0.1;Port={nobody[0]};Username=billing;Password=x;Database=billing", $"amqp://guest:guest@127.0.0.1:{nobody[1]}/");
        await Eventually.True(async () => (await host.ReadyAsync()).Body.Contains("Failed to connect", StringComparison.Ordinal), "the cause is told");
        Assert.Equal(503, (await host.ReadyAsync()).Status);
        Assert.Equal("live\n", await host.Http.GetStringAsync(new Uri("/health/live", UriKind.Relative)));
        Assert.Equal((StatusCode.Unavailable, "store_unavailable"), await Drop(host, "a"));
    }

    /// <summary>Under Docker the name of a container is unknown while that is down, and the driver says so by an exception that is not its own.</summary>
    [Fact]
    public async Task A_database_whose_name_is_unknown_is_one_that_does_not_answer()
    {
        const string nowhere = "Host=no-such-host.invalid;Username=billing;Password=x;Database=billing";
        await using var connection = new NpgsqlConnection(nowhere);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => connection.OpenAsync());
        Assert.True(StoreFailure.Is(e), $"{e}");
        await using var host = await TestHost.StartAsync(nowhere, "amqp://guest:guest@127.0.0.1:1/");
        await Eventually.True(async () => (await host.ReadyAsync()).Body.Contains(StoreFailure.Cause(e), StringComparison.Ordinal), "the cause is told");
        Assert.Equal((StatusCode.Unavailable, "store_unavailable"), await Drop(host, "a"));
    }

    [Fact]
    public async Task A_database_that_dies_and_returns_is_noticed_both_times()
    {
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        var database = await postgres.CreateDatabaseAsync("outage");
        await using var host = await TestHost.StartAsync(database.ConnectionString("billing"), "amqp://guest:guest@127.0.0.1:1/");
        await host.IsReadyAsync();
        Assert.Equal((StatusCode.OK, ""), await Drop(host, "a"));

        postgres.Kill();
        await Eventually.True(async () => (await host.ReadyAsync()).Status == 503, "the service is not ready without its database");
        Assert.Equal((StatusCode.Unavailable, "store_unavailable"), await Drop(host, "b"));
        // It must not say "ready" in between: look often, across several of its retries.
        var flapped = 0;
        await Eventually.True(async () => { if ((await host.ReadyAsync()).Status == 200) flapped++; return ++_looks > 150; }, "we looked often enough");
        Assert.Equal(0, flapped);

        await postgres.RestartAsync();
        await host.IsReadyAsync();
        Assert.Equal((StatusCode.OK, ""), await Drop(host, "b"));
    }

    private int _looks;
}
