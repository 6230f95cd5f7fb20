using System.Text.Json;

namespace EndToEnd.Tests;

public sealed class When_an_analyst_works_at_the_terminal
{
    private const string Market = """
        {"urgency":{"kind":"logNormal","mu":-2.5,"sigma":1.5},"answerTime":{"kind":"exponential","meanSeconds":10},"tokensPerSecond":30,"valuePerAnswer":2,
         "servingCostPerToken":2e-5,"typeCount":40,"capTokensMax":2000,"plansMax":3,"currency":"USD","conversationsPerPeriod":20}
        """;

    [Fact]
    public async Task A_menu_goes_on_sale_proves_itself_and_its_market_is_watched_but_never_changed()
    {
        await using var company = await Company.OpenAsync([]);
        await company.PublishMenuAsync();
        await company.SubscribeAsync(3);
        var folder = Directory.CreateTempSubdirectory("billing-analyst-");
        try
        {
            string File(string name) => Path.Combine(folder.FullName, name);

            // A draft by one person, put on sale by another; the same key drafts it once.
            string[] draft = ["menu", "publish", "-", "--name", "Chat", "--draft", "--key", "spring", "--json"];
            var menuId = Json(await Billing(company, Market, draft)).GetProperty("menuId").GetString()!;
            Assert.Equal(menuId, Json(await Billing(company, Market, draft)).GetProperty("menuId").GetString());
            var published = Json(await Billing(company, "", "menu", "publish", menuId, "--actor", "ada", "--json"));
            Assert.Equal("published", published.GetProperty("status").GetString());

            // It proves itself, from the service and from a file; an altered file is found.
            Assert.Equal(0, (await Billing(company, "", "menu", "show", menuId, "--out", File("menu.json"))).Exit);
            var key = published.GetProperty("signature").GetProperty("publicKey").GetString()!;
            foreach (var from in new[] { menuId, File("menu.json") })
                Assert.True(Json(await Billing(company, "", "menu", "verify", from, "--key", key, "--json")).GetProperty("intact").GetBoolean());
            await System.IO.File.WriteAllTextAsync(File("menu.json"), (await System.IO.File.ReadAllTextAsync(File("menu.json"))).Replace("\"ada\"", "\"eve\"", StringComparison.Ordinal));
            var (exit, altered, _) = await Billing(company, "", "menu", "verify", File("menu.json"));
            Assert.Equal(1, exit);
            Assert.StartsWith("publishedBy: was altered", altered, StringComparison.Ordinal);

            // What a rule costs stays with its draft, as it was solved; of one that nobody wants it is said who discarded it, and why.
            string[] rule = ["--cap-min", "800"];
            var ruled = Json(await Billing(company, Market, ["menu", "publish", "-", "--name", "Long caps", "--draft", .. rule, "--json"]));
            var costs = Json(await Billing(company, Market, ["menu", "solve", "-", "--round", "USD", "--conversations", "20", "--tiers", "3", .. rule, "--json"])).GetProperty("constraintCosts");
            Assert.Equal(["capTokensMin", "all"], costs.EnumerateArray().Select(c => c.GetProperty("constraint").GetString()));
            Assert.Equal(costs.EnumerateArray().Select(c => c.GetProperty("profitCost").GetDouble()), ruled.GetProperty("constraintCosts").EnumerateArray().Select(c => c.GetProperty("profitCost").GetDouble()));
            Assert.True(costs[0].GetProperty("profitCost").GetDouble() > 0);
            var ruledId = ruled.GetProperty("menuId").GetString()!;
            Assert.Contains("what each rule costs and brings in", (await Billing(company, "", "menu", "show", ruledId)).Output, StringComparison.Ordinal);
            var discarded = Json(await Billing(company, "", "menu", "retire", ruledId, "--actor", "ada", "--reason", "too few buy it", "--json"));
            Assert.Equal(("discarded", "ada", "too few buy it"), (discarded.GetProperty("status").GetString(), discarded.GetProperty("retiredBy").GetString(), discarded.GetProperty("retiredReason").GetString()));
            Assert.Contains($"Discarded {discarded.GetProperty("retiredAt").GetString()} by ada: too few buy it", (await Billing(company, "", "menu", "show", ruledId)).Output, StringComparison.Ordinal);

            // Customers come from billing and lengths from usage; too little data is said, not guessed.
            (exit, var said, var error) = await Billing(company, "", "menu", "estimate", "--menu", company.Menu.MenuId, "--json");
            Assert.Equal(1, exit);
            var estimate = JsonDocument.Parse(said).RootElement;
            Assert.Equal(("too_few_conversations", 3), (estimate.GetProperty("outcome").GetString(), estimate.GetProperty("customers").GetInt64()));
            Assert.StartsWith("billing: the data cannot tell (too_few_conversations)", error, StringComparison.Ordinal);

            // The watch remembers, look after look, until there is enough to compare with.
            await company.AdvanceAsync(Company.Jan1.AddDays(1));
            string[] watch = ["menu", "watch", company.Menu.MenuId, "--once", "--state", File("watch.json")];
            Assert.Contains("remembered 0 conversations and 3 customers", (await Billing(company, "", watch)).Output, StringComparison.Ordinal);
            var (looked, look, _) = await Billing(company, "", watch);
            Assert.Equal(0, looked);
            Assert.Contains("remembered 0 conversations and 3 customers to compare with, and goes on: that takes 30 answered conversations and 50 customers", look, StringComparison.Ordinal);
            var menus = Json(await Billing(company, "", "menu", "show", "--json")).GetProperty("menus").EnumerateArray().ToArray();
            Assert.Equal(new[] { menuId, ruledId, company.Menu.MenuId }.Order(), menus.Select(m => m.GetProperty("menuId").GetString()!).Order());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static JsonElement Json((int Exit, string Output, string Error) result)
    {
        Assert.Equal((0, ""), (result.Exit, result.Error));
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private static Task<(int Exit, string Output, string Error)> Billing(Company company, string input, params string[] args) => company.CommandAsync(input, args);
}
