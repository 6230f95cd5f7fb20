using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using static Cli.Tests.BillingProcess;

namespace Cli.Tests;

/// <summary>The menu beside other tariffs, as JSON, as rows and as a page: the same figures everywhere.</summary>
public sealed partial class MenuCompareTests
{
    private static async Task<JsonElement> Json(string input, params string[] args)
    {
        var (exit, output, error) = await Run(input, [.. args, "--json"]);
        Assert.Equal((0, ""), (exit, error));
        return JsonDocument.Parse(output).RootElement;
    }

    [Fact]
    public async Task Every_other_way_of_charging_is_compared_by_who_wins_and_who_loses()
    {
        var report = await Json(Worked, "menu", "compare", "-", "--running", "2:20");
        var tariffs = report.GetProperty("tariffs").EnumerateArray().ToDictionary(t => t.GetProperty("kind").GetString()!);
        Assert.Equal(["menu", "menuWithoutLimit", "onePlan", "payPerToken", "twoPartTariff", "flatFee", "tokenMarket", "runningMenu"], tariffs.Keys);
        double Of(string kind, string field) => Math.Round(tariffs[kind].GetProperty(field).GetDouble(), 9);
        Assert.Equal((10.96, 9.6, 7.6, 5.1), (Of("menu", "profit"), Of("onePlan", "profit"), Of("tokenMarket", "profit"), Of("runningMenu", "profit")));
        // The patient keep 34.2 − 26.2 = 8 of the menu, 34.2 − 15 = 19.2 of one plan, 34.2 − 20 = 14.2 of the running one.
        Assert.Equal((2.4, 0.3, 11.2, 6.2), (Of("menu", "consumerSurplus"), Of("onePlan", "shareWorse"), Of("onePlan", "meanLoss"), Of("runningMenu", "meanLoss")));
        Assert.Equal([-11.2, 0, 0], tariffs["onePlan"].GetProperty("gainByType").EnumerateArray().Select(g => Math.Round(g.GetDouble(), 9)));
        Assert.Equal([0.875912409, 1], report.GetProperty("planCounts").EnumerateArray().Select(c => Math.Round(c.GetProperty("shareOfOptimum").GetDouble(), 9)));
        // The second token is dearer than the first, 16.2 against 10, and no simpler tariff earns more.
        Assert.Equal(
            ["a further token costs more on a longer plan", "the two-part tariff is the best one found: no fee and price earn more than 9.60"],
            report.GetProperty("notices").EnumerateArray().Zip([43, 79], (notice, letters) => notice.GetString()![..letters]));
    }

    [Fact]
    public async Task Where_a_menu_of_few_plans_loses_the_report_says_so()
    {
        var market = """{"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"exponential","meanSeconds":5},"tokensPerSecond":5,"valuePerAnswer":1,"servingCostPerToken":0,"typeCount":50}""";
        var report = await Json(market, "menu", "compare", "-", "--tiers", "1", "--plans-max", "2");
        Assert.Contains(report.GetProperty("notices").EnumerateArray(), n => n.GetString()!.StartsWith("earning more per conversation than this menu: ", StringComparison.Ordinal) && n.GetString()!.Contains("two-part tariff (", StringComparison.Ordinal));
        Assert.Equal(2, report.GetProperty("planCounts").GetArrayLength());
    }

    [Fact]
    public async Task Rules_and_conversations_may_stand_in_the_file_or_on_the_command_line()
    {
        var inFile = Worked.TrimEnd('}', '\n', ' ') + ""","constraints":{"capTokensMax":1},"conversationsPerPeriod":[30,20,5]}""";
        var onLine = await Json(Worked, "menu", "solve", "-", "--cap-max", "1", "--conversations", "30,20,5");
        Assert.Equal(onLine.GetRawText(), (await Json(inFile, "menu", "solve", "-")).GetRawText());
        Assert.Equal(["capTokensMax", "all"], onLine.GetProperty("constraintCosts").EnumerateArray().Select(c => c.GetProperty("constraint").GetString()));
        // 9 and 10 of 20 conversations at 10, each costing 2: 0.95 · 8 = 7.6; a patient customer pays 30 of them.
        Assert.Equal(7.6, onLine.GetProperty("profit").GetDouble(), 1e-9);
        Assert.Equal([300, 200, 0], onLine.GetProperty("period").GetProperty("feeByType").EnumerateArray().Select(f => Math.Round(f.GetDouble(), 9)));
    }

