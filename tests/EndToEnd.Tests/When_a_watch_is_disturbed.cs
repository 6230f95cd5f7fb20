using System.Text.Json;
using System.Text.Json.Nodes;

namespace EndToEnd.Tests;

/// <summary>A watch is left alone for months: it outlives what passes, and ends with what does not.</summary>
public sealed class When_a_watch_is_disturbed
{
    private static readonly TimeSpan Within = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task It_waits_for_services_that_are_away_and_ends_when_its_menu_is_retired()
    {
        await using var company = await Company.OpenAsync([Company.PlanDesign]);
        await company.PublishMenuAsync();
        await company.SubscribeAsync(3);
        await company.AdvanceAsync(Company.Jan1.AddDays(1));
        var folder = Directory.CreateTempSubdirectory("billing-watch-");
        await company.Apart(Company.PlanDesign).KillAsync();
        using var watch = company.StartCommand("menu", "watch", company.Menu.MenuId, "--state", Path.Combine(folder.FullName, "state.json"), "--every", "1s", "--json");
        try
        {
            foreach (var pause in new[] { 1, 2 })
                Assert.Equal($"billing: plan design does not answer at {company.Address(Company.PlanDesign)}: start it, or say where it is with --plan-design; looking again in {pause} s", await watch.StandardError.ReadLineAsync().WaitAsync(Within));
            await company.Apart(Company.PlanDesign).StartAsync();
            await company.ReadyAsync(Company.PlanDesign);
            var first = await LookAsync(watch);
            Assert.Equal(("remembered", 3, company.Menu.MenuId), (first.GetProperty("decision").GetString(), first.GetProperty("customers").GetInt32(), first.GetProperty("menuId").GetString()));
            var second = await LookAsync(watch);
            Assert.Equal(("remembered", 3), (second.GetProperty("decision").GetString(), second.GetProperty("customers").GetInt32()));

            await company.Deployment.PlanDesign.RetireMenuAsync(new() { MenuId = company.Menu.MenuId, Actor = "ada", Reason = "a better one is on sale" });
            var error = await watch.StandardError.ReadToEndAsync().WaitAsync(Within);
            await watch.WaitForExitAsync();
            Assert.Equal(1, watch.ExitCode);
            Assert.EndsWith($"billing: {company.Menu.MenuId} was retired, and nobody chooses from it any more: watch the menu that is on sale\n", error, StringComparison.Ordinal);
        }
        finally
        {
            if (!watch.HasExited) watch.Kill();
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Those_who_bought_nothing_are_counted_with_those_who_bought_and_never_fewer_than_before()
    {
        await using var company = await TwoBoughtYesterday();
        var folder = Directory.CreateTempSubdirectory("billing-watch-");
        try
        {
            var without = Path.Combine(folder.FullName, "without.txt");
            string[] watch = ["menu", "watch", company.Menu.MenuId, "--state", Path.Combine(folder.FullName, "state.json"), "--once"];
            string[] counted = [.. watch, "--without-plan", without, "--fit", "turnbull", "--draws", "20", "--seed", "7", "--on", "schedule", "--csv"];
            await File.WriteAllTextAsync(without, "40\n");
            var rows = (await company.CommandAsync("", counted)).Output.Split('\n');
            Assert.StartsWith("at,menu,decision,conversations,customers,lengths_p,plan_shares_p,threshold,", rows[0], StringComparison.Ordinal);
            Assert.StartsWith($"2026-01-02T00:00:00Z,{company.Menu.MenuId},remembered,0,42,", rows[1], StringComparison.Ordinal);
            await File.WriteAllTextAsync(without, "55");
            Assert.StartsWith($"2026-01-02T00:00:00Z,{company.Menu.MenuId},remembered,0,57,", (await company.CommandAsync("", counted)).Output.Split('\n')[1], StringComparison.Ordinal);

            Assert.Contains("was begun with --without-plan", (await company.CommandAsync("", watch)).Error, StringComparison.Ordinal);
            Assert.Contains("--without-plan is 39, and was 55 before", (await company.CommandAsync("", [.. watch, "--without-plan", "39"])).Error, StringComparison.Ordinal);
            Assert.Contains("is neither a whole number nor a file that holds one", (await company.CommandAsync("", [.. watch, "--without-plan", Path.Combine(folder.FullName, "state.json")])).Error, StringComparison.Ordinal);
            var (exit, _, error) = await company.CommandAsync("", [.. watch[..^1], "--without-plan", "40"]);
            Assert.Equal(2, exit);
            Assert.Contains("--without-plan with a number needs --once", error, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_draft_that_is_refused_for_good_is_given_up_and_the_watch_looks_on()
    {
        await using var company = await TwoBoughtYesterday();
        var folder = Directory.CreateTempSubdirectory("billing-watch-");
        try
        {
            var file = Path.Combine(folder.FullName, "state.json");
            string[] watch = ["menu", "watch", company.Menu.MenuId, "--state", file, "--once", "--json"];
            Assert.Equal(0, (await company.CommandAsync("", watch)).Exit);
            // A cap that the service takes for no market, whoever asks and whenever.
            var state = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
            state["pending"] = new JsonObject
            {
                ["key"] = "watch-too-large",
                ["request"] = """
                    {"name":"Chat","currency":"USD","conversationsPerPeriod":20,"market":{"urgency":{"uniform":{"to":1}},"answerTime":{"exponential":{"meanSeconds":5},"capTokensMax":131072},"tokensPerSecond":20,"valuePerAnswer":1}}
                    """,
            };
            await File.WriteAllTextAsync(file, state.ToJsonString());
            var (exit, output, error) = await company.CommandAsync("", watch);
            Assert.Equal((0, ""), (exit, error));
            var look = JsonDocument.Parse(output).RootElement;
            Assert.Equal(("remembered", 2), (look.GetProperty("decision").GetString(), look.GetProperty("customers").GetInt32()));
            Assert.StartsWith("what an earlier look wanted drafted is given up: plan design refuses it", look.GetProperty("sentence").GetString(), StringComparison.Ordinal);
            Assert.Contains("PlanDesign__CapTokensMax", look.GetProperty("sentence").GetString(), StringComparison.Ordinal);
            Assert.DoesNotContain("watch-too-large", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
            Assert.DoesNotContain("given up", (await company.CommandAsync("", watch)).Output, StringComparison.Ordinal);

            await File.WriteAllTextAsync(file, "null");
            Assert.Contains("holds no state of a watch", (await company.CommandAsync("", watch)).Error, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_draft_that_takes_too_long_every_time_is_given_up_and_the_watch_looks_on()
    {
        await using var company = await TwoBoughtYesterday(("PlanDesign:SolveSecondsMax", "3"));
        var folder = Directory.CreateTempSubdirectory("billing-watch-");
        try
        {
            var file = Path.Combine(folder.FullName, "state.json");
            string[] watch = ["menu", "watch", company.Menu.MenuId, "--state", file, "--once", "--json"];
            Assert.Equal(0, (await company.CommandAsync("", watch)).Exit);
            await WriteAsync(tooLong: 0);
            var (exit, output, error) = await company.CommandAsync("", watch);
            Assert.True(exit == 1, output);
            Assert.Contains("PlanDesign__SolveSecondsMax", error, StringComparison.Ordinal);
            Assert.Equal(1, Pending()!["tooLong"]!.GetValue<int>());

            await WriteAsync(tooLong: 2);
            (exit, output, error) = await company.CommandAsync("", watch);
            Assert.Equal((0, ""), (exit, error));
            var sentence = JsonDocument.Parse(output).RootElement.GetProperty("sentence").GetString();
            Assert.StartsWith("what an earlier look wanted drafted is given up: plan design refuses it", sentence, StringComparison.Ordinal);
            Assert.Contains(": 3 times, waiting and computing took more than 3 seconds", sentence, StringComparison.Ordinal);
            Assert.Null(Pending());

            JsonNode? Pending() => JsonNode.Parse(File.ReadAllText(file))!["pending"];

            async Task WriteAsync(int tooLong)
            {
                var state = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
                state["pending"] = new JsonObject
                {
                    ["key"] = "watch-too-long",
                    ["tooLong"] = tooLong,
                    // As much as the service takes for one call: far more than it can do in these seconds.
                    ["request"] = """
                        {"name":"Chat","currency":"USD","conversationsPerPeriod":20,"plansMax":6,"market":{"urgency":{"logNormal":{"mu":-2.5,"sigma":1.5},"typeCount":2000},"answerTime":{"exponential":{"meanSeconds":500},"capTokensMax":32768},"tokensPerSecond":20,"valuePerAnswer":1}}
                        """,
                };
                await File.WriteAllTextAsync(file, state.ToJsonString());
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<JsonElement> LookAsync(System.Diagnostics.Process watch) => JsonDocument.Parse((await watch.StandardOutput.ReadLineAsync().WaitAsync(Within))!).RootElement;

    private static async Task<Company> TwoBoughtYesterday(params (string, string)[] settings)
    {
        var company = await Company.OpenAsync([], settings);
        await company.PublishMenuAsync();
        await company.SubscribeAsync(2);
        await company.AdvanceAsync(Company.Jan1.AddDays(1));
        return company;
    }
}
