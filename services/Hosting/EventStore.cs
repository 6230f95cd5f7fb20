using JasperFx;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using Marten;
using Marten.Events;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Weasel.Core;

namespace Hosting;

/// <summary>Marten as every event-sourced service here uses it.</summary>
public static class EventStore
{
    /// <param name="schema">The service's own PostgreSQL schema.</param>
    /// <param name="version">of the schema, from 1: raised whenever what <paramref name="configure"/> makes of it changes</param>
    /// <param name="connectionString">Read when the host is built; the role owns the schema and sees no other.</param>
    public static MartenServiceCollectionExtensions.MartenConfigurationExpression AddEventStore(
        this WebApplicationBuilder builder, string schema, int version, string connectionString, Action<StoreOptions> configure)
    {
        builder.Services.AddSingleton(new StoreConnection(connectionString, schema, version));
        builder.Services.AddSingleton(_ => Connections(connectionString));
        builder.Services.AddSingleton<EventStreams>();
        builder.Services.AddSingleton<IdempotentCalls>();
        builder.Services.AddSingleton<DaemonLease>();
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

    /// <summary>The same store without its service, with its schema brought up to date: for work that no service may run beside, and for tests.</summary>
    /// <param name="connectionString">of the role that owns the schema</param>
    public static async Task<DocumentStore> OpenAsync(string schema, int version, string connectionString, Action<StoreOptions> configure)
    {
        var store = DocumentStore.For(options =>
        {
            options.Connection(connectionString);
            Configure(options, schema);
            configure(options);
            options.AutoCreateSchemaObjects = AutoCreate.None;
        });
        await EventSchema.ApplyAsync(store, new StoreConnection(connectionString, schema, version));
        return store;
    }

    // A session leaves nothing behind in its connection that would have to be reset, and a reset would forget every plan: what could be left, such as the
    // election's lock, has a connection of its own.
    private static NpgsqlDataSource Connections(string connectionString) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { NoResetOnClose = true });

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
        options.Storage.ExtendedSchemaObjects.Add(DaemonLease.Table(schema));
    }
}

/// <summary>How the service reaches its own schema; a connection that must not be pooled is opened from it.</summary>
/// <param name="SchemaVersion">that this program makes of the schema</param>
public sealed record StoreConnection(string ConnectionString, string Schema, int SchemaVersion)
{
    public NpgsqlConnection Unpooled() => new(new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false }.ConnectionString);
}
