using System.Diagnostics.Metrics;
using JasperFx.Events.Daemon;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hosting;

/// <summary>
/// Brings the schema up to date, then runs the projection daemon on the one instance that holds the advisory lock and its lease. It starts
/// without a database and waits for one; when the lock's connection is lost the daemon stops before another one starts.
/// </summary>
public sealed class ElectedDaemon(IDocumentStore store, StoreConnection place, DaemonLease lease, Readiness readiness, IMeterFactory meters, ILogger<ElectedDaemon> log) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private const string Database = "database";
    private readonly StoppedShards _stopped = new(readiness, meters, log);

    /// <summary>Until the end of the transaction no daemon can be elected. False where one runs; the transaction is of no use then.</summary>
    /// <remarks>One that has just stopped may hold the lock for another moment, until the server has seen its connection close.</remarks>
    public static async Task<bool> TryKeepOutAsync(NpgsqlConnection connection, string schema, CancellationToken ct)
    {
        try
        {
            await using var batch = new NpgsqlBatch(connection)
            {
                BatchCommands =
                {
                    new("set local lock_timeout = '2s'"),
                    new("select pg_advisory_xact_lock(hashtext($1))") { Parameters = { new() { Value = LockOf(schema) } } },
                    new("set local lock_timeout to default"),
                },
            };
            await batch.ExecuteNonQueryAsync(ct);
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return false;
        }
    }

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        readiness.WaitFor(Database, "the database has not answered yet");
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        string? lastSaid = null;
        var schemaApplied = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (!schemaApplied)
                {
                    var version = await EventSchema.ApplyAsync(store, place, stoppingToken);
                    if (version > place.SchemaVersion)
                        log.LogWarning("the schema {Schema} is at version {Version}, this program knows {Known}: it changes nothing of it; start the newer program", place.Schema, version, place.SchemaVersion);
                    schemaApplied = true;
                }
                // The lock must die with this very connection.
                await using var connection = place.Unpooled();
                await connection.OpenAsync(stoppingToken);
                readiness.Has(Database);
                (lastSaid, var recovered) = (null, lastSaid is not null);
                if (recovered) log.LogInformation("the database answers again");
                await LeadWhileElected(connection, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                var cause = StoreFailure.Cause(e);
                readiness.WaitFor(Database, cause);
                if (cause != lastSaid) log.LogWarning("the database does not serve: {Cause}; trying again every second", lastSaid = cause);
            }
            await Task.Delay(Pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LeadWhileElected(NpgsqlConnection connection, CancellationToken ct)
    {
        if (!await TryLock(connection, ct)) return;
        await lease.Take(connection, ct);
        try
        {
            using var daemon = await store.BuildProjectionDaemonAsync();
            try
            {
                await daemon.StartAllAsync();
                while (true)
                {
                    await Task.Delay(DaemonLease.Renewal, ct);
                    await lease.Renew(connection, ct);
                    await _stopped.StartAgain(daemon);
                }
            }
            finally
            {
                await daemon.StopAllAsync();
                _stopped.Forget();
            }
        }
        finally
        {
            await lease.Release();
        }
    }

    private static string LockOf(string schema) => $"{schema}.daemon";

    private async Task<bool> TryLock(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select pg_try_advisory_lock(hashtext($1))", connection) { Parameters = { new() { Value = LockOf(place.Schema) } } };
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }
}
