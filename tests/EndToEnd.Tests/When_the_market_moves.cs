using System.Text.Json;
using Contracts.Billing.V1;
using Contracts.PlanDesign.V1;
using Contracts.Usage.V1;
using Grpc.Core;
using OveragePrice = Contracts.PlanDesign.V1.OveragePrice;

namespace EndToEnd.Tests;

/// <summary>A week in which answers come as the menu was solved for, and two in which a better model gives most of them sooner.</summary>
public sealed class When_the_market_moves
{
    private const int Customers = 60, ConversationsEach = 6;

    [Fact]
    public async Task The_watch_sees_it_in_what_was_metered_and_drafts_a_better_menu_once_for_a_person_to_publish()
    {
        await using var company = await Company.OpenAsync([]);
        await company.PublishMenuAsync(new() { Overage = { new OveragePrice { Kind = "output", PerMillionTokens = "12.50" }, new OveragePrice { Kind = "reasoning", PerMillionTokens = "15" } } });
        await ServeAsync(company, await company.SubscribeAsync(Customers), share => share);
        await company.AdvanceAsync(Company.Jan1.AddDays(7));
        using (var lengths = company.Deployment.Ledger.ListConversationLengths(new()))
            Assert.All((await lengths.ResponseStream.ReadAllAsync().ToListAsync()).GroupBy(l => l.SubscriptionId), theirs => Assert.Equal(ConversationsEach, theirs.Count()));
        var state = Path.GetTempFileName();
        File.Delete(state);
        try
        {
            string[] watch = ["menu", "watch", company.Menu.MenuId, "--once", "--state", state, "--draws", "60"];
            Assert.Contains($"remembered {Customers * ConversationsEach} conversations and {Customers} customers", await BillingAsync(company, watch), StringComparison.Ordinal);

            var all = await company.SubscribeAsync(2 * Customers);
            await ServeAsync(company, [.. all.Skip(Customers)], share => share * share);
            await company.AdvanceAsync(Company.Jan1.AddDays(14));
            // It may have moved at any time since the last look, so what it is now is learned from what comes after this one.
            Assert.Contains("the market moved, and what it is now is learned from what comes after that was found", await BillingAsync(company, watch), StringComparison.Ordinal);

            all = await company.SubscribeAsync(3 * Customers);
            await ServeAsync(company, [.. all.Skip(2 * Customers)], share => share * share);
            await company.AdvanceAsync(Company.Jan1.AddDays(21));
            // The state as a watch leaves it that is killed after it asked for the draft and before it heard of it.
            string cutOff;
            var looking = Task.FromResult("");
            await using (await company.HoldMenusAsync())
            {
                looking = BillingAsync(company, watch);
                cutOff = await Eventually.Some(async () => await File.ReadAllTextAsync(state) is var text && text.Contains("\"pending\":{", StringComparison.Ordinal) ? text : null, "the watch asks for a draft");
            }
            var looked = await looking;
            Assert.Contains("a new menu earns more than the running one by", looked, StringComparison.Ordinal);
            Assert.Contains("either test finds that the market moved where p is below 0.005", looked, StringComparison.Ordinal);
            Assert.Contains("is drafted already and waits for a person", await BillingAsync(company, watch), StringComparison.Ordinal);
            await File.WriteAllTextAsync(state, cutOff);
            Assert.Contains("is drafted already and waits for a person", await BillingAsync(company, watch), StringComparison.Ordinal);

            var menus = (await company.Deployment.PlanDesign.ListMenusAsync(new())).Menus;
            var draft = Assert.Single(menus, m => m.MenuId != company.Menu.MenuId);
            Assert.Equal((MenuStatus.Solved, company.Menu.Terms), (draft.Status, draft.Terms));
            Assert.Equal(MenuStatus.Published, Assert.Single(menus, m => m.MenuId == company.Menu.MenuId).Status);
            var shown = JsonDocument.Parse(await BillingAsync(company, "menu", "show", draft.MenuId, "--json")).RootElement;
            Assert.Contains("answers come sooner than before: the market moved", shown.GetProperty("evidence").GetString(), StringComparison.Ordinal);
            Assert.Contains("called moved in 1.0 % of looks", shown.GetProperty("evidence").GetString(), StringComparison.Ordinal);

            // A person who does not want it says so, and is not asked the same again on newer figures.
            var discarded = JsonDocument.Parse(await BillingAsync(company, "menu", "retire", draft.MenuId, "--reason", "not in spring", "--actor", "ada", "--json")).RootElement;
            Assert.Equal(("discarded", false), (discarded.GetProperty("status").GetString(), discarded.TryGetProperty("publishedAt", out _)));
            await company.AdvanceAsync(Company.Jan1.AddDays(22));
            Assert.Contains($"{draft.MenuId} was drafted for that and is discarded; nothing is drafted that does not surely earn more than it", await BillingAsync(company, watch), StringComparison.Ordinal);
            Assert.Equal(2, (await company.Deployment.PlanDesign.ListMenusAsync(new())).Menus.Count);
        }
        finally
        {
            File.Delete(state);
        }
    }

    /// <summary>Answers up to 600 tokens long, by quantile; who gets none within her cap is cut there.</summary>
    private static async Task ServeAsync(Company company, IReadOnlyList<Subscription> subscriptions, Func<double, double> lengthAt)
    {
        var meter = new TokenMeter.TokenMeterClient(company.Deployment.NewMeter());
        var conversations = subscriptions.Count * ConversationsEach;
        for (var n = 0; n < conversations; n++)
        {
            var subscription = subscriptions[n % subscriptions.Count];
            var cap = company.CapOf(subscription.SubscriptionId, subscriptions);
            var answer = 1 + (long)(600 * lengthAt(n * 7919L % conversations / (double)conversations));
            var (tokens, reason) = answer <= cap ? (answer, FinishReason.Stop) : (cap, FinishReason.Cap);
            var id = Ids.New(Ids.Generation, company.Now);
            var start = new Start { GenerationId = id, SubscriptionId = subscription.SubscriptionId, Conversation = id, Model = "small", Prompt = new() { Input = 10 } };
            var answered = await meter.AuthorizeAsync(new() { Start = start, TokensWanted = tokens });
            Assert.True(answered.Grant?.TokensAllowed >= tokens, $"{tokens} tokens: {answered}");
            await meter.SettleAsync(new() { Finish = new() { GenerationId = id, Sequence = 1, Reason = reason, Totals = new() { Output = tokens } } });
        }
    }

    private static async Task<string> BillingAsync(Company company, params string[] args)
    {
        var (exit, output, error) = await company.CommandAsync("", args);
        Assert.Equal((0, ""), (exit, error));
        return output;
    }
}
