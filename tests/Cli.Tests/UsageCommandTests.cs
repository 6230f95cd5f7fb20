using System.Text.Json;
using Contracts.Messages;
using Contracts.Usage.V1;
using Grpc.Net.Client;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Owners;

namespace Cli.Tests;

/// <summary>billing usage against a usage service that runs.</summary>
public sealed class UsageCommandTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), Feb1 = Jan1.AddMonths(1), Mar1 = Jan1.AddMonths(2);
    private static readonly string Alice = Ids.Derive(Ids.Subscription, Jan1, "alice"), January = Ids.Derive(Ids.Period, Jan1, "alice", "0");
    private const string Generation = "gen_019b76daa8007000800000000000000a";

    [Fact]
    public async Task Usage_is_asked_for_and_corrected_from_the_command_line()
    {
        await using var host = await StartedHost.OfUsage(new() { ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z", ["Usage:BillingAddress"] = "http://127.0.0.1:1" });
        await host.Services.GetRequiredService<TermsSource>().StoreAsync(SnapshotTerms.Of(new SubscriptionChanged(
            Alice, 1, Ids.Derive(Ids.Customer, Jan1, "alice"), "active", Ids.Derive(Ids.Menu, Jan1, "menu"), Ids.Derive(Ids.Plan, Jan1, "small"),
            [new PublishedCap("billing_period", 1_000, ["output", "reasoning"], "hard")], [], new(January, 0, Jan1, Feb1), new(Ids.Derive(Ids.Period, Jan1, "alice", "1"), 1, Feb1, Mar1), Jan1)), default);
        using var channel = GrpcChannel.ForAddress(host.Endpoints().Grpc);
        var meter = new TokenMeter.TokenMeterClient(channel);
        var start = new Start { GenerationId = Generation, SubscriptionId = Alice, Conversation = "c,1", Model = "small \"model\"", Prompt = new TokenCounts { Input = 7 } };
        Assert.NotNull((await meter.AuthorizeAsync(new AuthorizeRequest { Start = start, TokensWanted = 300 })).Grant);
        await meter.SettleAsync(new SettleRequest { Finish = new Finish { GenerationId = Generation, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = 300 } } });
        var environment = BillingProcess.At("USAGE_ADDRESS", host.Endpoints().Grpc);
        Task<(int Exit, string Output, string Error)> Billing(params string[] args) => InProcess.RunAsync(environment, "", ["usage", .. args]);

        string[] who = ["--author", "ada", "--reason", "metered twice"];
        var amended = await DotnetProcess.RunAsync(BillingProcess.Dll, environment, "", ["usage", "amend", "--generation", Generation, "--output", "-100", "--key", "ticket 1", .. who, "--json"]);
        Assert.Equal((0, ""), (amended.Exit, amended.Error));
        Assert.Equal("-100", JsonDocument.Parse(amended.Output).RootElement.GetProperty("tokens").GetProperty("output").GetString());

        string[] january = ["--from", "2026-01-01", "--to", "2026-02-01"];
        var asked = await Task.WhenAll(
            Billing(["aggregate", .. january, "--by", "model", "--bucket", "day", "--csv"]), Billing("events", Alice, "--csv"), Billing("balance", Alice), Billing("balance", Alice, "--json"),
            Billing(["aggregate", .. january, "--by", "colour"]), Billing(["amend", "--generation", Generation, "--output", "-201", "--key", "ticket 2", .. who]),
            Billing("void", Generation, "--key", "ticket 3", "--author", "ada"));
        Assert.Equal([0, 0, 0, 0, 1, 1, 2], asked.Select(r => r.Exit));
        Assert.Equal(
            ["from,model,input,cached,cache_creation,output,reasoning,overrun,rows", "2026-01-01 00:00:00,\"small \"\"model\"\"\",7,0,0,200,0,0,3"],
            asked[0].Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        Assert.Equal(4, asked[1].Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("amend", asked[1].Output, StringComparison.Ordinal);
        Assert.Contains("ada: metered twice", asked[1].Output, StringComparison.Ordinal);
        Assert.Contains("billing_period", asked[2].Output, StringComparison.Ordinal);
        Assert.Equal("200", JsonDocument.Parse(asked[3].Output).RootElement.GetProperty("usedTokens").GetString());
        Assert.Contains("subscription, plan, model, kind, period", asked[4].Error, StringComparison.Ordinal);
        Assert.Contains("a correction cannot take away more", asked[5].Error, StringComparison.Ordinal);
        Assert.Contains("--reason", asked[6].Error, StringComparison.Ordinal);

        var first = await Billing("events", Alice, "--csv", "--limit", "2");
        Assert.Equal((0, 3), (first.Exit, first.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Contains("more rows than the first 2", first.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("more rows", asked[1].Error, StringComparison.Ordinal);

        var voided = await Billing(["void", Generation, "--key", "ticket 4", .. who, "--csv"]);
        Assert.Contains("-200", voided.Output, StringComparison.Ordinal);
        using (var watching = DotnetProcess.Start(BillingProcess.Dll, environment, "usage", "balance", Alice, "--watch", "--json"))
        {
            Assert.Contains("billing_period", await watching.StandardOutput.ReadLineAsync(), StringComparison.Ordinal);
            watching.Kill();
        }

        // Sums that lack what is out of sight say so, in each shape.
        Assert.DoesNotContain("complete", (await Billing(["aggregate", .. january, "--json"])).Output, StringComparison.Ordinal);
        Assert.Null(host.Services.GetRequiredService<BusinessClock>().MoveTo(Jan1.AddDays(60)));
        string[] shown = [];
        await Eventually.True(async () => (shown = (await Billing(["aggregate", .. january, "--json"])).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Length == 2, "the day is detached");
        Assert.Equal("2026-01-01T00:00:00.000001Z", JsonDocument.Parse(shown[1]).RootElement.GetProperty("completeFrom").GetString());
        Assert.Contains("complete from 2026-01-01 00:00:00.000001 on", (await Billing(["aggregate", .. january])).Output, StringComparison.Ordinal);
        var csv = await Billing(["aggregate", .. january, "--csv"]);
        Assert.DoesNotContain("complete", csv.Output, StringComparison.Ordinal);
        Assert.Contains("complete from", csv.Error, StringComparison.Ordinal);
        await host.StopAsync();
    }
}
