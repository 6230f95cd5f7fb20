using Billing.Host;
using Billing.Menus;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Cli.Tests;

/// <summary>A billing service that runs, on a clock that stands at the first of January 2026, with a menu of two plans.</summary>
internal sealed class RunningBilling : IAsyncDisposable
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly string Menu = Ids.Derive(Ids.Menu, Jan1, "menu"), Small = Ids.Derive(Ids.Plan, Jan1, "small"), Large = Ids.Derive(Ids.Plan, Jan1, "large");

    private readonly WebApplication _host;

    private RunningBilling(WebApplication host) => _host = host;

    public static async Task<RunningBilling> StartAsync()
    {
        var (database, broker) = (await Servers.CreateDatabaseAsync(), await Servers.CreateVirtualHostAsync());
        var host = BillingHost.Build([], b =>
        {
            b.Environment.EnvironmentName = "Test";
            b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["Logging:Minimum"] = "Fatal", ["RabbitMq:Uri"] = broker.ToString(), ["Clock:Mode"] = "Simulated",
                ["Clock:Start"] = "2026-01-01T00:00:00Z", ["Billing:Postgres"] = database.ConnectionString("billing"),
            });
        });
        await host.StartAsync();
        await Eventually.True(() => host.Services.GetRequiredService<Readiness>().IsReady, "billing is ready");
        PlanTerms Plan(string id, string name, long fee) => new(id, name, new(fee), [Cap.Hard(CapWindow.Conversation, 1_000)], []);
        var terms = new MenuTerms(Menu, "Spring", Currency.Parse("USD"), 20, [Plan(Small, "Small", 10_000_000), Plan(Large, "Large", 41_000_000)], [], Jan1);
        await host.Services.GetRequiredService<EventStreams>().Transact<MenuState, MenuEvent>(Menu, MenuState.Initial, MenuState.Evolve, s => ReceiveMenuDecision.Decide(new(terms), s), default);
        return new(host);
    }

    /// <summary>The billing command as a process, which finds this service.</summary>
    public Task<(int Exit, string Output, string Error)> Billing(params string[] args) => DotnetProcess.RunAsync(BillingProcess.Dll, BillingProcess.At("BILLING_ADDRESS", _host.Endpoints().Grpc), "", args);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await _host.DisposeAsync();
    }
}
