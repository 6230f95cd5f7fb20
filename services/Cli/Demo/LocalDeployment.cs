using Billing.Host;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Npgsql;
using PlanDesign.Host;
using Usage.Host;

namespace Cli.Demo;

/// <summary>
/// All three services in this process, on a PostgreSQL cluster and a RabbitMQ node of their own in a folder of the checkout. They
/// talk over sockets on free loopback ports, as they would across machines. Nothing outlives it.
/// </summary>
public sealed class LocalDeployment : Deployment
{
    // Production refuses a simulated clock.
    private static readonly string[] InDemo = ["--environment", "Demo"];

    private readonly IReadOnlyList<WebApplication> _hosts;
    private readonly LocalServerPair _servers;

    private LocalDeployment(LocalServerPair servers, IReadOnlyList<WebApplication> hosts)
        : base(hosts[0].Endpoints().Grpc, hosts[1].Endpoints().Grpc, hosts[2].Endpoints().Grpc) => (_servers, _hosts) = (servers, hosts);

    public static async Task<LocalDeployment> StartAsync(LocalServerPair servers, DateTimeOffset clockStart, string logFile, CancellationToken ct)
    {
        ServiceDatabase database;
        try
        {
            database = await servers.Postgres.CreateDatabaseAsync("demo", ct);
        }
        catch (NpgsqlException e)
        {
            throw new UserException($"the private PostgreSQL could not make a database: {e.Message}");
        }
        var ports = Ports.Free(6);
        var hosts = new List<WebApplication>
        {
            PlanDesignHost.Build(InDemo, b => Configure(b, 0, new()
            {
                ["PlanDesign:Postgres"] = database.ConnectionString("plan_design"), ["PlanDesign:UsageAddress"] = Address(3), ["PlanDesign:BillingAddress"] = Address(5),
                ["PlanDesign:ObservationsMax"] = $"{ConversationTrace.ConversationsMax}",
            })),
            // A month goes by in half a minute: reports of every two seconds are of every other day.
            UsageHost.Build(InDemo, b => Configure(b, 2, new() { ["Usage:Postgres"] = database.ConnectionString("usage"), ["Usage:BillingAddress"] = Address(5), ["Usage:ReportIntervalMs"] = "2000" })),
            BillingHost.Build(InDemo, b => Configure(b, 4, new()
            {
                ["Billing:Postgres"] = database.ConnectionString("billing"), ["Billing:AuditPostgres"] = database.ConnectionString("billing_auditor"), ["Billing:UsageAddress"] = Address(3),
            })),
        };
        await Task.WhenAll(hosts.Select(h => h.StartAsync(ct)));
        await Task.WhenAll(hosts.Select(h => ReadyAsync(h, ct)));
        return new(servers, hosts);

        string Address(int port) => $"http://127.0.0.1:{ports[port]}";

        void Configure(WebApplicationBuilder builder, int firstPort, Dictionary<string, string?> own)
        {
            own["Http:Address"] = "127.0.0.1";
            (own["Http:Port"], own["Http:GrpcPort"]) = ($"{ports[firstPort]}", $"{ports[firstPort + 1]}");
            own["RabbitMq:Uri"] = servers.RabbitMq.ToString();
            (own["Clock:Mode"], own["Clock:Start"]) = ("Simulated", $"{clockStart:yyyy-MM-ddTHH:mm:ssZ}");
            own["Logging:File"] = logFile;
            builder.Configuration.AddInMemoryCollection(own);
        }
    }

    private static async Task ReadyAsync(WebApplication host, CancellationToken ct)
    {
        using var http = new HttpClient { BaseAddress = host.Endpoints().Http };
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        var waiting = "nothing was answered";
        try
        {
            while (true)
            {
                using var response = await http.GetAsync(new Uri("/health/ready", UriKind.Relative), deadline.Token);
                if (response.IsSuccessStatusCode) return;
                waiting = await response.Content.ReadAsStringAsync(deadline.Token);
                await Task.Delay(100, deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new UserException($"{host.Environment.ApplicationName} was not ready within a minute: {waiting}");
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await Task.WhenAll(_hosts.Select(async h =>
        {
            await h.StopAsync();
            await h.DisposeAsync();
        }));
        await _servers.DisposeAsync();
    }
}

/// <summary>A private database cluster and a private broker, started side by side: from installed binaries, or in containers where those are missing.</summary>
public sealed class LocalServerPair : IAsyncDisposable
{
    private readonly ServerFolder _folder;
    private readonly List<IAsyncDisposable> _processes = [];

    private LocalServerPair(ServerFolder folder) => _folder = folder;

    public PostgresCluster Postgres { get; private set; } = null!;
    public Uri RabbitMq { get; private set; } = null!;

    /// <exception cref="ServerUnavailableException">A server is neither installed, nor does Docker answer; or it did not start.</exception>
    public static async Task<LocalServerPair> StartAsync(string root, Action<string> say, CancellationToken ct)
    {
        var docker = !(PrivatePostgres.IsInstalled && PrivateRabbitMq.IsInstalled) && await ContainedServers.CanRunAsync(ct);
        var pair = new LocalServerPair(await ServerFolder.CreateAsync(root, say, ct));
        try
        {
            await Task.WhenAll(pair.StartPostgresAsync(docker, say, ct), pair.StartRabbitMqAsync(docker, say, ct));
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    private async Task StartPostgresAsync(bool docker, Action<string> say, CancellationToken ct)
    {
        if (docker && !PrivatePostgres.IsInstalled)
        {
            say($"PostgreSQL is not installed: it runs in a container of {ContainedServers.PostgresImage}");
            Postgres = await ContainedServers.StartPostgresAsync(_folder, ct);
        }
        else Postgres = (await KeepAsync(PrivatePostgres.StartAsync(_folder, cancel: ct))).Cluster;
    }

    private async Task StartRabbitMqAsync(bool docker, Action<string> say, CancellationToken ct)
    {
        if (docker && !PrivateRabbitMq.IsInstalled)
        {
            say($"RabbitMQ is not installed: it runs in a container of {ContainedServers.RabbitMqImage}");
            RabbitMq = await ContainedServers.StartRabbitMqAsync(_folder, ct);
        }
        else RabbitMq = (await KeepAsync(PrivateRabbitMq.StartAsync(_folder, ct))).Uri();
    }

    private async Task<T> KeepAsync<T>(Task<T> starting) where T : IAsyncDisposable
    {
        var server = await starting;
        lock (_processes) _processes.Add(server);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_processes.Select(server => server.DisposeAsync().AsTask()));
        await _folder.DisposeAsync();
    }
}
