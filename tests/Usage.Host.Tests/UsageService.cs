using System.Collections.Concurrent;
using System.Globalization;
using Contracts.Messages;
using Contracts.Usage.V1;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Usage.Host;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host.Tests;

/// <summary>A usage service with its own database and virtual host, on real sockets, and what listens to it.</summary>
public sealed class UsageService : IAsyncDisposable
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly Dictionary<string, string?> _settings;
    private readonly ConcurrentDictionary<(int Shard, long Number), UsageRecorded> _reports;
    private readonly ConcurrentDictionary<Guid, CapThresholdReached> _thresholds = new();
    private readonly ConcurrentQueue<(int Shard, long Number)> _arrivals = new();
    private IBusControl? _bus;
    private ServiceDatabase? _own;
    private WebApplication? _app;
    private GrpcChannel? _channel;

    private UsageService(Dictionary<string, string?> settings, Uri broker, ConcurrentDictionary<(int Shard, long Number), UsageRecorded> reports) =>
        (_settings, Broker, _reports) = (settings, broker, reports);

    public Uri Broker { get; }
    public WebApplication App => _app!;
    public GrpcChannel Channel => _channel!;
    public TokenMeter.TokenMeterClient Meter => new(_channel);
    public UsageLedger.UsageLedgerClient Ledger => new(_channel);
    public UsageCorrections.UsageCorrectionsClient Corrections => new(_channel);
    public BusinessClock Clock => App.Services.GetRequiredService<BusinessClock>();
    public string Postgres => _settings["Usage:Postgres"]!;
    private LedgerWriters Writers => App.Services.GetRequiredService<LedgerWriters>();

    /// <summary>Reports as billing's queue received them; a repeat must be the same.</summary>
    public IReadOnlyDictionary<(int Shard, long Number), UsageRecorded> Reports => _reports;

    /// <summary>Report numbers in the order in which they came, repeats among them.</summary>
    public IEnumerable<long> Arrivals => _arrivals.Select(a => a.Number);

    /// <summary>Likewise, each with its shard.</summary>
    public IEnumerable<(int Shard, long Number)> ArrivalsOfShards => _arrivals;

    /// <summary>Thresholds as anybody would receive them, by message id; a repeat must be the same.</summary>
    public IReadOnlyDictionary<Guid, CapThresholdReached> Thresholds => _thresholds;

    /// <summary>Prepares a service without starting it.</summary>
    public static async Task<UsageService> PrepareAsync(ServiceDatabase? database = null, Uri? broker = null, params (string Name, string Value)[] settings)
    {
        var own = database is null ? await Servers.CreateDatabaseAsync() : null;
        broker ??= await Servers.CreateVirtualHostAsync();
        var all = new Dictionary<string, string?>
        {
            ["Usage:Postgres"] = (database ?? own)!.ConnectionString("usage"),
            ["Usage:BillingAddress"] = "http://127.0.0.1:1",
            ["RabbitMq:Uri"] = broker.ToString(),
            ["Http:Address"] = "127.0.0.1",
            ["Http:Port"] = "0",
            ["Http:GrpcPort"] = "0",
            ["Clock:Mode"] = "Simulated",
            ["Clock:Start"] = "2026-01-01T00:00:00Z",
            ["Logging:Minimum"] = "Error",
        };
        foreach (var (name, value) in settings) all[name] = value;
        return new UsageService(all, broker, new()) { _own = own };
    }

    public static async Task<UsageService> StartAsync(params (string Name, string Value)[] settings)
    {
        var service = await PrepareAsync(settings: settings);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        return service;
    }

    /// <summary>Another instance on the same database and broker, not started yet. The first one listens for both.</summary>
    public UsageService Another() => new(new(_settings), Broker, _reports);

    /// <summary>How many shards this instance holds.</summary>
    public int Held => Enumerable.Range(0, Writers.Shards).Count(shard => Writers.Find(shard) is not null);

    /// <summary>Whether that subscription's owner is here.</summary>
    public bool Holds(string name) => Writers.Find(Writers.ShardOf(Ids.Parse(Ids.Subscription, Samples.SubscriptionId(name)))) is not null;

    /// <summary>Whether that generation is in its owner's memory here.</summary>
    public bool Knows(string generation) => App.Services.GetRequiredService<OwnerDirectory>().Find(Ids.Parse(Ids.Generation, Samples.GenerationId(generation))) is not null;

    public void Set(string name, string value) => _settings[name] = value;

    /// <summary>The service, still to be started, as a process of its own that can be killed, and where it is met.</summary>
    public (ServiceProcess Process, Uri Grpc) Apart()
    {
        var ports = Ports.Free(2);
        (_settings["Http:Port"], _settings["Http:GrpcPort"]) = ($"{ports[0]}", $"{ports[1]}");
        return (new(typeof(UsageHost).Assembly.Location, () => _settings, new($"http://127.0.0.1:{ports[0]}")), new($"http://127.0.0.1:{ports[1]}"));
    }

    /// <summary>The service as a process of its own that ends by itself: its exit code, and what it says.</summary>
    public Task<(int Exit, string Output, string Error)> RunApartAsync() => DotnetProcess.RunAsync(typeof(UsageHost).Assembly.Location,
        new Dictionary<string, string?>(_settings) { ["ASPNETCORE_ENVIRONMENT"] = "Test" }, "");

    public async Task StartHostAsync()
    {
        _app = UsageHost.Build([], builder =>
        {
            builder.Environment.EnvironmentName = "Testing";
            builder.Configuration.AddInMemoryCollection(_settings);
        });
        try
        {
            await _app.StartAsync();
        }
        catch
        {
            await _app.DisposeAsync();
            _app = null;
            throw;
        }
        _channel = GrpcChannel.ForAddress(_app.Endpoints().Grpc);
    }

    public Task ReadyAsync() => Eventually.True(() => App.Services.GetRequiredService<Readiness>().IsReady, "the service is ready");

    public async Task StopHostAsync()
    {
        if (_app is null) return;
        _channel?.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _app = null;
    }

    /// <summary>Declares billing's queue, unless that is away, and one for warnings, and gathers what arrives in them.</summary>
    public async Task ListenAsync(bool billing = true)
    {
        _bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(Broker);
            if (billing) rabbit.ReceiveEndpoint("billing-usage-recorded", queue =>
            {
                // One at a time, so that the order in which they came can be told.
                queue.ConcurrentMessageLimit = 1;
                queue.Handler<UsageRecorded>(context =>
                {
                    Hear(context.Message);
                    return Task.CompletedTask;
                });
            });
            rabbit.ReceiveEndpoint("warnings", queue => queue.Handler<CapThresholdReached>(context =>
            {
                Assert.Equal(_thresholds.GetOrAdd(context.MessageId!.Value, context.Message), context.Message);
                return Task.CompletedTask;
            }));
        });
        await _bus.StartAsync();
    }

    public async Task ForgetListenerAsync()
    {
        if (_bus is not null) await _bus.StopAsync();
        _bus = null;
    }

    public Task PublishAsync(SubscriptionChanged snapshot) => _bus!.PublishConfirmed(snapshot, Ids.NewGuid(Jan1), mandatory: true, CancellationToken.None);

    /// <summary>Publishes a snapshot and waits until the service has stored it, and its owner knows it.</summary>
    public async Task SubscribeAsync(SubscriptionChanged snapshot)
    {
        await Eventually.True(async () =>
        {
            try { await PublishAsync(snapshot); }
            catch (MessageReturnedException) { return false; }
            return true;
        }, "the service has declared its queue");
        var id = Ids.Parse(Ids.Subscription, snapshot.SubscriptionId);
        await Eventually.True(async () => await ScalarAsync<long>($"select coalesce(max(version), 0) from usage.subscription where subscription = '{id}'") >= snapshot.Version, "the snapshot is stored");
        // The consumer tells the owner after that. It is told by us too, who can wait for it: a repeat changes nothing.
        if (_app is not null) await _app.Services.GetRequiredService<OwnerRoutes>().TermsChangedAsync(SnapshotTerms.Of(snapshot), CancellationToken.None);
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Postgres);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        // Unpooled: a pooled one may have died with the server that a test killed.
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Postgres) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)Convert.ChangeType((await command.ExecuteScalarAsync())!, typeof(T), CultureInfo.InvariantCulture);
    }

    private void Hear(UsageRecorded report)
    {
        _arrivals.Enqueue((report.Shard, report.Number));
        var first = _reports.GetOrAdd((report.Shard, report.Number), report);
        Assert.Equal(System.Text.Json.JsonSerializer.Serialize(first), System.Text.Json.JsonSerializer.Serialize(report));
    }

    public async ValueTask DisposeAsync()
    {
        await StopHostAsync();
        await ForgetListenerAsync();
        if (_own is not null) await Servers.DropAsync(_own);
    }
}
