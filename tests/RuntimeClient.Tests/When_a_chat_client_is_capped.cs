using Microsoft.Extensions.AI;
using RuntimeClient.Chat;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

[Collection(OneService.Name)]
public sealed class When_a_chat_client_is_capped(SharedService shared)
{
    [Theory]
    [InlineData("whole", false), InlineData("streamed", true)]
    public async Task U1_an_answer_is_metered_as_its_provider_counts_it_and_the_next_one_ends_at_the_cap(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("conversation", 500)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var first = await AskAsync(Capped(model, meter, name, $"{name}-1", held: 2_048), 100, streamed);
        // The cap is in sight, and the model is told where it is.
        Assert.Equal(((int?)500, ChatFinishReason.Stop), (model.MaxTokens, first.FinishReason!.Value));
        Assert.Equal((80, 20, 0), await shared.RecordedAsync($"{name}-1"));
        Assert.Equal((7, 3), await PromptOfAsync(name, $"{name}-1"));

        // 400 are left: the model is told so, and stops by itself.
        var second = await AskAsync(Capped(model, meter, name, $"{name}-2", held: 2_048), 1_000, streamed);
        Assert.Equal(((int?)400, ChatFinishReason.Length, 500), (model.MaxTokens, second.FinishReason!.Value, model.Generated));
        Assert.Equal("cap_reached", WhyCut(second));
        Assert.Equal((380, 20, 0), await shared.RecordedAsync($"{name}-2"));

        await Assert.ThrowsAsync<GenerationDeniedException>(() => AskAsync(Capped(model, meter, name, $"{name}-3", held: 2_048), 1, streamed));
        Assert.Equal(500, model.Generated);
    }

