using System.Globalization;
using System.Text.Json;
using static Cli.Tests.BillingProcess;

namespace Cli.Tests;

/// <summary>What may stand on the command line beside a market, each on the worked menu of plan design's README, whose sums can be done by hand.</summary>
public sealed class MenuRuleTests
{
    private const string Units = " --round JPY --conversations 2";

    /// <summary>Caps with their prices, largest first, and the profit a conversation.</summary>
    [Theory]
    [InlineData("", "2@26.2 1@10", 10.96)]
    // The shortest cap alone is worth 10 to the busy; the longest alone 15.
    [InlineData("--cap-max 1", "1@10", 0.8 * 8)]
    [InlineData("--cap-min 2", "2@15", 0.8 * 12)]
    [InlineData("--caps 1", "1@10", 0.8 * 8)]
    [InlineData("--caps 1,2 --tiers 1", "2@15", 0.8 * 12)]
    // The urgent pay 4 for cap 1, and so does the busy.
    [InlineData("--nobody-excluded", "2@20.2 1@4", 0.3 * 17.2 + 0.7 * 2)]
    // Cap 1 costs 2 and brings in nothing; the step to cap 2 is worth 16.2 to the patient.
    [InlineData("--free-tier 1", "2@16.2 1@0", 0.3 * 15.2 - 2)]
    [InlineData("--price-max 12" + Units, "2@12", 0.8 * 9)]
    [InlineData("--price-min 11" + Units, "2@15", 0.8 * 12)]
    [InlineData("--price-ratio 2.5" + Units, "2@25 1@10", 0.3 * 22 + 0.5 * 8)]
    public async Task A_rule_is_kept_and_the_best_menu_within_it_is_found(string options, string plans, double profit)
    {
        var (exit, output, error) = await Run(Worked, ["menu", "solve", "-", "--json", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.Equal((0, ""), (exit, error));
        var menu = JsonDocument.Parse(output).RootElement;
        Assert.Equal(plans, string.Join(' ', menu.GetProperty("tiers").EnumerateArray().Select(
            t => $"{t.GetProperty("capTokens").GetInt32()}@{Math.Round(t.GetProperty("price").GetDouble(), 9).ToString(CultureInfo.InvariantCulture)}")));
        Assert.Equal(profit, menu.GetProperty("profit").GetDouble(), 1e-9);
    }

    [Fact]
    public async Task People_see_what_each_rule_costs()
    {
        var (exit, output, _) = await Run(Worked, "menu", "solve", "-", "--nobody-excluded");
        Assert.Equal(0, exit);
        Assert.Contains("what each rule costs and brings in", output, StringComparison.Ordinal);
        // 10.96 − 6.56, for the fifth of customers who bought nothing.
        Assert.Matches("nobodyExcluded +│ +4.4 │ +\\+20.0 %", output);
    }

    [Fact]
    public async Task Where_customers_differ_in_conversations_a_rule_says_what_it_brings_of_both()
    {
        string[] options = ["--nobody-excluded", "--conversations", "100,10,1"];
        var (_, table, _) = await Run(Worked, ["menu", "solve", "-", .. options]);
        // 0.5 and 0.2 of customers are won, who have 5 and 0.2 of 35.2 conversations.
        Assert.Matches("nobodyExcluded +│ +[0-9.]+ │ +\\+70.0 % │ +\\+14.8 %", table);
        var (_, json, _) = await Run(Worked, ["menu", "solve", "-", "--json", .. options]);
        var cost = JsonDocument.Parse(json).RootElement.GetProperty("constraintCosts")[0];
        Assert.Equal(0.7, cost.GetProperty("shareServedGain").GetDouble(), 1e-12);
        Assert.Equal(5.2 / 35.2, cost.GetProperty("conversationsServedGain").GetDouble(), 1e-12);
    }

    [Fact]
    public async Task What_a_rule_costs_is_said_also_where_it_leaves_no_plan()
    {
        // Nobody pays 39 for an answer worth 40 that may not come. Without the floor, 26 and 10 in whole yen for two conversations earn 10.9.
        string[] options = ["--price-min", "39", .. Units.Trim().Split(' ')];
        foreach (var command in new[] { "solve", "compare" })
        {
            var (exit, output, error) = await Run(Worked, ["menu", command, "-", .. options]);
            Assert.Equal((0, ""), (exit, error));
            Assert.StartsWith("no plan that keeps the rules on prices earns more than it costs to generate", output, StringComparison.Ordinal);
            Assert.Contains("what each rule costs and brings in", output, StringComparison.Ordinal);
            Assert.Matches("priceMin +│ +10.9 │ +-80.0 % │ +-0.95 │", output);
        }
    }

    [Theory]
    [InlineData(1, "constraints.priceMax: needs minorUnits", "--price-max", "12")]
    [InlineData(1, "constraints.capTokensMin: is 3, above the largest cap of this market, 2 tokens", "--cap-min", "3")]
    [InlineData(1, "constraints.allowedCapTokens: has no cap from 1 to 2 tokens", "--caps", "3,4")]
    [InlineData(1, "constraints.priceMin: is 0.5, above priceMax 0.1", "--price-min", "0.5", "--price-max", "0.1", "--round", "JPY", "--conversations", "2")]
    [InlineData(1, "constraints.freeTierCapTokens: is 3, above the largest cap", "--free-tier", "3")]
    [InlineData(2, "--caps 0 is not a whole number from 1", "--caps", "1,0")]
    [InlineData(2, "--price-min -1 is not a number from 0", "--price-min", "-1")]
    public async Task A_rule_that_cannot_be_kept_gets_one_line(int code, string line, params string[] options)
    {
        var (exit, output, error) = await Run(Worked, ["menu", "solve", "-", .. options]);
        Assert.Equal((code, ""), (exit, output));
        Assert.StartsWith($"billing: {line}", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task A_menu_of_hundreds_of_plans_is_cut_for_people_and_whole_for_programs()
    {
        const string density = """
            {"urgency":{"kind":"uniform","from":0.01,"to":1},"answerTime":{"kind":"exponential","meanSeconds":10},"tokensPerSecond":30,"valuePerAnswer":2,"servingCostPerToken":2e-5,"typeCount":200,"capTokensMax":2000}
            """;
        var plans = (await Run(density, "menu", "solve", "-", "--csv")).Output.Trim('\n').Split('\n').Length - 1;
        Assert.InRange(plans, 60, 200);
        var (exit, output, _) = await Run(density, "menu", "solve", "-");
        Assert.Equal(0, exit);
        Assert.Contains($"… {plans - 20} more (use --json or --csv)", output, StringComparison.Ordinal);
        Assert.InRange(output.Split('\n').Length, 20, 60);
    }
}
