using System.Diagnostics;
using System.Globalization;
using Bench.Metering;
using Billing.Host;
using Contracts.Usage.V1;
using Grpc.Core;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Bench.Books;

/// <summary>A private PostgreSQL and a private RabbitMQ, and hosts of billing on databases of their own.</summary>
public sealed class BillingServers : IAsyncDisposable
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), Feb1 = Jan1.AddMonths(1);
    private readonly ServerFolder _folder;
    private readonly PrivatePostgres _postgres;
    private readonly Task<PrivateRabbitMq> _rabbitMq;
    private Uri? _broker;

    private BillingServers(ServerFolder folder, PrivatePostgres postgres, Task<PrivateRabbitMq> rabbitMq) => (_folder, _postgres, _rabbitMq) = (folder, postgres, rabbitMq);

    public Uri Broker => _broker ?? throw new InvalidOperationException("RabbitMQ may still be starting: wait for it with BrokerAsync");

    /// <exception cref="ServerUnavailableException">RabbitMQ is not installed.</exception>
    public async Task BrokerAsync() => _broker = (await _rabbitMq).Uri();

    /// <summary>A part of the benchmark; how long it took and whose processor time that was goes to standard error, for whoever wonders where the minutes are.</summary>
    /// <param name="service">a process of its own that is at work meanwhile</param>
    public async Task<T> PhaseAsync<T>(string name, Func<Task<T>> work, ServiceProcess? service = null)
    {
        var (began, before) = (Stopwatch.GetTimestamp(), ProcessorTimes.Now(_folder.Path, service?.Id ?? 0));
        var result = await work();
        var spent = ProcessorTimes.Now(_folder.Path, service?.Id ?? 0);
        BenchPace.Say($"  {name}: {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s; {(spent.Total - before.Total).TotalSeconds:F1} CPU-s (here {(spent.Client - before.Client).TotalSeconds:F1}, service {(spent.Service - before.Service).TotalSeconds:F1}, PostgreSQL {(spent.Postgres - before.Postgres).TotalSeconds:F1}, RabbitMQ {(spent.RabbitMq - before.RabbitMq).TotalSeconds:F1})");
        return result;
    }

    public Task PhaseAsync(string name, Func<Task> work, ServiceProcess? service = null) => PhaseAsync(name, async () => { await work(); return true; }, service);

    /// <summary>PostgreSQL serves; RabbitMQ, which takes longer, goes on starting.</summary>
    /// <exception cref="ServerUnavailableException">PostgreSQL is not installed.</exception>
    public static async Task<BillingServers> StartAsync(CancellationToken ct)
    {
        var folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), $"billing-bench-{Environment.UserName}"), Console.Error.WriteLine, ct);
        var rabbitMq = PrivateRabbitMq.StartAsync(folder, ct);
        return new(folder, await PrivatePostgres.StartAsync(folder, cancel: ct), rabbitMq);
    }

    public Task<ServiceDatabase> DatabaseAsync(string name, CancellationToken ct) => _postgres.CreateDatabaseAsync(name, ct);

    /// <summary>What the figures depend on, in one line.</summary>
    public async Task<string> ConditionsAsync(CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection((await DatabaseAsync("conditions", ct)).SuperuserConnectionString);
        await connection.OpenAsync(ct);
        async Task<object?> Show(string setting)
        {
            await using var command = new NpgsqlCommand($"show {setting}", connection);
            return await command.ExecuteScalarAsync(ct);
        }
        return $"{Environment.ProcessorCount} cores shared by all; PostgreSQL {await Show("server_version")}, fsync {await Show("fsync")}, synchronous_commit {await Show("synchronous_commit")}, " +
            $"shared_buffers {await Show("shared_buffers")}; batches of {new BillingOptions().PeriodBatchMax} periods";
    }

    public Dictionary<string, string?> Settings(ServiceDatabase database, string usage, int grpcPort = 0) => new()
    {
        ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = grpcPort.ToString(CultureInfo.InvariantCulture), ["Logging:Minimum"] = "Error", ["RabbitMq:Uri"] = Broker.ToString(),
        ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z", ["Billing:Postgres"] = database.ConnectionString("billing"),
        ["Billing:AuditPostgres"] = database.ConnectionString("billing_auditor"), ["Billing:UsageAddress"] = usage, ["Billing:GapPollSeconds"] = "3600", ["Billing:DuePollSeconds"] = "3600",
    };

    /// <summary>Billing in this process, ready.</summary>
    public async Task<WebApplication> BillingAsync(ServiceDatabase database, string usage, CancellationToken ct)
    {
        var host = BillingHost.Build([], b =>
        {
            b.Environment.EnvironmentName = "Bench";
            b.Configuration.AddInMemoryCollection(Settings(database, usage));
        });
        await host.StartAsync(ct);
        await Metering.BenchServers.UntilAsync(() => Task.FromResult(host.Services.GetRequiredService<Readiness>().IsReady), "billing is ready", ct);
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        // One that could not be started was said already, by whoever waited for it.
        await Task.WhenAny(_rabbitMq);
        if (_rabbitMq.IsCompletedSuccessfully) await (await _rabbitMq).DisposeAsync();
        await _postgres.DisposeAsync();
        await _folder.DisposeAsync();
    }
}

/// <summary>Usage that never recorded anything: what closing asks it costs nothing.</summary>
public sealed class QuietLedger : UsageLedger.UsageLedgerBase
{
    public override Task<GetHeadsResponse> GetHeads(GetHeadsRequest request, ServerCallContext context) => Task.FromResult(new GetHeadsResponse());

    public static async Task<WebApplication> StartAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.ConfigureEndpointDefaults(o => o.Protocols = HttpProtocols.Http2));
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddGrpc();
        var app = builder.Build();
        app.MapGrpcService<QuietLedger>();
        await app.StartAsync(ct);
        return app;
    }
}
