using System.CommandLine;
using Cli.Demo;
using Grpc.Core;
using LocalServers;

namespace Cli.Commands;

/// <summary>billing demo: a month of the whole product on this machine, or against a deployment with a simulated clock.</summary>
public static class DemoCommand
{
    private static readonly DateTimeOffset ClockStart = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static Command Create()
    {
        var trace = new Option<string?>("--trace") { Description = "conversations in the Azure LLM trace format (TIMESTAMP,ContextTokens,GeneratedTokens); made up if absent" };
        var customers = CommandLine.Count("--customers", "N", $"how many customers the market has (default {DemoMarket.CustomersDefault})", 10, 100_000);
        var json = new Option<bool>("--json") { Description = "print the figures as one JSON object on standard output" };
        var connect = new Option<bool>("--connect") { Description = "play against running services (simulated clock) instead of starting them" };
        var planDesign = ServiceAddress.PlanDesign();
        var usage = ServiceAddress.Usage();
        var billing = ServiceAddress.Billing();
        var command = new Command("demo", "Solve a menu, publish it, meter a month, invoice it and audit it, on this machine")
        {
            trace, customers, json, connect, planDesign, usage, billing,
        };
        command.SetAction((result, ct) =>
        {
            var screen = new DemoScreen(result.GetValue(json));
            var start = result.GetValue(connect)
                ? _ => Task.FromResult(new Deployment(result.GetValue(planDesign)!, result.GetValue(usage)!, result.GetValue(billing)!))
                : (Func<DemoFolder, Task<Deployment>>)(folder => StartHereAsync(folder, screen, ct));
            return RunAsync(result.GetValue(trace), result.GetValue(customers) ?? DemoMarket.CustomersDefault, result.GetValue(json), screen, start, ct);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        string? trace, int customers, bool json, DemoScreen screen, Func<DemoFolder, Task<Deployment>> start, CancellationToken ct)
    {
        try
        {
            var observed = trace is null ? ConversationTrace.Synthetic() : ConversationTrace.Read(trace);
            var market = new DemoMarket(observed) { Customers = customers };
            using var folder = DemoFolder.Take();

            await using var deployment = await WhileStarting(start(folder), () =>
            {
                MenuPages.ShowMarket(screen, trace, observed);
                MenuPages.SolveAndShow(screen, market);
            });
            var figures = await new DemoStory(deployment, market, screen, folder.Path).PlayAsync(ct);

            screen.Title(figures.Faults.Count == 0 ? "Done" : "Something does not add up");
            foreach (var fault in figures.Faults) screen.Say(fault);
            if (json) await Console.Out.WriteLineAsync(figures.ToJson());
            return figures.Faults.Count == 0 ? 0 : 1;
        }
        catch (ServerUnavailableException e)
        {
            throw new UserException(e.Message);
        }
        catch (RpcException e)
        {
            throw new UserException(e.StatusCode == StatusCode.Unavailable
                ? $"a service does not answer ({e.Status.Detail}); are all three up, and at the addresses of --plan-design, --usage and --billing?"
                : e.Status.Detail);
        }
    }

    // The servers start while the menu is being solved; if that fails, they must still end.
    private static async Task<Deployment> WhileStarting(Task<Deployment> starting, Action work)
    {
        try
        {
            work();
            return await starting;
        }
        catch when (!starting.IsFaulted && !starting.IsCanceled)
        {
            await using var started = await starting;
            throw;
        }
    }

    private static async Task<Deployment> StartHereAsync(DemoFolder folder, DemoScreen screen, CancellationToken ct)
    {
        var servers = await LocalServerPair.StartAsync(folder.Root, screen.Say, ct);
        try
        {
            return await LocalDeployment.StartAsync(servers, ClockStart, Path.Combine(folder.Path, "services.log"), ct);
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }
}
