using Microsoft.Extensions.AI;
using RuntimeClient.Chat;
using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>Found by an auditor: what a provider counted beyond the hold was overrun, whatever room the cap had; and reasoning that was shown was billed as output, too.</summary>
[Collection(OneService.Name)]
public sealed class TokensThatWereGivenAwayOrBilledTwice(SharedService shared)
{
    [Theory]
    [InlineData("large pieces", 1_000_000, false, 5_980, 0), InlineData("large pieces at a cap", 4_000, false, 3_980, 2_000), InlineData("large pieces that are counted", 1_000_000, true, 5_980, 0)]
    public async Task U2_tokens_that_come_many_at_once_are_used_as_far_as_the_cap_has_room(string name, long cap, bool countsInEveryEvent, long output, long overrun)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", cap)));
        await using var model = await StreamedModel.StartAsync();
        (model.TokensPerEvent, model.CountsInEveryEvent) = (60, countsInEveryEvent);
        await using var meter = shared.Connect();
        var answer = await Capped(model.Client(), meter, name).GetStreamingResponseAsync("6000").ToChatResponseAsync();
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal((output, 20, overrun), await shared.RecordedAsync(name));
    }

    [Fact]
    public async Task U1_a_provider_that_counts_while_it_streams_is_cut_off_where_the_cap_ends()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("counted and cut", Samples.Hard("billing_period", 4_000)));
        await using var model = await StreamedModel.StartAsync();
        (model.TokensPerEvent, model.CountsInEveryEvent) = (60, true);
        await using var meter = shared.Connect();
        var answer = await Capped(model.Client(), meter, "counted and cut").GetStreamingResponseAsync("6000").ToChatResponseAsync();
        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        var (output, reasoning, overrun) = await shared.RecordedAsync("counted and cut");
        Assert.Equal((4_000, 20), (output + reasoning, reasoning));
        Assert.InRange(overrun, 0, 60);
    }

    [Theory, InlineData("hidden whole", false), InlineData("hidden streamed", true)]
    public async Task U2_reasoning_that_nobody_is_shown_is_used_as_far_as_the_cap_has_room(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000_000)));
        await using var meter = shared.Connect();
        var model = new ScriptedModel(new() { InputTokenCount = 12, OutputTokenCount = 6_010, ReasoningTokenCount = 6_000 }, Words(10));
        await AskAsync(Capped(model, meter, name), streamed);
        Assert.Equal((10, 6_000, 0), await shared.RecordedAsync(name));
    }

    [Fact]
    public async Task What_nobody_counted_is_taken_by_its_length_if_its_pieces_are_several_tokens()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("uncounted", Samples.Hard("billing_period", 1_000_000)));
        await using var model = await StreamedModel.StartAsync();
        (model.TokensPerEvent, model.CountsNothing) = (60, true);
        await using var meter = shared.Connect();
        await Capped(model.Client(), meter, "uncounted").GetStreamingResponseAsync("6020").ToChatResponseAsync();
        Assert.Equal((6_000 * "word ".Length / 4, 0, 0), await shared.RecordedAsync("uncounted"));
    }

    /// <summary>Anthropic's and Ollama's counts have reasoning within the output and do not say how much; OpenAI's say it; Gemini's have it beside.</summary>
    [Theory]
    [InlineData("as Anthropic", 30, null, 30L + 10), InlineData("as OpenAI", 40, 30L, 30L + 10), InlineData("as Gemini", 10, 30L, 30L + 10), InlineData("as OpenAI, and hidden", 140, 130L, 130L + 10)]
    public async Task U4_reasoning_that_is_shown_is_billed_once(string name, long said, long? reasoning, long billed)
    {
        // 30 pieces of reasoning, nine of text and a call of a tool.
        var (output, total) = (reasoning is null ? 40 : said, 12 + billed);
        foreach (var streamed in new[] { false, true })
        {
            var called = $"{name}, {(streamed ? "streamed" : "whole")}";
            await shared.Service.SubscribeAsync(Samples.Snapshot(called, Samples.Hard("billing_period", 5_000)));
            await using var meter = shared.Connect();
            var model = new ScriptedModel(
                new() { InputTokenCount = 12, OutputTokenCount = output, ReasoningTokenCount = reasoning, TotalTokenCount = total },
                [.. Enumerable.Repeat(new TextReasoningContent("hm, "), 30), .. Words(9), new FunctionCallContent("1", "look", new Dictionary<string, object?> { ["at"] = "it" })]);
            await AskAsync(Capped(model, meter, called), streamed);
            Assert.Equal((10, billed - 10, 0), await shared.RecordedAsync(called));
        }
    }

    [Theory, InlineData("no output said, whole", false), InlineData("no output said, streamed", true)]
    public async Task An_answer_whose_usage_says_nothing_of_its_output_is_taken_by_all_its_contents(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 5_000)));
        await using var meter = shared.Connect();
        var model = new ScriptedModel(
            new() { InputTokenCount = 30 }, new TextReasoningContent(new('r', 400)), new TextContent(new('t', 200)), new FunctionCallContent("1", "look", new Dictionary<string, object?> { ["at"] = new string('a', 194) }));
        await AskAsync(Capped(model, meter, name), streamed);
        Assert.Equal((100, 100, 0), await shared.RecordedAsync(name));
    }

    /// <summary>BerriAI/litellm#38647, #40050: requests held their worst case, and were refused with nothing spent.</summary>
    [Theory, InlineData("honest whole", false), InlineData("honest streamed", true)]
    public async Task Worst_case_holds_refusing_honest_requests(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 10_000)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        model.WaitsFor = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = Enumerable.Range(0, 20).Select(n => AskAsync(Capped(model.Client(), meter, name, $"{name} {n}"), streamed, "100", new() { MaxOutputTokens = 8_000 })).ToArray();
        await Eventually.True(() => model.Generated >= 20 * 21 || asked.Any(a => a.IsFaulted), "all of them are generating at once");
        model.WaitsFor.SetResult();
        Assert.All(await Task.WhenAll(asked), answer => Assert.Equal(ChatFinishReason.Stop, answer.FinishReason));
        Assert.Equal(8_000, model.MaxTokens);
        var window = (await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) })).Windows.Single();
        Assert.Equal((2_000, 0), (window.UsedTokens, window.ReservedTokens));
    }

    [Fact]
    public async Task U1_who_wants_it_holds_all_that_a_request_may_generate()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("holds its limit", Samples.Hard("billing_period", 10_000)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        model.WaitsFor = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = AskAsync(Capped(model.Client(), meter, "holds its limit", holdsLimit: true), streamed: true, "100", new() { MaxOutputTokens = 10_000 });
        await Eventually.True(() => model.Generated > 20, "it is generating");
        await Assert.ThrowsAsync<GenerationDeniedException>(() => AskAsync(Capped(model.Client(), meter, "holds its limit", "one more"), streamed: true));
        model.WaitsFor.SetResult();
        await first;
        Assert.Equal(10_000, model.MaxTokens);
    }

    [Fact]
    public async Task U3_a_token_whose_grant_lapsed_while_it_was_generated_counts_under_the_next_one()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("lapsed", Samples.Hard("conversation", 5_000)));
        var clock = new RacingClock();
        await using var meter = shared.Connect(new() { Time = clock, ReportWithin = TimeSpan.FromHours(1) });
        await using var generation = await meter.StartAsync(SharedService.Request("lapsed", "lapsed"));
        Assert.True(await generation.RoomAsync() > 0);
        clock.Jump(TimeSpan.FromSeconds(21));
        Assert.Equal(0, generation.Count(output: 1));
        Assert.True(await generation.CountAsync(output: 1));
        await generation.FinishAsync();
        Assert.Equal((1, 0, 0), await shared.RecordedAsync("lapsed"));
        Assert.Equal(1, await shared.FinishOfAsync("lapsed"));
    }

    private static TextContent[] Words(int count) => [.. Enumerable.Repeat(new TextContent("word "), count)];

    private static IChatClient Capped(IChatClient model, MeterClient meter, string subscription, string? generation = null, bool holdsLimit = false) => model.AsBuilder()
        .UseTokenCap(meter, new() { Caller = (_, _) => new(Samples.SubscriptionId(subscription), "c1", GenerationId.Derive(Samples.Jan1, generation ?? subscription)), HoldsLimit = holdsLimit })
        .Build();

    private static async Task<ChatResponse> AskAsync(IChatClient client, bool streamed, string tokens = "100", ChatOptions? options = null) =>
        streamed ? await client.GetStreamingResponseAsync(tokens, options).ToChatResponseAsync() : await client.GetResponseAsync(tokens, options);
}
