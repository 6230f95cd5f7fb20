using Npgsql;

namespace LocalServers.Tests;

public sealed class PrivatePostgresTests(PrivatePostgresTests.Server server) : IClassFixture<PrivatePostgresTests.Server>
{
    public sealed class Server : IAsyncLifetime
    {
        private ServerFolder _folder = null!;
        public PrivatePostgres Postgres { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            _folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), "billing-local-servers-tests"));
            Postgres = await PrivatePostgres.StartAsync(_folder);
        }

        public async Task DisposeAsync()
        {
            await Postgres.DisposeAsync();
            await _folder.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_commit_waits_for_the_disk() =>
        Assert.Equal("on", await AskAsync(server.Postgres.Cluster.SuperuserConnectionString, "SHOW fsync"));

    [Theory]
    [InlineData("plan_design"), InlineData("usage"), InlineData("billing")]
    public async Task A_service_writes_its_own_schema_and_cannot_read_the_others(string role)
    {
        var database = await server.Postgres.CreateDatabaseAsync($"own_{role}");
        string[] roles = ["plan_design", "usage", "billing"];
        foreach (var owner in roles)
            await DoAsync(database.ConnectionString(owner), "CREATE TABLE secret (value int); INSERT INTO secret VALUES (1)");

        Assert.Equal(1, await AskAsync(database.ConnectionString(role), "SELECT value FROM secret"));
        foreach (var other in roles.Where(other => other != role))
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => DoAsync(database.ConnectionString(role), $"SELECT * FROM \"{other}\".secret"));
            Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
        }
    }

    [Fact]
    public async Task The_auditor_reads_what_billing_creates_later_and_writes_nothing()
    {
        var database = await server.Postgres.CreateDatabaseAsync("audited");
        var auditor = database.ConnectionString("billing_auditor");
        await DoAsync(database.ConnectionString("billing"), "CREATE TABLE history (event int); INSERT INTO history VALUES (7)");
        await DoAsync(database.ConnectionString("usage"), "CREATE TABLE token_event (event int)");

        Assert.Equal(7, await AskAsync(auditor, "SELECT event FROM history"));
        await Assert.ThrowsAsync<PostgresException>(() => DoAsync(auditor, "SET default_transaction_read_only = off; INSERT INTO billing.history VALUES (8)"));
        await Assert.ThrowsAsync<PostgresException>(() => DoAsync(auditor, "SELECT * FROM \"usage\".token_event"));
    }

    [Fact]
    public async Task A_killed_server_comes_back_on_its_port_with_what_was_committed()
    {
        var database = await server.Postgres.CreateDatabaseAsync("killed");
        var (billing, port) = (database.ConnectionString("billing"), server.Postgres.Port);
        await DoAsync(billing, "CREATE TABLE kept (value int); INSERT INTO kept VALUES (42)");

        server.Postgres.Kill();
        NpgsqlConnection.ClearAllPools();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => DoAsync(billing, "SELECT 1"));
        await server.Postgres.RestartAsync();

        Assert.Equal(port, server.Postgres.Port);
        Assert.Equal(42, await AskAsync(billing, "SELECT value FROM kept"));
    }

    private static async Task DoAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> AskAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
