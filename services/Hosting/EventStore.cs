using JasperFx;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using Marten;
using Marten.Events;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Weasel.Core;

namespace Hosting;

/// <summary>Marten as every event-sourced service here uses it.</summary>
public static class EventStore
{
    /// <param name="schema">The service's own PostgreSQL schema.</param>
    /// <param name="connectionString">Read when the host is built; the role owns the schema and sees no other.</param>
    public static MartenServiceCollectionExtensions.MartenConfigurationExpression AddEventStore(
        this WebApplicationBuilder builder, string schema, string connectionString, Action<StoreOptions> configure)
    {
        builder.Services.AddSingleton(new StoreConnection(connectionString, schema));
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString));
        builder.Services.AddSingleton<EventStreams>();
        builder.Services.AddSingleton<IdempotentCalls>();
        builder.Services.AddHostedService<ElectedDaemon>();
        return builder.Services.AddMarten(services =>
        {
            var options = new StoreOptions();
            options.Connection(services.GetRequiredService<NpgsqlDataSource>());
            Configure(options, schema);
            configure(options);
            // ElectedDaemon alone changes the schema, before anything else may use it: sessions that each did it as they go would race.
            options.AutoCreateSchemaObjects = AutoCreate.None;
            return options;
        });
    }

    /// <summary>The settings that decide what is stored: a test that opens its own store must use the same.</summary>
    public static void Configure(StoreOptions options, string schema)
    {
        options.DatabaseSchemaName = schema;
        options.Events.StreamIdentity = StreamIdentity.AsString;
        options.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.CamelCase);
        options.AutoCreateSchemaObjects = AutoCreate.CreateOrUpdate;
        options.DisableNpgsqlLogging = true;
        options.Projections.AsyncMode = DaemonMode.ExternallyManaged;
        // An event that cannot be folded stops the line: skipping it would make an invoice silently wrong.
        options.Projections.Errors.SkipApplyErrors = false;
        options.Projections.Errors.SkipSerializationErrors = false;
        options.Projections.Errors.SkipUnknownEvents = false;
        options.Schema.For<IdempotentCall>().Identity(x => x.Id);
    }
}

/// <summary>How the service reaches its own schema; a connection that must not be pooled is opened from it.</summary>
public sealed record StoreConnection(string ConnectionString, string Schema)
{
    public NpgsqlConnection Unpooled() => new(new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false }.ConnectionString);
}

/// <summary>
/// Brings the schema up to date, then runs the projection daemon on the one instance that holds the advisory lock. It starts
/// without a database and waits for one; when the lock's connection is lost the daemon stops before another can start.
/// </summary>
public sealed class ElectedDaemon(IDocumentStore store, StoreConnection place, Readiness readiness, ILogger<ElectedDaemon> log) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private const string Database = "database";

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
                    await store.Storage.ApplyAllConfiguredChangesToDatabaseAsync(AutoCreate.CreateOrUpdate);
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
        if (!await Holds(connection, "select pg_try_advisory_lock(hashtext($1))", ct)) return;

        using var daemon = await store.BuildProjectionDaemonAsync();
        await daemon.StartAllAsync();
        try
        {
            while (true)
            {
                await Task.Delay(Pause, ct);
                await Holds(connection, "select $1 is not null", ct);
                await ResumePaused(daemon, ct);
            }
        }
        finally
        {
            await daemon.StopAllAsync();
        }
    }

    /// <summary>
    /// A projection or subscription that failed is paused by the daemon, and by itself nobody would start it again. It begins where it
    /// stopped: nothing is skipped, and what it had already done of its page comes to it twice.
    /// </summary>
    private async Task ResumePaused(IProjectionDaemon daemon, CancellationToken ct)
    {
        foreach (var agent in daemon.CurrentAgents())
        {
            if (agent.Status != AgentStatus.Paused) continue;
            log.LogWarning("{Shard} failed and is started again", agent.Name.Identity);
            await daemon.StartAgentAsync(agent.Name, ct);
        }
    }

    private async Task<bool> Holds(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new() { Value = $"{place.Schema}.daemon" } } };
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }
}
