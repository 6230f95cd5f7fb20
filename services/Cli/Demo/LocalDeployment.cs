using Billing.Host;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
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
        var database = await servers.Postgres.CreateDatabaseAsync("demo", ct);
        var ports = Ports.Free(6);
        var hosts = new List<WebApplication>
        {
            PlanDesignHost.Build(InDemo, b => Configure(b, 0, new() { ["PlanDesign:Postgres"] = database.ConnectionString("plan_design") })),
            UsageHost.Build(InDemo, b => Configure(b, 2, new() { ["Usage:Postgres"] = database.ConnectionString("usage"), ["Usage:BillingAddress"] = Address(5) })),
            BillingHost.Build(InDemo, b => Configure(b, 4, new() { ["Billing:Postgres"] = database.ConnectionString("billing"), ["Billing:UsageAddress"] = Address(3) })),
        };
        await Task.WhenAll(hosts.Select(h => h.StartAsync(ct)));
        await Task.WhenAll(hosts.Select(h => ReadyAsync(h, ct)));
        return new(servers, hosts);

        string Address(int port) => $"http://127.0.0.1:{ports[port]}";

        void Configure(WebApplicationBuilder builder, int firstPort, Dictionary<string, string?> own)
        {
            own["Http:Address"] = "127.0.0.1";
            (own["Http:Port"], own["Http:GrpcPort"]) = ($"{ports[firstPort]}", $"{ports[firstPort + 1]}");
            own["RabbitMq:Uri"] = servers.RabbitMq.Uri().ToString();
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
        while (true)
        {
            using var response = await http.GetAsync(new Uri("/health/ready", UriKind.Relative), deadline.Token);
            if (response.IsSuccessStatusCode) return;
            await Task.Delay(100, deadline.Token);
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

/// <summary>A private database cluster and a private broker, started side by side.</summary>
public sealed class LocalServerPair : IAsyncDisposable
{
    private readonly ServerFolder _folder;

    private LocalServerPair(ServerFolder folder, PrivatePostgres postgres, PrivateRabbitMq rabbitMq) =>
        (_folder, Postgres, RabbitMq) = (folder, postgres, rabbitMq);

    public PrivatePostgres Postgres { get; }
    public PrivateRabbitMq RabbitMq { get; }

    public static async Task<LocalServerPair> StartAsync(string root, Action<string> say, CancellationToken ct)
    {
        var folder = await ServerFolder.CreateAsync(root, say, ct);
        try
        {
            var (postgres, rabbitMq) = (PrivatePostgres.StartAsync(folder, ct), PrivateRabbitMq.StartAsync(folder, ct));
            return new(folder, await postgres, await rabbitMq);
        }
        catch
        {
            await folder.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Postgres.DisposeAsync().AsTask(), RabbitMq.DisposeAsync().AsTask());
        await _folder.DisposeAsync();
    }
}
