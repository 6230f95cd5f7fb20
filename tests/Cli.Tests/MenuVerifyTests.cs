using System.Text.Json;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using PlanDesign;
using PlanDesign.Comparison;
using PlanDesign.Host;
using PlanDesign.Menus;
using PlanDesign.Screening;
using static Cli.Tests.BillingProcess;

namespace Cli.Tests;

public sealed class MenuVerifyTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"signed-{Environment.ProcessId}.json");

    public void Dispose() => File.Delete(_file);

    private static string Signed()
    {
        var (at, currency, market) = (new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), Currency.Parse("USD"), MarketJson.Read(Worked).Market!);
        var (menuId, solution) = (Ids.Derive(Ids.Menu, at, "cli"), MenuSolver.Solve(market, DraftMenuDecision.OptionsFor(3, currency, 20)));
        var events = DraftMenuDecision.Decide(new(menuId, "Chat", market, 3, currency, 20, [], solution, TariffComparison.Of(market, solution), at), MenuState.Initial).Events;
        var document = MenuDocument.Of(menuId, (MenuDrafted)events[0], (MenuSolved)events[1], "ada", at);
        using var signer = new MenuSigner(Options.Create(new PlanDesignOptions()), new HostingEnvironment { EnvironmentName = "Test" }, NullLogger<MenuSigner>.Instance);
        return SignedMenu.Write(document, signer.Sign(document));
    }

    [Fact]
    public async Task A_published_menu_is_verified_offline_and_what_was_altered_is_named()
    {
        var signed = Signed();
        await File.WriteAllTextAsync(_file, signed);
        var (exit, output, error) = await Run("", "menu", "verify", _file);
        Assert.Equal((0, ""), (exit, error));
        foreach (var words in new[] { "\"Chat\": all intact", "signature", "no such menu earns more than 10.96", "2 fees in whole USD minor units" }) Assert.Contains(words, output, StringComparison.Ordinal);

        // Intact by the key that the file itself names is not intact by the seller's: programs are told which it was.
        foreach (var (key, intact) in new[] { (null, true), (JsonDocument.Parse(signed).RootElement.GetProperty("signature").GetProperty("publicKey").GetString(), true), ("somebody-else", false) })
        {
            (exit, output, _) = await Run("", ["menu", "verify", _file, "--json", .. key is null ? Array.Empty<string>() : ["--key", key]]);
            Assert.Equal((intact ? 0 : 1, intact, key is not null), (exit, JsonDocument.Parse(output).RootElement.GetProperty("intact").GetBoolean(), JsonDocument.Parse(output).RootElement.GetProperty("keyChecked").GetBoolean()));
        }

        await File.WriteAllTextAsync(_file, signed.Replace("Ed25519", "\\ud800", StringComparison.Ordinal));
        (exit, output, error) = await Run("", "menu", "verify", _file);
        Assert.Equal((1, ""), (exit, error));
        Assert.Matches("^byte [0-9]+: is where a text begins that is no Unicode", output);

        await File.WriteAllTextAsync(_file, signed.Replace("\"periodFeeMicros\":524000000", "\"periodFeeMicros\":424000000", StringComparison.Ordinal));
        (exit, output, _) = await Run("", "menu", "verify", _file, "--json");
        Assert.Equal(1, exit);
        Assert.Contains(JsonDocument.Parse(output).RootElement.GetProperty("findings").EnumerateArray(), f => f.GetProperty("field").GetString() == "plans[0].periodFeeMicros");
    }

    [Theory]
    [InlineData("no-such-file.json: no such file", "menu", "verify", "no-such-file.json")]
    [InlineData("plan design does not answer at http://127.0.0.1:1/", "menu", "show", "--plan-design", "http://127.0.0.1:1")]
    [InlineData("plan design does not answer at http://127.0.0.1:1/", "menu", "verify", "menu_00000000000000000000000000000000", "--plan-design", "http://127.0.0.1:1")]
    [InlineData("--name is missing", "menu", "publish", "-", "--round", "USD", "--conversations", "20")]
    [InlineData("--round and --conversations are missing", "menu", "publish", "-", "--name", "Chat")]
    [InlineData("conversations: is missing", "menu", "estimate", "-")]
    [InlineData("nothing is not menu_ and 32 lower-case hex digits", "menu", "watch", "nothing", "--state", "x", "--once")]
    [InlineData("--gain-min must be an amount of money", "menu", "watch", "menu_00000000000000000000000000000000", "--state", "x", "--once", "--gain-min", "nan")]
    [InlineData("/no/such/folder/menu.html cannot be written", "menu", "report", "-", "--out", "/no/such/folder/menu.html")]
    public async Task What_cannot_be_done_gets_one_line(string line, params string[] args)
    {
        var (exit, output, error) = await Run(Worked, args);
        Assert.Equal((1, ""), (exit, output));
        Assert.StartsWith($"billing: {line}", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    /// <summary>How busy a service is passes, what it was asked for does not.</summary>
    [Theory]
    [InlineData(Grpc.Core.StatusCode.ResourceExhausted, "market_too_large", false), InlineData(Grpc.Core.StatusCode.ResourceExhausted, "solves_too_many", true), InlineData(Grpc.Core.StatusCode.ResourceExhausted, "solve_too_long", true)]
    [InlineData(Grpc.Core.StatusCode.InvalidArgument, "menu_invalid", false), InlineData(Grpc.Core.StatusCode.Unavailable, null, true), InlineData(Grpc.Core.StatusCode.ResourceExhausted, null, true)]
    public void A_refusal_passes_by_its_reason(Grpc.Core.StatusCode status, string? reason, bool passes) => Assert.Equal(passes, Commands.PlanDesignCalls.MayPass(status, reason));

    [Fact]
    public async Task A_market_is_learned_from_a_file_and_can_be_solved()
    {
        int[] tokens = [.. Enumerable.Range(0, 300).Select(n => (int)Math.Ceiling(-50 * Math.Log(1 - (n + 0.5) / 300)))];
        var observed = JsonSerializer.Serialize(new
        {
            conversations = new { tokens = tokens.Select(t => Math.Min(t, 200)), cut = tokens.Select(t => t > 200), customers = Enumerable.Range(0, 300).Select(n => n / 3) },
            menus = new[] { new { plans = new[] { new { capTokens = 150, pricePerConversation = 1.0, customers = 420 }, new { capTokens = 40, pricePerConversation = 0.55, customers = 260 } }, customersWithoutPlan = 120 } },
            tokensPerSecond = 5, valuePerAnswer = 2, servingCostPerToken = 0.0001,
        });
        var (exit, output, error) = await Run(observed, "menu", "estimate", "-", "--draws", "40", "--tiers", "3", "--json", "--out", _file);
        Assert.Equal((0, ""), (exit, error));
        var report = JsonDocument.Parse(output).RootElement;
        Assert.Equal(("estimated", 800), (report.GetProperty("outcome").GetString(), report.GetProperty("customers").GetInt64()));
        Assert.Contains(report.GetProperty("figures").EnumerateArray(), f => f.GetProperty("name").GetString() == "mu");
        var (_, solved, _) = await Run(await File.ReadAllTextAsync(_file), "menu", "solve", "-", "--tiers", "3", "--json");
        Assert.Equal(
            report.GetProperty("next").GetProperty("tiers").EnumerateArray().Select(t => t.GetProperty("capTokens").GetInt32()),
            JsonDocument.Parse(solved).RootElement.GetProperty("tiers").EnumerateArray().Select(t => t.GetProperty("capTokens").GetInt32()));
    }
}