    [Fact]
    public async Task A_stream_that_is_abandoned_breaks_or_is_cancelled_is_settled_at_what_came()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("erin", Samples.Hard("billing_period", 5_000)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();

        await foreach (var _ in Capped(model, meter, "erin", "abandoned").GetStreamingResponseAsync("900")) break;
        Assert.Equal((1, 0, 0), await shared.RecordedAsync("abandoned"));

        model.FailsAfter = 50;
        var came = 0;
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await foreach (var update in Capped(model, meter, "erin", "broken").GetStreamingResponseAsync("900")) came += update.Text.Length > 0 ? 1 : 0;
        });
        Assert.InRange(came, 0, 30);
        Assert.Equal((came, 0, 0), await shared.RecordedAsync("broken"));

        model.FailsAfter = null;
        using var patience = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in Capped(model, meter, "erin", "cancelled").GetStreamingResponseAsync("900", cancellationToken: patience.Token)) await patience.CancelAsync();
        });
        Assert.Equal((1, 0, 0), await shared.RecordedAsync("cancelled"));

        // All that was held for them is free again.
        Assert.Equal(0, await shared.Service.ScalarAsync<long>($"select count(*) from usage.generation where subscription = '{Samples.SubscriptionId("erin")[4..]}' and finish <> 4"));
        var balance = await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("erin") });
        Assert.Equal((came + 2, 0), (balance.Windows.Single().UsedTokens, balance.Windows.Single().ReservedTokens));
    }

    [Fact]
    public async Task U1_a_model_that_ignores_its_limit_is_cut_off_where_the_grant_ends()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("frank", Samples.Hard("conversation", 300)));
        await using var model = await StreamedModel.StartAsync();
        model.IgnoresLimit = true;
        await using var meter = shared.Connect();
        var answer = await AskAsync(Capped(model, meter, "frank", "deaf"), 5_000, streamed: true);
        Assert.Equal((ChatFinishReason.Length, 300), (answer.FinishReason!.Value, answer.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Equal("cap_reached", WhyCut(answer));
        Assert.Equal((300, 0, 0), await shared.RecordedAsync("deaf"));
    }

    [Theory]
    [InlineData("long whole", false), InlineData("long streamed", true)]
    public async Task U1_an_answer_without_a_limit_is_as_long_as_its_model_makes_it(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 9_000)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var first = await AskAsync(Capped(model, meter, name, $"{name}-1"), 5_000, streamed);
        Assert.Equal((null, ChatFinishReason.Stop, null), (model.MaxTokens, first.FinishReason!.Value, WhyCut(first)));
        Assert.Equal((10, 5_000), (first.Usage!.InputTokenCount, first.Usage.OutputTokenCount));
        Assert.Equal((4_980, 20, 0), await shared.RecordedAsync($"{name}-1"));

        // 4,000 are left. What is seen of an answer ends there; of the 20 that were generated unseen its provider would have told at its end, so they are in no row.
        var second = await AskAsync(Capped(model, meter, name, $"{name}-2"), 5_000, streamed);
        Assert.Equal((ChatFinishReason.Length, "cap_reached"), (second.FinishReason!.Value, WhyCut(second)));
        Assert.Equal(4_000, second.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal((4_000, 0, 0), await shared.RecordedAsync($"{name}-2"));
    }

    [Fact]
    public async Task A_limit_of_its_own_ends_an_answer_and_is_no_cap()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("own", Samples.Hard("billing_period", 9_000)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var answer = await Capped(model, meter, "own", "own limit").GetResponseAsync("900", new() { MaxOutputTokens = 60 });
        Assert.Equal((60, ChatFinishReason.Length, null), (model.MaxTokens, answer.FinishReason!.Value, WhyCut(answer)));
        Assert.Equal((40, 20, 0), await shared.RecordedAsync("own limit"));
    }

    [Theory]
    [InlineData("boundless whole", false), InlineData("boundless streamed", true)]
    public async Task A_limit_above_what_a_meter_holds_at_once_is_no_cap(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 100_000)));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var answer = await AskAsync(Capped(model, meter, name, name), 60, streamed, new() { MaxOutputTokens = int.MaxValue });
        Assert.Equal((int.MaxValue, ChatFinishReason.Stop, null), (model.MaxTokens, answer.FinishReason!.Value, WhyCut(answer)));
        Assert.Equal((40, 20, 0), await shared.RecordedAsync(name));
    }

    [Theory]
    [InlineData("crowded whole", false), InlineData("crowded streamed", true)]
    public async Task What_others_hold_of_a_cap_is_not_told_to_a_model_as_its_limit(string name, bool streamed)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 500)));
        await shared.Service.Meter.AuthorizeAsync(new() { Start = Samples.Start($"others of {name}", name), TokensWanted = 450 });
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var asked = AskAsync(Capped(model, meter, name, name), 100, streamed, new() { MaxOutputTokens = 400 });
        await Eventually.True(() => model.Generated == 100, "it is generating");
        await shared.Service.Meter.SettleAsync(new() { Finish = Samples.Finish($"others of {name}", 1) });
        var answer = await asked;
        Assert.Equal((400, ChatFinishReason.Stop, null), (model.MaxTokens, answer.FinishReason!.Value, WhyCut(answer)));
        Assert.Equal((80, 20, 0), await shared.RecordedAsync(name));
    }

    [Theory, InlineData("paused whole", false), InlineData("paused streamed", true)]
    public async Task An_answer_that_is_cut_says_why(string name, bool streamed)
    {
        var terms = Samples.Snapshot(name, Samples.Hard("billing_period", 300));
        await shared.Service.SubscribeAsync(terms);
        await shared.Service.Meter.AuthorizeAsync(new() { Start = Samples.Start($"others of {name}", name) });
        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var asked = AskAsync(Capped(model, meter, name, name), 5_000, streamed);
        await Eventually.True(() => meter.Active.Any(g => g.Generated == 44 && g.Room == 0), "it waits for what others hold");
        await shared.Service.SubscribeAsync(terms with { Version = 2, Status = "paused" });
        var answer = await asked;
        Assert.Equal((ChatFinishReason.Length, "subscription_paused"), (answer.FinishReason!.Value, WhyCut(answer)));
        Assert.Equal((44, 0, 0), await shared.RecordedAsync(name));
    }

    [Theory, InlineData("back streamed", true, false), InlineData("back whole", false, false), InlineData("back with its limit held", false, true)]
    public async Task U3_a_producer_that_comes_back_tells_its_model_what_is_left_of_the_limit(string name, bool streamed, bool holdsLimit)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 9_000)));
        var line = await LossyMeter.StartAsync(() => shared.Service.Meter, lossShare: 0);
        await using var lost = new MeterClient(line.Address, new() { DisposeWithin = TimeSpan.Zero });
        var before = await lost.StartAsync(SharedService.Request(name, name) with { Prompt = new(1), OutputTokensMax = 1_000 });
        Assert.True(await before.CountAsync(output: 384));
        await Eventually.True(async () => (await shared.RecordedAsync(name)).Output == 384, "it has reported");
        // It never says another word.
        await line.DisposeAsync();

        await using var model = await StreamedModel.StartAsync();
        await using var meter = shared.Connect();
        var answer = await AskAsync(Capped(model, meter, name, name, holdsLimit: holdsLimit), 1_000, streamed, new() { MaxOutputTokens = 1_000 });
        Assert.Equal((616, 616, ChatFinishReason.Length, null), (model.MaxTokens, model.Generated, answer.FinishReason!.Value, WhyCut(answer)));
        Assert.Equal((384 + 596, 20, 0), await shared.RecordedAsync(name));
        Assert.Equal(2, await shared.FinishOfAsync(name));
    }

    private static IChatClient Capped(StreamedModel model, MeterClient meter, string subscription, string generation, int held = 256, bool holdsLimit = false) => model.Client().AsBuilder()
        .UseTokenCap(meter, new() { Caller = (_, _) => new(Samples.SubscriptionId(subscription), "c1", GenerationId.Derive(Samples.Jan1, generation)), TokensHeld = held, HoldsLimit = holdsLimit })
        .Build();

    /// <summary>A stream's last update becomes part of its message.</summary>
    private static object? WhyCut(ChatResponse answer) => (answer.AdditionalProperties ?? answer.Messages[^1].AdditionalProperties)?[TokenCapChatClient.CutByCap];

    private static async Task<ChatResponse> AskAsync(IChatClient client, int tokens, bool streamed, ChatOptions? options = null) => streamed
        ? await client.GetStreamingResponseAsync($"{tokens}", options).ToChatResponseAsync()
        : await client.GetResponseAsync($"{tokens}", options);

    private async Task<(long Input, long Cached)> PromptOfAsync(string subscription, string generation)
    {
        var (input, cached) = (0L, 0L);
        using var rows = shared.Service.Ledger.ListEvents(new() { SubscriptionId = Samples.SubscriptionId(subscription), GenerationId = GenerationId.Derive(Samples.Jan1, generation) });
        while (await rows.ResponseStream.MoveNext(CancellationToken.None))
            (input, cached) = (input + rows.ResponseStream.Current.Tokens.Input, cached + rows.ResponseStream.Current.Tokens.CachedInput);
        return (input, cached);
    }
}
