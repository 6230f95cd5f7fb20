using System.Collections.Concurrent;
using Billing.Host;
using Billing.Menus;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Cli.Tests;

/// <summary>A billing service that runs alone, on a clock that stands at the first of January 2026.</summary>
internal sealed class RunningBilling : IAsyncDisposable
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly string Menu = Ids.Derive(Ids.Menu, Jan1, "menu"), Small = Ids.Derive(Ids.Plan, Jan1, "small"), Large = Ids.Derive(Ids.Plan, Jan1, "large");

    /// <summary>For 10.00 and 41.00 a period.</summary>
    public static readonly PlanTerms[] SmallAndLarge = [Plan(Small, "Small", 10_000_000), Plan(Large, "Large", 41_000_000)];

    private readonly WebApplication _host;
    private readonly ServiceDatabase _database;

    private RunningBilling(WebApplication host, ServiceDatabase database) => (_host, _database) = (host, database);

    private static async Task Tables(ServiceDatabase database) => await (await BillingStore.OpenAsync(database.ConnectionString("billing"))).DisposeAsync();

    public EventStreams Streams => Get<EventStreams>();

    /// <param name="finalizeBy">schedule or hand</param>
    /// <param name="plans">of the menu on sale; without any there is no menu</param>
    public static Task<RunningBilling> StartAsync(string finalizeBy = "schedule", params PlanTerms[] plans) => StartAsync(new Meanwhile(), finalizeBy, plans);

    /// <param name="meanwhile">what happens before billing answers a call</param>
    public static async Task<RunningBilling> StartAsync(Meanwhile meanwhile, string finalizeBy = "schedule", params PlanTerms[] plans)
    {
        var (database, broker) = (await Servers.CreateDatabaseAsync(Tables), await Servers.CreateVirtualHostAsync());
        var host = BillingHost.Build([], b =>
        {
            b.Environment.EnvironmentName = "Test";
            b.Services.Configure<GrpcServiceOptions>(o => o.Interceptors.Add<Meanwhile.Interceptor>(meanwhile));
            b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["Logging:Minimum"] = "Fatal", ["RabbitMq:Uri"] = broker.ToString(), ["Clock:Mode"] = "Simulated",
                ["Clock:Start"] = "2026-01-01T00:00:00Z", ["Billing:Postgres"] = database.ConnectionString("billing"), ["Billing:FinalizeBy"] = finalizeBy,
                ["Billing:Webhooks:AllowHttp"] = "true", ["Billing:Webhooks:AllowedNetworks"] = "127.0.0.1/32", ["Billing:Webhooks:PollSeconds"] = "0.05",
            });
        });
        await host.StartAsync();
        var running = new RunningBilling(host, database);
        await Eventually.True(() => running.Get<Readiness>().IsReady, "billing is ready");
        var terms = new MenuTerms(Menu, "Spring", Currency.Parse("USD"), 20, [.. plans], [], Jan1);
        if (plans.Length > 0) await running.Streams.Transact<MenuState, MenuEvent>(Menu, MenuState.Initial, MenuState.Evolve, s => ReceiveMenuDecision.Decide(new(terms), s), default);
        return running;
    }

    public T Get<T>() where T : notnull => _host.Services.GetRequiredService<T>();

    /// <summary>The billing command, which finds this service.</summary>
    public Task<(int Exit, string Output, string Error)> Billing(params string[] args) => InProcess.RunAsync(There, "", args);

    /// <summary>The same as a process.</summary>
    public Task<(int Exit, string Output, string Error)> BillingApart(params string[] args) => DotnetProcess.RunAsync(BillingProcess.Dll, There, "", args);

    private Dictionary<string, string?> There => BillingProcess.At("BILLING_ADDRESS", _host.Endpoints().Grpc);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await _host.DisposeAsync();
        await Servers.DropAsync(_database);
    }

    private static PlanTerms Plan(string id, string name, long feeMicros) => new(id, name, new(feeMicros), [Cap.Hard(CapWindow.Conversation, 1_000)], []);
}

/// <summary>What somebody else does while a command is at work.</summary>
internal sealed class Meanwhile
{
    private readonly ConcurrentDictionary<string, Func<Task>> _before = new();

    /// <param name="method">of billing's calls, such as Subscribe; before the first of them</param>
    public void Before(string method, Func<Task> happens) => _before[method] = happens;

    internal sealed class Interceptor(Meanwhile meanwhile) : Grpc.Core.Interceptors.Interceptor
    {
        public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            if (meanwhile._before.TryRemove(context.Method.Split('/')[^1], out var happens)) await happens();
            return await continuation(request, context);
        }
    }
}
