using System.Text.Json;
using static Cli.Tests.BillingProcess;

namespace Cli.Tests;

/// <summary>billing menu solve.</summary>
public sealed class MenuSolveTests
{
    [Fact]
    public async Task Json_is_one_object_on_standard_output_alone()
    {
        var (exit, output, error) = await RunApart(Worked, "menu", "solve", "-", "--json");
        Assert.Equal((0, ""), (exit, error));
        var menu = JsonDocument.Parse(output).RootElement;
        Assert.Equal(10.96, menu.GetProperty("profit").GetDouble(), 1e-12);
        Assert.Equal(12.86, menu.GetProperty("revenue").GetDouble(), 1e-12);
        Assert.Equal(1.9, menu.GetProperty("servingCost").GetDouble(), 1e-12);
        Assert.Equal([2, 1], menu.GetProperty("tiers").EnumerateArray().Select(t => t.GetProperty("capTokens").GetInt32()));
        Assert.Equal([2, 1, 0], menu.GetProperty("capTokensByType").EnumerateArray().Select(c => c.GetInt32()));
        Assert.Equal(3, menu.GetProperty("priceByType").GetArrayLength());
        var tier = menu.GetProperty("tiers")[0];
        Assert.Equal([26.2, 0.3], new[] { "price", "share" }.Select(f => Math.Round(tier.GetProperty(f).GetDouble(), 12)));
        foreach (var field in new[] { "urgencyFrom", "urgencyTo" }) Assert.Equal(0.105361, tier.GetProperty(field).GetDouble(), 1e-6);
        foreach (var field in new[] { "upperBound", "gap", "maxIncentiveViolation", "maxParticipationViolation" })
            Assert.True(double.IsFinite(menu.GetProperty("certificate").GetProperty(field).GetDouble()));
    }

    [Fact]
    public async Task One_plan_earns_what_the_readme_says()
    {
        var (_, output, _) = await Run(Worked, "menu", "solve", "-", "--tiers", "1", "--json");
        Assert.Equal(9.6, JsonDocument.Parse(output).RootElement.GetProperty("profit").GetDouble(), 1e-12);
    }

    [Fact]
    public async Task The_menu_in_the_README_is_what_is_printed()
    {
        var readme = await File.ReadAllTextAsync(Path.Combine(Checkout.Root, "README.md"));
        var market = Between("<<'JSON'\n", "\nJSON\n");
        var args = Between("./billing menu solve market.json ", "\n").Split(' ');
        var (exit, output, error) = await Run(market, ["menu", "solve", "-", .. args]);
        Assert.Equal((0, ""), (exit, error));
        Assert.Equal(DocumentedCommand.Lines(Between("--conversations 20\n```\n\n```\n", "```")), DocumentedCommand.Lines(output));

        string Between(string from, string to) => readme.Split(from)[1].Split(to)[0];
    }

    [Fact]
    public async Task Every_reference_case_comes_out_of_a_file_as_an_independent_implementation_found_it()
    {
        using var reader = typeof(MenuSolveTests).Assembly.GetManifestResourceStream("menu-cases.json")!;
        var cases = JsonDocument.Parse(reader).RootElement.GetProperty("cases").EnumerateArray().ToArray();
        Assert.NotEmpty(cases);
        var file = Path.GetTempFileName();
        try
        {
            foreach (var c in cases)
            {
                await File.WriteAllTextAsync(file, c.GetProperty("input").GetRawText());
                var expected = c.GetProperty("expected");
                await Check(c, expected.GetProperty("profitUnlimitedTiers").GetDouble());
                await Check(c, expected.GetProperty("profitByTierCount").GetProperty("2").GetDouble(), "--tiers", "2");
            }
        }
        finally
        {
            File.Delete(file);
        }

        async Task Check(JsonElement c, double profit, params string[] options)
        {
            var (exit, output, error) = await Run("", ["menu", "solve", file, "--json", .. options]);
            Assert.True((exit, error) == (0, ""), $"{c.GetProperty("name")}: {error}");
            Assert.Equal(profit, JsonDocument.Parse(output).RootElement.GetProperty("profit").GetDouble(), 1e-9 * Math.Max(1, Math.Abs(profit)));
        }
    }

