using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Usage.Host.Store;

/// <summary>The database asks for something that another configuration made: said once, and the service stops.</summary>
public sealed class StoreMismatchException(string message) : Exception(message);

/// <summary>The schema "usage": its connections, and its migrations in order, each applied once.</summary>
public sealed class UsageStore(IOptions<UsageOptions> options) : IAsyncDisposable
{
    // Any number that no one else uses: two instances must not migrate at once.
    private const long MigrationLock = 0x7573_6167_65;

    public NpgsqlDataSource DataSource { get; } = Build(options.Value);

    public ValueTask DisposeAsync() => DataSource.DisposeAsync();

    /// <summary>Brings the schema up to date and fixes the number of shards at first start.</summary>
    /// <exception cref="StoreMismatchException">The database was made for another number of shards, or by newer code.</exception>
    public async Task MigrateAsync(CancellationToken ct)
    {
        await using var connection = await DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await Execute(connection, $"select pg_advisory_xact_lock({MigrationLock})", ct);
        await Execute(connection, """
            do $$ begin
              if to_regnamespace('usage') is null then create schema usage; end if;
            end $$;
            create table if not exists usage.schema_version (version integer primary key, name text not null, applied_at timestamptz not null default now())
            """, ct);
        var applied = Convert.ToInt32(await Scalar(connection, "select coalesce(max(version), 0) from usage.schema_version", ct), CultureInfo.InvariantCulture);
        var migrations = Migrations();
        if (applied > migrations.Count)
            throw new StoreMismatchException($"the schema usage is at version {applied}, this program knows {migrations.Count}: start the newer program");
        for (var version = applied + 1; version <= migrations.Count; version++)
        {
            // An index over weeks of rows takes its time: a migration that is cut short would begin again for ever.
            await using (var migration = new NpgsqlCommand(migrations[version - 1].Sql, connection) { CommandTimeout = 0 }) await migration.ExecuteNonQueryAsync(ct);
            await Execute(connection, "insert into usage.schema_version (version, name) values ($1, $2)", ct, version, migrations[version - 1].Name);
        }
        await FixShards(connection, ct);
        await transaction.CommitAsync(ct);
    }

    private async Task FixShards(NpgsqlConnection connection, CancellationToken ct)
    {
        var shards = options.Value.Shards;
        await Execute(connection, "insert into usage.setting (name, value) values ('shards', $1) on conflict do nothing", ct, shards.ToString(CultureInfo.InvariantCulture));
        var stored = int.Parse((string)(await Scalar(connection, "select value from usage.setting where name = 'shards'", ct))!, CultureInfo.InvariantCulture);
        if (stored != shards)
            throw new StoreMismatchException($"this database was first used with Usage__Shards={stored} and cannot become {shards}: set Usage__Shards={stored}");
        await Execute(connection, """
            insert into usage.shard (shard, chain, reported_chain) select n, $2, $2 from generate_series(0, $1 - 1) n on conflict do nothing
            """, ct, shards, MerkleTree.EmptyRoot);
    }

    private static List<(string Name, string Sql)> Migrations()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var migrations = new List<(string, string)>();
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            migrations.Add((name, reader.ReadToEnd()));
        }
        return migrations;
    }

    /// <param name="connectionsMax">instead of as many as the connection string says</param>
    internal static NpgsqlDataSource Build(UsageOptions options, int? connectionsMax = null)
    {
        var builder = new NpgsqlDataSourceBuilder(options.Postgres);
        if (connectionsMax is { } max) (builder.ConnectionStringBuilder.MinPoolSize, builder.ConnectionStringBuilder.MaxPoolSize) = (0, max);
        builder.ConnectionStringBuilder.ApplicationName ??= "usage";
        // A process that is frozen, or whose machine or network is gone, may hold the lock of a shard: PostgreSQL ends its transaction, so that another instance can take the shard.
        builder.ConnectionStringBuilder.Options ??= $"-c idle_in_transaction_session_timeout={options.TransactionIdleSecondsMax}s -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30s";
        // Statements are not prepared behind our back: after an error in a batch that prepares some, the driver may read one statement's rows as another's.
        builder.ConnectionStringBuilder.MaxAutoPrepare = 0;
        // Nothing is left in a connection that would have to be reset when it goes back to the pool, and a reset would forget every plan with it.
        builder.ConnectionStringBuilder.NoResetOnClose = true;
        // Every type in the schema is PostgreSQL's own: the catalogue need not be asked for others.
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }

    internal static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = Command(connection, sql, parameters);
        await command.ExecuteNonQueryAsync(ct);
    }

    internal static async Task<object?> Scalar(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = Command(connection, sql, parameters);
        return await command.ExecuteScalarAsync(ct);
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }
}
