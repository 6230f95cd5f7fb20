using System.Text.Json;
using static Cli.Tests.BillingProcess;

namespace Cli.Tests;

public sealed class MenuEstimateTests
{
    /// <summary>300 conversations of exponential length, mean 50 tokens, cut at 200, and what 800 customers chose.</summary>
    /// <param name="planOf">Under which plan a conversation ran; null where nobody says.</param>
    private static string Observed(Func<int, string>? planOf = null)
    {
        int[] tokens = [.. Enumerable.Range(0, 300).Select(n => (int)Math.Ceiling(-50 * Math.Log(1 - (n + 0.5) / 300)))];
        var conversations = new Dictionary<string, object> { ["tokens"] = tokens.Select(t => Math.Min(t, 200)), ["cut"] = tokens.Select(t => t > 200), ["customers"] = Enumerable.Range(0, 300).Select(n => n / 3) };
        if (planOf is not null) conversations["planIds"] = Enumerable.Range(0, 300).Select(planOf);
        return JsonSerializer.Serialize(new
        {
            conversations,
            menus = new[] { new { plans = new[] { new { capTokens = 150, pricePerConversation = 1.0, customers = 420 }, new { capTokens = 40, pricePerConversation = 0.55, customers = 260 } }, customersWithoutPlan = 120 } },
            tokensPerSecond = 5, valuePerAnswer = 2, servingCostPerToken = 0.0001,
        });
    }

    [Fact]
    public async Task People_see_the_market_with_intervals_the_next_menu_and_what_it_is_worth()
    {
        var (exit, output, error) = await Run(Observed(), "menu", "estimate", "-", "--draws", "20", "--tiers", "3", "--robust");
        Assert.Equal((0, ""), (exit, error));
        foreach (var words in new[]
        {
            "300 conversations, 800 customers", "learned from 300 conversations and 800 customers", "the market, with intervals", "medianUrgency", "1/second", "share[150]", "unansweredAfter[40]",
            "the next menu", "price a conversation", "what it is worth", "menu on sale", "difference of profit", "difference of revenue", "difference on customers it was not solved from", "its figures flatter it", "of the draws.",
            "the menu that does best in the worst draw", "in every draw (no menu more than",
        })
            Assert.Contains(words, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("log_normal", "mu"), InlineData("gamma", "shape"), InlineData("uniform", "from"), InlineData("turnbull", "share[150]")]
    public async Task Urgency_is_learned_as_it_is_asked_for(string fit, string figure)
    {
        var (exit, output, _) = await Run(Observed(), "menu", "estimate", "-", "--draws", "20", "--tiers", "2", "--fit", fit, "--csv");
        Assert.Equal(0, exit);
        var rows = output.TrimEnd('\n').Split('\n').Select(r => r.Split(',')).ToArray();
        Assert.Equal("kind,name,unit,estimate,low,high,cap_tokens,price_per_conversation,share", string.Join(',', rows[0]));
        Assert.Contains(rows, r => r[0] == "figure" && r[1] == figure);
        Assert.Contains(rows, r => r[0] == "worth" && r[1] == "difference of profit");
        Assert.InRange(rows.Count(r => r[0] == "next_menu"), 1, 2);
        Assert.DoesNotContain(rows, r => r[0] == "robust_menu");
    }

    [Fact]
    public async Task Harder_tasks_that_choose_their_plan_are_noticed_where_a_file_says_the_plans()
    {
        const string notice = "differ before either is cut";
        // By turns, both plans have the same lengths; by length, the short plan has the short ones.
        Assert.DoesNotContain(notice, (await Run(Observed(n => n % 2 == 0 ? "150" : "40"), "menu", "estimate", "-", "--draws", "20", "--tiers", "2")).Output, StringComparison.Ordinal);
        Assert.Contains(notice, (await Run(Observed(n => n % 4 == 0 == n < 150 ? "150" : "40"), "menu", "estimate", "-", "--draws", "20", "--tiers", "2")).Output.ReplaceLineEndings(" "), StringComparison.Ordinal);

        var (exit, _, error) = await Run(Observed().Replace("\"customers\":[0,", "\"planIds\":[\"150\"],\"customers\":[0,", StringComparison.Ordinal), "menu", "estimate", "-");
        Assert.Equal((1, "billing: conversations.planIds: has 1 entries for 300 conversations, expected one for each\n"), (exit, error));
    }
}
