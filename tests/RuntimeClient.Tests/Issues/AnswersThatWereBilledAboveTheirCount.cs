using Microsoft.Extensions.AI;
using RuntimeClient.Chat;
using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>Found by reading: an update is a token at least, and where a provider sends them by the character the answer was billed four times, with its own count at hand.</summary>
[Collection(OneService.Name)]
public sealed class AnswersThatWereBilledAboveTheirCount(SharedService shared)
{
    [Theory, InlineData("by the character", 100, 0L), InlineData("by the character, hidden", 60, 40L)]
    public async Task U4_an_answer_whose_pieces_are_smaller_than_tokens_comes_to_its_provider_s_count(string name, int output, long reasoning)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
        await using var meter = shared.Connect();
        var usage = new UsageDetails { InputTokenCount = 12, OutputTokenCount = 100, ReasoningTokenCount = reasoning };
        await Capped(new ScriptedModel(usage, Letters(400)), meter, name).GetStreamingResponseAsync("?").ToChatResponseAsync();
        Assert.Equal((12, output, reasoning), await CountsAsync(name));
        // And what was taken back is room again.
        Assert.Equal((100, 0), await BalanceAsync(name));
    }

    public static TheoryData<string, AIContent[]> NotAtTheEnd => new()
    {
        { "first word", [Counted(1), .. Letters(40)] },
        { "middle word", [.. Letters(20), Counted(5), .. Letters(20)] },
        // Increments that never fall look like totals.
        { "increments", [.. Letters(20), Counted(20), .. Letters(20), Counted(20)] },
    };

    [Theory, MemberData(nameof(NotAtTheEnd))]
    public async Task U4_what_a_provider_counts_before_the_end_takes_nothing_back(string name, AIContent[] contents)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
        await using var meter = shared.Connect();
        await Capped(new ScriptedModel(null, contents), meter, name).GetStreamingResponseAsync("?").ToChatResponseAsync();
        Assert.Equal((12, 40, 0), await CountsAsync(name));
    }

    [Fact]
    public async Task U4_what_was_counted_last_is_taken_back_first_in_the_plan_where_it_was_counted()
    {
        var terms = Samples.Snapshot("taken back", Samples.Hard("billing_period", 1_000));
        await shared.Service.SubscribeAsync(terms);
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request("taken back", "taken back"));
        Assert.True(await generation.CountAsync(output: 200));
        await Eventually.True(async () => (await shared.RecordedAsync("taken back")).Output == 200, "it is recorded");
        await shared.Service.SubscribeAsync(terms with { Version = 2, PlanId = Samples.PlanId("large") });
        Assert.True(await generation.CountAsync(output: 100));
        await generation.SettleAsync(FinishReason.Stop, 50, 30, isWhole: true);

        var byPlan = (await RowsAsync("taken back")).GroupBy(r => r.PlanId).ToDictionary(g => g.Key, g => (g.Sum(r => r.Tokens.Output), g.Sum(r => r.Tokens.Reasoning)));
        Assert.Equal(((50, 0), (0, 30)), (byPlan[Samples.PlanId("small")], byPlan[Samples.PlanId("large")]));
    }

    [Fact]
    public async Task Counts_that_are_not_whole_take_nothing_back()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("not whole"));
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request("not whole", "not whole"));
        generation.Count(40);
        await generation.SettleAsync(FinishReason.Stop, 10, 0);
        Assert.Equal((12, 40, 0), await CountsAsync("not whole"));
    }

    private static TextContent[] Letters(int count) => [.. Enumerable.Repeat(new TextContent("w"), count)];

    private static UsageContent Counted(int output) => new(new() { InputTokenCount = 12, OutputTokenCount = output });

    private static IChatClient Capped(IChatClient model, MeterClient meter, string name) => model.AsBuilder()
        .UseTokenCap(meter, new() { Caller = (_, _) => new(Samples.SubscriptionId(name), "c1", GenerationId.Derive(Samples.Jan1, name)) })
        .Build();

    private async Task<(long Used, long Reserved)> BalanceAsync(string name)
    {
        var window = (await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) })).Windows.Single();
        return (window.UsedTokens, window.ReservedTokens);
    }

    /// <summary>Corrections among them.</summary>
    private async Task<(long Input, long Output, long Reasoning)> CountsAsync(string name)
    {
        var rows = await RowsAsync(name);
        return (rows.Sum(r => r.Tokens.Input), rows.Sum(r => r.Tokens.Output), rows.Sum(r => r.Tokens.Reasoning));
    }

    private async Task<List<Contracts.Usage.V1.EventRow>> RowsAsync(string name)
    {
        var rows = new List<Contracts.Usage.V1.EventRow>();
        using var call = shared.Service.Ledger.ListEvents(new() { SubscriptionId = Samples.SubscriptionId(name), GenerationId = GenerationId.Derive(Samples.Jan1, name) });
        while (await call.ResponseStream.MoveNext(CancellationToken.None)) rows.Add(call.ResponseStream.Current);
        return rows;
    }
}
