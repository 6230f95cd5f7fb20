using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace LocalServers;

/// <summary>
/// A PostgreSQL server seen through its superuser: makes databases that have the product's schemas and roles, by the statements of
/// deploy/postgres. The roles' passwords are derived from the superuser's, so every process that knows the one knows the others.
/// </summary>
public sealed partial class PostgresCluster(string superuserConnectionString)
{
    /// <summary>How long a connection may take: a machine that has more to do than it can makes it late, and late is better than failed.</summary>
    internal const int ConnectSeconds = 60;

    private const long RolesLock = 0x62696c6c;

    public string SuperuserConnectionString { get; } = superuserConnectionString;

    /// <summary>A new, empty database with a schema per service. The name must not exist yet.</summary>
    public async Task<ServiceDatabase> CreateDatabaseAsync(string name, CancellationToken cancel = default)
    {
        await using (var server = await OpenAsync(new NpgsqlConnectionStringBuilder(SuperuserConnectionString) { Pooling = false }, cancel))
        {
            await CreateRolesAsync(server, cancel);
            // template0, for nobody can be connected to it, and a template in use cannot be copied. The encoding is said, for a server that was
            // made without a locale has another one, in which JSON with an umlaut cannot be stored.
            await ExecuteAsync(
                server, $"CREATE DATABASE {Quoted(name)} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", cancel);
        }
        await using var database = await OpenAsync(new NpgsqlConnectionStringBuilder(SuperuserConnectionString) { Database = name, Pooling = false }, cancel);
        await ExecuteAsync(database, Statements("schemas.sql"), cancel);
        return new ServiceDatabase(name, new NpgsqlConnectionStringBuilder(SuperuserConnectionString), Password);
    }

    /// <summary>Makes a database one that can be copied: whoever is connected to it is sent away, and nobody is let in again.</summary>
    public async Task ShutDatabaseAsync(ServiceDatabase database, CancellationToken cancel = default)
    {
        await using var server = await OpenAsync(new NpgsqlConnectionStringBuilder(SuperuserConnectionString) { Pooling = false }, cancel);
        await ExecuteAsync(server, $"ALTER DATABASE {Quoted(database.Name)} ALLOW_CONNECTIONS false", cancel);
        await using var sendAway = new NpgsqlCommand("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", server) { Parameters = { new() { Value = database.Name } } };
        await sendAway.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>A new database with all that another one of this server has, which was shut before.</summary>
    public async Task<ServiceDatabase> CopyDatabaseAsync(ServiceDatabase from, string name, CancellationToken cancel = default)
    {
        await using var server = await OpenAsync(new NpgsqlConnectionStringBuilder(SuperuserConnectionString) { Pooling = false }, cancel);
        await ExecuteAsync(server, $"CREATE DATABASE {Quoted(name)} TEMPLATE {Quoted(from.Name)}", cancel);
        return new ServiceDatabase(name, new NpgsqlConnectionStringBuilder(SuperuserConnectionString), Password);
    }

    private async Task CreateRolesAsync(NpgsqlConnection server, CancellationToken cancel)
    {
        // Roles belong to the server, not to a database, and several processes may come here at once.
        await using var transaction = await server.BeginTransactionAsync(cancel);
        await ExecuteAsync(server, $"SELECT pg_advisory_xact_lock({RolesLock})", cancel);
        await using (var exists = new NpgsqlCommand("SELECT count(*) FROM pg_roles WHERE rolname = 'billing_auditor'", server))
            if (await exists.ExecuteScalarAsync(cancel) is > 0L) return;
        await ExecuteAsync(server, PasswordVariable().Replace(Statements("roles.sql"), variable => $"'{Password(variable.Groups[1].Value)}'"), cancel);
        await transaction.CommitAsync(cancel);
    }

    private string Password(string role)
    {
        var key = Encoding.UTF8.GetBytes(new NpgsqlConnectionStringBuilder(SuperuserConnectionString).Password ?? "");
        return Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(role)))[..32];
    }

    internal static string Quoted(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static string Statements(string resource)
    {
        using var reader = new StreamReader(typeof(PostgresCluster).Assembly.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }

    private static async Task<NpgsqlConnection> OpenAsync(NpgsqlConnectionStringBuilder to, CancellationToken cancel)
    {
        var connection = new NpgsqlConnection(to.ConnectionString);
        await connection.OpenAsync(cancel);
        return connection;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>psql's way to write a variable as a literal, in the only form that deploy/postgres uses.</summary>
    [GeneratedRegex(@":'(\w+)_password'")]
    private static partial Regex PasswordVariable();
}

/// <summary>One database with the schemas of all services: each gets in by its own role, and sees its own schema only.</summary>
public sealed class ServiceDatabase
{
    /// <summary>Connections a pool may open: three services, their tests and an auditor must fit into one server's 200.</summary>
    private const int PoolSizeMax = 20;
    private const int IdleSeconds = 15, PruningSeconds = 5;

    private readonly NpgsqlConnectionStringBuilder _server;
    private readonly Func<string, string> _password;

    internal ServiceDatabase(string name, NpgsqlConnectionStringBuilder server, Func<string, string> password) =>
        (Name, _server, _password) = (name, server, password);

    public string Name { get; }

    /// <summary>Npgsql connection string of a role: plan_design, usage, billing or billing_auditor.</summary>
    public string ConnectionString(string role) => new NpgsqlConnectionStringBuilder
    {
        Host = _server.Host, Port = _server.Port, Database = Name, Username = role, Password = _password(role),
        MaxPoolSize = PoolSizeMax, ConnectionIdleLifetime = IdleSeconds, ConnectionPruningInterval = PruningSeconds, Timeout = PostgresCluster.ConnectSeconds, CommandTimeout = 60, IncludeErrorDetail = true,
    }.ConnectionString;

    /// <summary>The server's superuser, in this database: for tests that look at everything at once, never for a service.</summary>
    public string SuperuserConnectionString => new NpgsqlConnectionStringBuilder(_server.ConnectionString)
    {
        Database = Name, MaxPoolSize = PoolSizeMax, ConnectionIdleLifetime = IdleSeconds, ConnectionPruningInterval = PruningSeconds,
    }.ConnectionString;

    /// <summary>Removes it, whoever is connected. That it is gone already is no error.</summary>
    public async Task DropAsync()
    {
        await using var server = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Pooling = false }.ConnectionString);
        await server.OpenAsync();
        await using var drop = new NpgsqlCommand($"DROP DATABASE IF EXISTS {PostgresCluster.Quoted(Name)} WITH (FORCE)", server);
        await drop.ExecuteNonQueryAsync();
    }
}