    [Fact]
    public async Task Rows_for_spreadsheets_have_every_digit()
    {
        var (_, plans, _) = await Run(Worked, "menu", "solve", "-", "--round", "USD", "--conversations", "20", "--csv");
        Assert.Equal(3, plans.TrimEnd('\n').Split('\n').Length);
        Assert.StartsWith("cap_tokens,price_per_conversation,fee_minor_units_per_period,share,", plans, StringComparison.Ordinal);
        Assert.Contains("\n2,26.2,52400,0.3,0.10536051565782628,", plans, StringComparison.Ordinal);
        var (_, tariffs, _) = await Run(Worked, "menu", "compare", "-", "--csv");
        Assert.Equal(8, tariffs.TrimEnd('\n').Split('\n').Length);
        Assert.Contains("\nflatFee,9.6", tariffs, StringComparison.Ordinal);
    }

    private const string Continuous = """{"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"exponential","meanSeconds":5},"tokensPerSecond":5,"valuePerAnswer":1,"servingCostPerToken":0.001,"typeCount":50}""";

    [Fact]
    public async Task A_continuous_market_is_bounded_itself_and_not_only_the_types_that_stand_for_it()
    {
        var (_, output, _) = await Run(Continuous, "menu", "solve", "-", "--tiers", "2");
        var certificate = (await Json(Continuous, "menu", "solve", "-", "--tiers", "2")).GetProperty("certificate");
        var (types, market) = (certificate.GetProperty("upperBound").GetDouble(), certificate.GetProperty("densityUpperBound").GetDouble());
        Assert.True(market > 1.01 * types);
        var words = string.Join(' ', output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"at the 50 types that stand for the market no such menu earns more than {types:G6}"), words, StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"in the market itself none more than {market:G6}"), words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_frontier_says_what_capacity_earns_and_what_a_gpu_less_costs()
    {
        string[] command = ["menu", "frontier", "-", "--tiers", "2", "--conversations-per-second", "100", "--gpu", "300", "--capacity", "500"];
        var report = await Json(Continuous, command);
        var capacity = report.GetProperty("capacity").EnumerateArray().ToArray();
        Assert.Equal(11, capacity.Length);
        Assert.Equal((await Json(Continuous, "menu", "solve", "-", "--tiers", "2")).GetProperty("profit").GetDouble(), capacity[^1].GetProperty("profit").GetDouble(), 1e-12);
        Assert.Equal(500, report.GetProperty("today").GetProperty("tokensPerSecond").GetDouble(), 1e-6);
        Assert.True(report.GetProperty("gpus")[0].GetProperty("oneLessCostsPerSecond").GetDouble() > 0);
        var (_, table, _) = await Run(Continuous, command);
        foreach (var words in new[] { "what capacity earns", "what a GPU less costs", "Today's 500 tokens a second", "what the cost of a token earns" }) Assert.Contains(words, table, StringComparison.Ordinal);
        var (_, rows, _) = await Run(Continuous, [.. command, "--csv"]);
        Assert.Equal(12, rows.TrimEnd('\n').Split('\n').Length);
        var (exit, _, error) = await Run(Continuous, "menu", "frontier", "-", "--capacity", "500");
        Assert.Equal(1, exit);
        Assert.StartsWith("billing: conversationsPerSecond: is missing", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_holds_the_figures_of_the_comparison_and_needs_nothing_else()
    {
        var file = Path.Combine(Path.GetTempPath(), $"menu-{Environment.ProcessId}.html");
        try
        {
            var (exit, output, _) = await Run(Worked, "menu", "report", "-", "--out", file, "--title", "Chat <3");
            Assert.Equal((0, ""), (exit, output));
            var page = await File.ReadAllTextAsync(file);
            var figures = Figures().Matches(page).GroupBy(m => m.Groups[1].Value)
                .ToDictionary(g => g.Key, g => double.Parse(g.First().Groups[2].Value, CultureInfo.InvariantCulture));
            var report = await Json(Worked, "menu", "compare", "-");
            foreach (var tariff in report.GetProperty("tariffs").EnumerateArray())
                foreach (var field in new[] { "profit", "revenue", "servingCost", "consumerSurplus" })
                    Assert.Equal(tariff.GetProperty(field).GetDouble(), figures[$"{tariff.GetProperty("kind").GetString()}.{field}"]);
            Assert.Equal((report.GetProperty("menu").GetProperty("profit").GetDouble(), 26.2, 2), (figures["profit"], Math.Round(figures["plans[0].price"], 12), figures["plans[0].capTokens"]));
            Assert.Equal(report.GetProperty("menu").GetProperty("certificate").GetProperty("upperBound").GetDouble(), figures["certificate.upperBound"]);
            Assert.Equal(7, page.Split("<svg").Length - 1);
            Assert.Contains("No menu of this kind earns more than", page, StringComparison.Ordinal);
            Assert.Equal(10.96, figures["frontier[1].profit"], 1e-9);
            Assert.Contains("Chat &lt;3", page, StringComparison.Ordinal);
            // No script, no network: nothing that fetches anything.
            foreach (var fetched in new[] { "<script", "<link", "<img", "src=", "url(", "@import" }) Assert.DoesNotContain(fetched, page, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Where_types_differ_in_conversations_shares_say_what_they_are_of()
    {
        string[] options = ["--conversations", "100,10,1"];
        var (_, table, _) = await Run(Worked, ["menu", "compare", "-", .. options]);
        foreach (var words in new[] { "conversations", "share of customers", "share of conversations" }) Assert.Contains(words, table, StringComparison.Ordinal);
        var page = await Page(Worked, options);
        var figures = Figures().Matches(page).GroupBy(m => m.Groups[1].Value).ToDictionary(g => g.Key, g => double.Parse(g.First().Groups[2].Value, CultureInfo.InvariantCulture));
        // The patient alone buy: 0.3 of customers, who have 30 of 35.2 conversations.
        Assert.Equal((0.852273, 0.3, 0.3), (Math.Round(figures["shareServed"], 6), figures["shareOfCustomersServed"], figures["plans[0].shareOfCustomers"]));
        foreach (var words in new[] { "30.0 % of customers buy, who have 85.2 % of all conversations", "of conversations served", "of customers served", "<th>price a period</th>", "of conversations buy nothing", "shares of conversations", "share of conversations; urgency there", "85.2 % of conversations: ", "<th>conversations served</th><th>customers served</th>" })
            Assert.Contains(words, page, StringComparison.Ordinal);
        Assert.DoesNotContain("85.2 % of the market buys", page, StringComparison.Ordinal);
        var same = await Page(Worked, ["--conversations", "20"]);
        foreach (var words in new[] { "80.0 % of the market buys.", "of customers served", "of customers buy nothing" }) Assert.Contains(words, same, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_there_is_no_plan_the_page_says_so_and_what_the_rules_cost()
    {
        // As solve and compare do: that nothing is worth selling is an answer, not an error.
        var ruled = await Page(Worked, "--price-min", "39", "--round", "JPY", "--conversations", "2");
        foreach (var words in new[] { "There is no plan worth offering.", "No plan that keeps the rules on prices earns more than it costs to generate", "What each rule costs", "Why this can be believed" })
            Assert.Contains(words, ruled, StringComparison.Ordinal);
        var figures = Figures().Matches(ruled).ToDictionary(m => m.Groups[1].Value, m => double.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture));
        Assert.Equal((10.9, -0.8, 9.6), (Math.Round(figures["rules.priceMin.profitCost"], 9), Math.Round(figures["rules.priceMin.shareServedGain"], 9), Math.Round(figures["onePlan.profit"], 9)));
        // What costs more than any answer is worth earns nothing under no tariff.
        var dear = await Page(Worked.Replace("\"servingCostPerToken\":2", "\"servingCostPerToken\":200", StringComparison.Ordinal));
        Assert.Contains("This market is not worth serving", dear, StringComparison.Ordinal);
        Assert.DoesNotContain("Against other ways of charging", dear, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_words_of_a_chart_reach_beyond_its_edges()
    {
        const string longCaps = """
            {"urgency":{"kind":"uniform","from":0.0001,"to":0.05},"answerTime":{"kind":"exponential","meanSeconds":300},"tokensPerSecond":50,"valuePerAnswer":0.25,"servingCostPerToken":1e-6,"typeCount":40,"capTokensMax":20000}
            """;
        AreWithin(await Page(longCaps, "--tiers", "4"));
        var page = await Page(Worked, ["--conversations", "100,10,1", "--nobody-excluded"]);
        AreWithin(page);
        foreach (var words in new[] { ">profit</text>", ">spent on serving</text>", ">at most 14.95</text>" }) Assert.Contains(words, page, StringComparison.Ordinal);
    }

    private static void AreWithin(string page)
    {
        // A letter is at most 7 units wide on a phone, where they are largest beside the drawing.
        const double letter = 7;
        foreach (Match drawing in Drawings().Matches(page))
            foreach (Match text in Words().Matches(drawing.Groups[2].Value))
            {
                var (x, anchor, words) = (double.Parse(text.Groups[1].Value, CultureInfo.InvariantCulture), text.Groups[2].Value, System.Net.WebUtility.HtmlDecode(text.Groups[3].Value));
                var from = x - words.Length * letter * (anchor == "end" ? 1 : anchor == "middle" ? 0.5 : 0);
                Assert.True(from >= 0 && from + words.Length * letter <= double.Parse(drawing.Groups[1].Value, CultureInfo.InvariantCulture), $"\"{words}\" is cut off: from {from} to {from + words.Length * letter}");
            }
    }

    [Fact]
    public async Task A_free_tier_is_no_plan_that_is_counted()
    {
        // One plan for sale beside the free tier: the bar of one plan is the menu's.
        var page = await Page(Worked, "--free-tier", "1");
        Assert.Matches("class=\"plan0\"[^>]*><title>1 plan earns ", page);
        Assert.DoesNotMatch("class=\"plan0\"[^>]*><title>2 plans earn ", page);
    }

    [Fact]
    public async Task Under_rules_on_prices_the_page_gives_their_bound_and_does_not_say_that_steps_cost_what_they_are_worth()
    {
        const string market = """
            {"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"exponential","meanSeconds":5},"tokensPerSecond":2,"valuePerAnswer":1,"servingCostPerToken":0.001,"typeCount":20,"capTokensMax":40}
            """;
        string[] options = ["--tiers", "2", "--round", "USD", "--conversations", "1"];
        var (free, ruled) = (await Page(market, options), await Page(market, [.. options, "--price-max", "0.1"]));
        Assert.Contains("Each step up costs what it is worth to the most urgent customer who takes it, down to whole minor units.", free, StringComparison.Ordinal);
        Assert.DoesNotContain("rounding.upperBound", free, StringComparison.Ordinal);
        Assert.Contains("Each step up costs at most what it is worth", ruled, StringComparison.Ordinal);
        Assert.DoesNotContain("Each step up costs what it is worth", ruled, StringComparison.Ordinal);
        var figures = Figures().Matches(ruled).GroupBy(m => m.Groups[1].Value).ToDictionary(g => g.Key, g => double.Parse(g.First().Groups[2].Value, CultureInfo.InvariantCulture));
        Assert.Equal(figures["rounding.upperBound"] - figures["profit"], figures["rounding.gap"], 1e-12);
        var menu = await Json(market, ["menu", "solve", "-", .. options, "--price-max", "0.1"]);
        Assert.Equal(menu.GetProperty("rounding").GetProperty("upperBound").GetDouble(), figures["rounding.upperBound"]);
    }

    /// <summary>The bound that was proved tightest, and of what it is.</summary>
    [Theory]
    // At exact prices the two plans earn 10.96; a fee of at most 12, for two conversations in whole yen, 0.8 · (12 − 3).
    [InlineData("--round JPY --conversations 2 --price-max 12", "Certificate: no menu in minor units that keeps the rules on prices earns more than 7.2 (gap 0), at exact prices without those rules none more than 10.96;")]
    [InlineData("--round JPY --conversations 1", "Certificate: no menu in minor units earns more than 10.9 (gap 0), at exact prices none more than 10.96;")]
    // 26.20 and 10.00 are whole cents already.
    [InlineData("--round USD --conversations 1", "Certificate: no such menu earns more than 10.96 (gap")]
    public async Task The_bound_that_was_proved_tightest_is_printed_and_said_to_be_of_what(string options, string words)
    {
        var (_, output, _) = await Run(Worked, ["menu", "solve", "-", .. options.Split(' ')]);
        Assert.Contains(words, string.Join(' ', output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_is_not_certified_has_no_figures_in_any_form()
    {
        const string nearThreshold = """
            {"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"greedy","prior":0.102,"lower":0.1,"upper":0.9,"informationPerSecond":0.01},
             "tokensPerSecond":500,"valuePerAnswer":1,"servingCostPerToken":0,"typeCount":8,"capTokensMax":20}
            """;
        const string notice = "the certificate does not hold for the best menu of the diffusion process: it has no figures";
        var report = await Json(nearThreshold, "menu", "compare", "-", "--plans-max", "1");
        var diffusion = report.GetProperty("processes")[1];
        Assert.Equal(["kind", "meanSeconds", "exitReason"], diffusion.EnumerateObject().Select(f => f.Name));
        Assert.Equal("notCertified", diffusion.GetProperty("exitReason").GetString());
        Assert.Contains(report.GetProperty("notices").EnumerateArray(), n => n.GetString() == notice);
        var (_, table, _) = await Run(nearThreshold, "menu", "compare", "-", "--plans-max", "1");
        Assert.Contains("not certified", table, StringComparison.Ordinal);
        Assert.Contains(notice, string.Join(' ', table.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        var page = await Page(nearThreshold);
        Assert.Contains(notice[1..], page, StringComparison.Ordinal);
        Assert.Contains("<td>not certified</td>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("processes.diffusion.", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_capacity_that_is_not_certified_has_no_figures_in_any_form()
    {
        // Certified while tokens are cheap, and not where a token costs three hundredths of an answer.
        const string market = """
            {"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"diffusion","prior":0.125,"lower":0.1,"upper":0.9,"informationPerSecond":0.1},
             "tokensPerSecond":500,"valuePerAnswer":1,"servingCostPerToken":0.02,"typeCount":8,"capTokensMax":20,"constraints":{"nobodyExcluded":true}}
            """;
        const string notice = "the certificate does not hold for the best menu where a token costs 0.04: it has no figures";
        var report = await Json(market, "menu", "frontier", "-");
        Assert.Equal(["shareOfDemand", "tokensPerConversation"], report.GetProperty("capacity")[0].EnumerateObject().Select(f => f.Name));
        Assert.Contains(report.GetProperty("notices").EnumerateArray(), n => n.GetString() == notice);
        var (_, table, _) = await Run(market, "menu", "frontier", "-");
        Assert.Contains("not certified", table, StringComparison.Ordinal);
        Assert.Contains(notice, string.Join(' ', table.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        var (_, rows, _) = await Run(market, "menu", "frontier", "-", "--csv");
        Assert.EndsWith(": it has no figures", rows.Split('\n')[1], StringComparison.Ordinal);
        Assert.Contains(",,,,,,,,the certificate does not hold", rows.Split('\n')[1], StringComparison.Ordinal);
        var page = await Page(market, "--plans-max", "1");
        Assert.Contains(notice[1..], page, StringComparison.Ordinal);
        Assert.Contains("(a token costs twice): it has no figures", page, StringComparison.Ordinal);
        Assert.Contains("<td>not certified</td>", page, StringComparison.Ordinal);
        Assert.Contains("frontier[1].profit", page, StringComparison.Ordinal);
        Assert.DoesNotContain("frontier[0.05].profit", page, StringComparison.Ordinal);
    }

    /// <summary>What menu report writes.</summary>
    private static async Task<string> Page(string market, params string[] more)
    {
        var file = Path.Combine(Path.GetTempPath(), $"menu-page-{Guid.NewGuid():N}.html");
        try
        {
            Assert.Equal(0, (await Run(market, ["menu", "report", "-", .. more, "--out", file])).Exit);
            return await File.ReadAllTextAsync(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_way_of_charging_that_is_not_certified_is_a_row_without_figures()
    {
        // Short caps are certified, and the menu without rules is not.
        const string market = """
            {"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"diffusion","prior":0.12,"lower":0.1,"upper":0.9,"informationPerSecond":0.01},
             "tokensPerSecond":500,"valuePerAnswer":1,"servingCostPerToken":0,"typeCount":8,"capTokensMax":20,"valueAtCap":0.1}
            """;
        var (exit, rows, _) = await Run(market, "menu", "compare", "-", "--cap-max", "4", "--plans-max", "1", "--csv");
        Assert.Equal(0, exit);
        var lines = rows.TrimEnd('\n').Split('\n');
        Assert.Equal(8, lines.Length);
        Assert.EndsWith(",mean_loss,notice", lines[0], StringComparison.Ordinal);
        Assert.Equal("menuWithoutLimit,,,,,,,,,,,,,,,the certificate does not hold for the best menu of any number of plans: it has no figures", lines[2]);
        Assert.StartsWith("onePlan,", lines[3], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.Equal(15, line.Count(c => c == ',')));
    }

    [GeneratedRegex("""<data data-name="([^"]+)" value="([^"]+)">""")]
    private static partial Regex Figures();

    [GeneratedRegex("""<svg viewBox="0 0 ([0-9]+) [^>]*>(.*?)</svg>""", RegexOptions.Singleline)]
    private static partial Regex Drawings();

    [GeneratedRegex("""<text x="([^"]+)" y="[^"]+" text-anchor="([^"]+)" class="[^"]*">([^<]*)</text>""")]
    private static partial Regex Words();
}
