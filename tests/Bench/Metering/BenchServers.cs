using System.Globalization;
using Contracts.Messages;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using MassTransit;
using Npgsql;
using StackExchange.Redis;
using Usage.Host;

namespace Bench.Metering;

/// <summary>
/// A usage service as it is deployed, a process of its own on a private PostgreSQL and a private RabbitMQ, and who in billing's place names
/// the subscriptions and takes the reports. Everything is ended with it.
/// </summary>
public sealed class BenchServers : IAsyncDisposable
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(60);
    private readonly ServerFolder _folder;
    private readonly PrivatePostgres _postgres;
    private readonly PrivateRabbitMq _rabbitMq;
    private readonly IBusControl _bus;
    private readonly Dictionary<string, string> _settings;
    private readonly Uri _address;
    private ServiceProcess? _service;
    private long _reportedTokens;

    private BenchServers(ServerFolder folder, PrivatePostgres postgres, PrivateRabbitMq rabbitMq, ServiceDatabase database)
    {
        (_folder, _postgres, _rabbitMq) = (folder, postgres, rabbitMq);
        Postgres = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString("usage")) { MaxPoolSize = 100 });
        var ports = Ports.Free(2);
        _address = new Uri($"http://127.0.0.1:{ports[1]}");
        _settings = new()
        {
            ["Usage:Postgres"] = database.ConnectionString("usage"),
            ["Usage:BillingAddress"] = "http://127.0.0.1:1",
            // One hot subscription carries every call of the decisions' callers, and nobody ends what they begin.
            ["Usage:GenerationsPerSubscriptionMax"] = "1000000",
            ["Usage:GrantTokensMax"] = "100000000",
            ["RabbitMq:Uri"] = rabbitMq.Uri().ToString(),
            ["Http:Address"] = "127.0.0.1",
            // As a caller who shows no key measures it; one hash for each call is all that asking costs.
            ["Access:Mode"] = "Open",
            ["Http:Port"] = ports[0].ToString(CultureInfo.InvariantCulture),
            ["Http:GrpcPort"] = ports[1].ToString(CultureInfo.InvariantCulture),
            ["Logging:Minimum"] = "Error",
        };
        _bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(rabbitMq.Uri());
            rabbit.ReceiveEndpoint("billing-usage-recorded", queue => queue.Handler<UsageRecorded>(context =>
            {
                Interlocked.Add(ref _reportedTokens, context.Message.Lines.Sum(l => l.Tokens));
                return Task.CompletedTask;
            }));
        });
    }

    public ServerFolder Folder => _folder;
    public NpgsqlDataSource Postgres { get; }
    public ServiceProcess Service => _service!;
    public long ReportedTokens => Interlocked.Read(ref _reportedTokens);

    /// <exception cref="ServerUnavailableException">A server is not installed.</exception>
    public static async Task<BenchServers> StartAsync(CancellationToken ct)
    {
        var folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), $"billing-bench-{Environment.UserName}"), Console.Error.WriteLine, ct);
        var (postgres, rabbitMq) = (PrivatePostgres.StartAsync(folder, cancel: ct), PrivateRabbitMq.StartAsync(folder, ct));
        await Task.WhenAll(postgres, rabbitMq);
        var servers = new BenchServers(folder, await postgres, await rabbitMq, await (await postgres).CreateDatabaseAsync("bench", ct));
        await Task.WhenAll(servers._bus.StartAsync(ct), servers.StartServiceAsync(ct));
        return servers;
    }

    /// <summary>A channel of its own: one connection.</summary>
    public GrpcChannel Connect() => GrpcChannel.ForAddress(_address);

    /// <summary>Kills the service and starts it again, from now on with these settings too.</summary>
    public async Task RestartServiceAsync(CancellationToken ct, params (string Key, string Value)[] settings)
    {
        foreach (var (key, value) in settings) _settings[key] = value;
        _service!.Dispose();
        await StartServiceAsync(ct);
    }

    public ServerMemory Memory() => new(Service.Memory, ServerProcesses.Of(_folder.Path, "postgres").Sum(ServerProcesses.MemoryOf));

    /// <summary>So many subscriptions with a hard cap on every conversation and one on the billing period, known to the service when this returns.</summary>
    public async Task<string[]> SubscribeAsync(string name, int count, long capTokens, CancellationToken ct)
    {
        var begin = TimeProvider.System.GetUtcNow().AddDays(-1);
        var subscriptions = Enumerable.Range(0, count).Select(n => Snapshot($"{name}-{n}", capTokens, begin)).ToArray();
        foreach (var some in subscriptions.Chunk(100))
            await UntilTakenAsync(() => _bus.PublishConfirmed([.. some.Select(s => (s, Ids.NewGuid(begin)))], mandatory: true, ct), ct);
        var ids = subscriptions.Select(s => Ids.Parse(Ids.Subscription, s.SubscriptionId)).ToArray();
        await UntilAsync(async () => await ScalarAsync("select count(*) from usage.subscription where subscription = any($1)", ct, ids) == count, "the service knows its subscriptions", ct);
        return [.. subscriptions.Select(s => s.SubscriptionId)];
    }

    /// <param name="process">the service, unless a peer of it is measured</param>
    public ProcessorTimes ProcessorTimes(int? process = null) => Metering.ProcessorTimes.Now(_folder.Path, process ?? Service.Id);

    public async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        await using var command = Postgres.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task<long> ScalarAsync(string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = Postgres.CreateCommand(sql);
        command.CommandTimeout = 300;
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return Convert.ToInt64(await command.ExecuteScalarAsync(ct), CultureInfo.InvariantCulture);
    }

    /// <summary>Publishes again until somebody takes it, as services do: one that serves may not have its queue yet.</summary>
    public static Task UntilTakenAsync(Func<Task> publish, CancellationToken ct) => UntilAsync(async () =>
    {
        try
        {
            await publish();
            return true;
        }
        catch (MessageReturnedException)
        {
            return false;
        }
    }, "a queue takes what is published", ct);

    public static async Task UntilAsync(Func<Task<bool>> holds, string what, CancellationToken ct)
    {
        for (var since = TimeProvider.System.GetTimestamp(); !await holds(); await Task.Delay(20, ct))
            if (TimeProvider.System.GetElapsedTime(since) > ReadyWithin) throw new TimeoutException($"waited in vain until {what}");
    }

    /// <summary>What the figures depend on, in one line.</summary>
    public async Task<string> ConditionsAsync(PrivateRedis redis, CancellationToken ct)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{redis.Port},allowAdmin=true");
        var server = connection.GetServers()[0];
        async Task<string> Redis(string setting) => (await server.ConfigGetAsync(setting))[0].Value is { Length: > 0 } value ? value : "never";
        async Task<object?> Show(string setting)
        {
            await using var command = Postgres.CreateCommand($"show {setting}");
            return await command.ExecuteScalarAsync(ct);
        }
        var options = new UsageOptions();
        return $"{Environment.ProcessorCount} cores shared by all; PostgreSQL {await Show("server_version")}, fsync {await Show("fsync")}, synchronous_commit {await Show("synchronous_commit")}, " +
            $"shared_buffers {await Show("shared_buffers")}; {options.Shards} shards, at most {options.BatchRowsMax} rows in a commit, grants of {options.ChunkTokens} tokens; acknowledged after commit, reports published to RabbitMQ; Redis {server.Version}, appendonly {await Redis("appendonly")}, save {await Redis("save")}";
    }

    private static SubscriptionChanged Snapshot(string name, long capTokens, DateTimeOffset begin) => new(
        Ids.Derive(Ids.Subscription, begin, name), 1, Ids.Derive(Ids.Customer, begin, name), "active", Ids.Derive(Ids.Menu, begin, "bench"), Ids.Derive(Ids.Plan, begin, "bench"),
        [new PublishedCap("conversation", capTokens, ["output", "reasoning"], "hard"), new PublishedCap("billing_period", capTokens, ["output", "reasoning"], "hard")], [],
        new SubscriptionPeriod(Ids.Derive(Ids.Period, begin, name, "0"), 0, begin, begin.AddDays(30)),
        new SubscriptionPeriod(Ids.Derive(Ids.Period, begin, name, "1"), 1, begin.AddDays(30), begin.AddDays(60)), begin);

    private async Task StartServiceAsync(CancellationToken ct)
    {
        _service = ServiceProcess.Start(typeof(UsageHost).Assembly.Location, [], _settings);
        using var channel = Connect();
        var health = new Health.HealthClient(channel);
        await UntilAsync(async () =>
        {
            try { return (await health.CheckAsync(new HealthCheckRequest(), cancellationToken: ct)).Status == HealthCheckResponse.Types.ServingStatus.Serving; }
            catch (RpcException) { return false; }
        }, "the service is ready", ct);
    }

    public async ValueTask DisposeAsync()
    {
        _service?.Dispose();
        await _bus.StopAsync();
        await Postgres.DisposeAsync();
        await _rabbitMq.DisposeAsync();
        await _postgres.DisposeAsync();
        await _folder.DisposeAsync();
    }
}