    [Fact]
    public async Task People_see_plans_their_certificate_and_the_other_ways_of_charging()
    {
        var (exit, output, error) = await Run(Worked, "menu", "solve", "-", "--round", "USD", "--conversations", "20");
        Assert.Equal((0, ""), (exit, error));
        foreach (var words in new[] { "524.00 USD", "200.00 USD", "Certificate: no such menu earns more than 10.96", "one plan", "flat fee", "pay per token", "-12.41 %" })
            Assert.Contains(words, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_market_not_worth_serving_is_said_to_be_one()
    {
        var (exit, output, _) = await Run(Worked.Replace("\"servingCostPerToken\":2", "\"servingCostPerToken\":200", StringComparison.Ordinal), "menu", "solve", "-");
        Assert.Equal((0, "this market is not worth serving: no cap earns more than it costs to generate\n"), (exit, output));
    }

    [Fact]
    public async Task A_cap_that_never_reaches_the_answer_is_named()
    {
        const string tooShort = """
            {"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"deterministic","seconds":10},"tokensPerSecond":60,"valuePerAnswer":1,"servingCostPerToken":0.00001,"capTokensMax":300}
            """;
        foreach (var command in new[] { "solve", "compare", "frontier" })
        {
            var (exit, output, _) = await Run(tooShort, "menu", command, "-");
            Assert.Equal(0, exit);
            // People's lines are folded.
            Assert.StartsWith("no conversation is answered within 300 tokens, the longest cap that a plan may have, so no plan is worth anything: raise capTokensMax, or check answerTime and tokensPerSecond",
                string.Join(' ', output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task As_many_conversations_for_every_type_are_a_fee_for_the_period()
    {
        string[] units = ["--round", "USD", "--conversations"];
        var one = await Run(Worked, ["menu", "solve", "-", .. units, "20"]);
        Assert.Equal(one, await Run(Worked, ["menu", "solve", "-", .. units, "20,20,20"]));
        Assert.Contains("price a period of 20", one.Output, StringComparison.Ordinal);
        var (exit, _, error) = await Run(Worked, ["menu", "solve", "-", .. units, "20,20"]);
        Assert.Equal((1, "billing: conversationsPerPeriod: has 2 numbers for 3 types, expected one for each\n"), (exit, error));
    }

    [Theory, InlineData("--json"), InlineData("--csv"), InlineData("--tiers", "2"), InlineData("--csv", "--tiers", "2")]
    public async Task A_menu_that_is_not_certified_has_no_figures_and_the_line_names_the_residual_that_fails(params string[] options)
    {
        // A prior that close to its threshold is beyond the diffusion's modes: the tables differ by a thousandth.
        const string nearThreshold = """
            {"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"diffusion","prior":0.102,"lower":0.1,"upper":0.9,"informationPerSecond":0.01},
             "tokensPerSecond":500,"valuePerAnswer":1,"servingCostPerToken":0,"typeCount":8,"capTokensMax":20}
            """;
        var (exit, output, error) = await Run(nearThreshold, ["menu", "solve", "-", .. options]);
        Assert.Equal((1, ""), (exit, output));
        Assert.StartsWith("billing: the certificate does not hold (notCertified: a customer ", error, StringComparison.Ordinal);
        Assert.DoesNotContain("E-16", error, StringComparison.Ordinal);
        Assert.EndsWith("give answerTime.prior from 0.14 to 0.86, or take kind greedy or accumulation, which hold there too\n", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData("", "standard input is empty: expected a market as JSON")]
    [InlineData("{", "market: is not valid JSON")]
    [InlineData("""{"urgency":{"kind":"\ud800","from":0,"to":1},"answerTime":{"kind":"exponential","meanSeconds":1},"tokensPerSecond":1,"valuePerAnswer":1,"servingCostPerToken":0}""", "urgency.kind: is \"\\ud800\", expected a text in Unicode")]
    [InlineData("""{"\ud800x":1}""", "market: has a field after its beginning whose name is no Unicode")]
    [InlineData("""{"urgency":{"kind":"uniform","from":0,"to":1}}""", "answerTime: is missing")]
    [InlineData("""{"urgency":{"kind":"uniform","from":0,"to":-1},"answerTime":{"kind":"exponential","meanSeconds":1},"tokensPerSecond":1,"valuePerAnswer":1,"servingCostPerToken":0}""", "urgency.to: is -1")]
    [InlineData("""{"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"exponential","meanSeconds":1},"tokensPerSecond":1e999,"valuePerAnswer":1,"servingCostPerToken":0}""", "tokensPerSecond: is 1e999")]
    public async Task A_bad_market_gets_one_line_that_names_the_field(string market, string line)
    {
        var (exit, output, error) = await Run(market, "menu", "solve", "-", "--json");
        Assert.Equal((1, ""), (exit, output));
        Assert.StartsWith($"billing: {line}", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData(1, "no-such-file.json: no such file", "menu", "solve", "no-such-file.json")]
    [InlineData(1, "--round XXX is not an ISO 4217 currency code", "menu", "solve", "-", "--round", "XXX", "--conversations", "20")]
    [InlineData(1, "--round and --conversations go together", "menu", "solve", "-", "--round", "USD")]
    [InlineData(2, "--tiers 0 is not a whole number from 1 to 64 (see billing menu solve --help)", "menu", "solve", "-", "--tiers", "0")]
    [InlineData(2, "--tiers three is not a whole number from 1 to 64", "menu", "solve", "-", "--tiers", "three")]
    [InlineData(2, "Required argument missing for command: 'solve'.", "menu", "solve")]
    [InlineData(2, "Unrecognized command or argument 'bogus'.", "bogus")]
    [InlineData(2, "Required command was not provided.")]
    public async Task A_wrong_command_line_gets_one_line(int code, string line, params string[] args)
    {
        var (exit, output, error) = await Run(Worked, args);
        Assert.Equal((code, ""), (exit, output));
        Assert.StartsWith($"billing: {line}", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }
}
