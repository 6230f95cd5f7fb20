using System.Text.Json;
using Billing.Host;
using Billing.Menus;
using Hosting;
using LocalServers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Cli.Tests;

/// <summary>billing customer and billing subscription, as processes, against a billing service that runs.</summary>
public sealed class SubscriptionCommandTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string Menu = Ids.Derive(Ids.Menu, Jan1, "menu"), Small = Ids.Derive(Ids.Plan, Jan1, "small"), Large = Ids.Derive(Ids.Plan, Jan1, "large");
    private static readonly string Acme = Ids.Derive(Ids.Customer, Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, Jan1, "acme");

    [Fact]
    public async Task A_subscription_is_started_previewed_changed_and_ended_from_the_command_line()
    {
        var (database, broker) = (await Servers.CreateDatabaseAsync(), await Servers.CreateVirtualHostAsync());
        await using var host = BillingHost.Build([], b =>
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
        Task<(int Exit, string Output, string Error)> Billing(params string[] args) => DotnetProcess.RunAsync(BillingProcess.Dll, BillingProcess.At("BILLING_ADDRESS", host.Endpoints().Grpc), "", args);

        Assert.Equal("acme", Json(await Billing("customer", "create", "--currency", "USD", "--reference", "acme", "--id", Acme, "--json")).GetProperty("reference").GetString());
        Assert.Equal(0, (await Billing("customer", "details", Acme, "--name", "Acme [GmbH]", "--line", "Ringstraße 1", "--city", "Berlin")).Exit);
        var started = Json(await Billing("subscription", "start", "--customer", Acme, "--menu", Menu, "--plan", Small, "--id", Theirs, "--json"));
        Assert.Equal("active", started.GetProperty("status").GetString());

        string[] toLarge = ["subscription", "change", Theirs, "--plan", Large, "--now"];
        var previews = await Task.WhenAll(Billing([.. toLarge, "--preview", "--json"]), Billing([.. toLarge, "--preview"]));
        Assert.Equal(31_000_000, Json(previews[0]).GetProperty("differenceMicros").GetInt64());
        Assert.Contains("changes by 31.00 USD", previews[1].Output, StringComparison.Ordinal);
        Assert.Equal(Large, Json(await Billing([.. toLarge, "--json"])).GetProperty("planId").GetString());
        Assert.Contains("active, ends 2026-02-01", (await Billing("subscription", "cancel", Theirs)).Output, StringComparison.Ordinal);

        var after = await Task.WhenAll(
            Billing("subscription", "list"), Billing("customer", "show", Acme), Billing("subscription", "change", Theirs, "--plan", Small),
            Billing("customer", "erase", Acme), Billing("customer", "show", Ids.Derive(Ids.Customer, Jan1, "nobody")));
        Assert.Equal([0, 0, 1, 1, 1], after.Select(r => r.Exit));
        Assert.Contains("active, ends 2026-02-01", after[0].Output, StringComparison.Ordinal);
        Assert.Contains("Acme [GmbH]", after[1].Output, StringComparison.Ordinal);
        Assert.Equal(["", "", ""], after[2..].Select(r => r.Output));
        Assert.Contains("(cancellation_scheduled); withdraw it with: billing subscription keep", after[2].Error, StringComparison.Ordinal);
        Assert.Contains($"billing customer erase {Acme} --yes", after[3].Error, StringComparison.Ordinal);
        Assert.Contains("billing customer list", after[4].Error, StringComparison.Ordinal);
        await host.StopAsync();
    }

    private static JsonElement Json((int Exit, string Output, string Error) result)
    {
        Assert.Equal((0, ""), (result.Exit, result.Error));
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
