using Npgsql;

namespace Usage.Host.Tests;

/// <summary>A table that somebody else holds: to whoever needs it the database is slow, and answers everything else.</summary>
public sealed class TableLock : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;

    private TableLock(NpgsqlConnection connection) => _connection = connection;

    /// <param name="mode">as PostgreSQL calls it: "share" lets others read, "access exclusive" does not</param>
    public static async Task<TableLock> TakeAsync(UsageService service, string table, string mode)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(service.Postgres) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"begin; lock table {table} in {mode} mode", connection);
        await command.ExecuteNonQueryAsync();
        return new TableLock(connection);
    }

    /// <summary>How many wait for a table, in the service's database.</summary>
    public static Task<long> WaitersAsync(UsageService service, string table) => service.ScalarAsync<long>($"""
        select count(*) from pg_locks l join pg_database d on d.oid = l.database where d.datname = current_database() and l.relation = '{table}'::regclass and not l.granted
        """);

    /// <summary>Lets go of it.</summary>
    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
