using Usage.Host.Tests;

namespace RuntimeClient.Tests;

[Collection(OneService.Name)]
public sealed class When_a_runtime_is_written_in_twenty_lines(SharedService shared)
{
    [Fact]
    public async Task U1_it_generates_up_to_the_cap_and_not_one_token_further()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        var generated = 0;
        await MeterAsync(shared.Address, "", Samples.SubscriptionId("alice"), Enumerable.Range(0, 5_000).Select(_ => ++generated), Samples.Jan1);
        Assert.Equal(1_000, generated);
        Assert.Equal((1_000, 0, 0), await shared.RecordedAsync("request-1"));
        Assert.Equal(1, await shared.Service.ScalarAsync<long>($"select count(*) from usage.generation where subscription = '{Samples.SubscriptionId("alice")[4..]}' and finish = 3"));
    }

    private static async Task MeterAsync(Uri usage, string key, string subscription, IEnumerable<int> model, DateTimeOffset receivedAt)
    {
        // README: the client library
        await using var meter = new MeterClient(usage, new() { ApiKey = key }); // one for each process: batches, reconnects, sends again
        await using var generation = await meter.StartAsync(new()
        {
            Id = GenerationId.Derive(receivedAt, "request-1"),                  // the same in every attempt, so that none is billed twice
            Subscription = subscription, Conversation = "chat-1", Model = "my-model", Prompt = new(Input: 12),
        });
        using var tokens = model.GetEnumerator();
        while (await generation.RoomAsync() > 0 && tokens.MoveNext())           // first the grant, then the token; 0 is the cap
            if (!await generation.CountAsync(output: 1)) break;                 // if it lapsed meanwhile: by the next grant, or not to be emitted
        await generation.FinishAsync();                                         // committed: it will be billed exactly once
        // end
    }

    [Fact]
    public async Task U2_what_is_counted_past_the_grant_is_not_counted_and_says_how_much_may_be_emitted()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("bob", Samples.Hard("conversation", 300)));
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request("cut", "bob"));
        Assert.Equal((256, 256), (generation.Granted, generation.Room));
        Assert.Equal(256, generation.Count(output: 1_000));
        Assert.Equal(0, generation.Count(output: 1));
        Assert.Equal(44, await generation.RoomAsync());
        Assert.Equal(44, generation.Count(output: 40, reasoning: 30));
        Assert.Equal(0, await generation.RoomAsync());
        await generation.FinishAsync();
        Assert.Equal((256 + 14, 30, 0), await shared.RecordedAsync("cut"));
        Assert.Equal(0, await shared.Service.ScalarAsync<long>($"select count(*) from usage.generation where generation = '{generation.Id[4..]}' and finish <> 3"));
    }

    [Theory]
    [InlineData("several", 5_000, true, 300, 1), InlineData("several at the cap", 280, false, 280, 3)]
    public async Task An_answer_whose_tokens_come_several_at_once_is_cut_only_if_there_is_no_room_for_them(string name, long cap, bool counted, long generated, int finish)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("conversation", cap)));
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request(name, name));
        Assert.Equal(counted, await generation.CountAsync(output: 300));
        await generation.FinishAsync();
        Assert.Equal((generated, 0, 0), await shared.RecordedAsync(name));
        Assert.Equal(finish, await shared.FinishOfAsync(name));
    }

    [Theory]
    [InlineData("capped", "active", "cap_reached"), InlineData("paused in the middle", "paused", "subscription_paused")]
    public async Task Why_no_more_can_be_granted_is_known_while_the_last_grant_is_used(string name, string status, string reason)
    {
        var terms = Samples.Snapshot(name, Samples.Hard("conversation", 300));
        await shared.Service.SubscribeAsync(terms);
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request(name, name));
        Assert.Null(generation.FinalReason);
        await shared.Service.SubscribeAsync(terms with { Version = 2, Status = status });
        Assert.Equal(200, generation.Count(output: 200));
        await Eventually.True(() => generation.IsFinal, "its last grant is here");
        Assert.Equal((reason, null), (generation.FinalReason, generation.StopReason));
        Assert.InRange(generation.Room, 56, 100);
        await generation.FinishAsync();
    }

    [Fact]
    public async Task U3_totals_that_several_threads_count_to_at_once_are_counted_once()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("threads", Samples.Hard("billing_period", 1_000)));
        await shared.Service.Meter.AuthorizeAsync(new() { Start = Samples.Start("holds most", "threads"), TokensWanted = 744 });
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request("threads", "threads"));
        // Of 256 there are granted, so each of them waits for the same 44.
        var counting = Enumerable.Range(0, 2).Select(_ => generation.CountToAsync(output: 300, reasoning: 0).AsTask()).ToArray();
        await shared.Service.Meter.SettleAsync(new() { Finish = Samples.Finish("holds most", 1) });
        Assert.All(await Task.WhenAll(counting), Assert.True);
        await generation.FinishAsync();
        Assert.Equal((300, 0, 0), await shared.RecordedAsync("threads"));
    }

    [Fact]
    public async Task U1_tokens_that_several_threads_count_are_never_more_than_are_granted()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("crowd", Samples.Hard("conversation", 3_000)));
        await using var meter = shared.Connect();
        await using var generation = await meter.StartAsync(SharedService.Request("crowd", "crowd"));
        var emitted = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var mine = 0L;
            while (await generation.RoomAsync() > 0) mine += generation.Count(output: 3);
            return mine;
        })));
        await generation.FinishAsync();
        Assert.Equal(3_000, emitted.Sum());
        Assert.Equal((3_000, 0, 0), await shared.RecordedAsync("crowd"));
    }

    [Fact]
    public async Task What_was_asked_for_is_held_from_the_start_or_what_is_left_and_given_back_at_the_end()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("carol", Samples.Hard("billing_period", 3_000)));
        await using var meter = shared.Connect();
        await using var first = await meter.StartAsync(SharedService.Request("held-1", "carol", wanted: 2_000));
        Assert.Equal(2_000, first.FirstGrant);
        await using var second = await meter.StartAsync(SharedService.Request("held-2", "carol", wanted: 2_000));
        Assert.Equal(1_000, second.FirstGrant);
        var denied = await Assert.ThrowsAsync<GenerationDeniedException>(() => meter.StartAsync(SharedService.Request("held-3", "carol")));
        Assert.Equal(("cap_reached", "billing_period"), (denied.Reason, denied.Window));
        Assert.Equal(1_000, second.Count(1_000));
        // Nothing is left for the second until the first gives back what it held and did not use.
        var waiting = second.RoomAsync().AsTask();
        Assert.Equal(10, first.Count(10));
        await first.FinishAsync();
        Assert.True(await waiting > 0);
        await second.FinishAsync();
        Assert.Equal((1_000, 0, 0), await shared.RecordedAsync("held-2"));
    }

    [Fact]
    public async Task U3_a_producer_that_was_lost_goes_on_with_the_same_id_where_it_was_and_one_that_was_done_counts_nothing_twice()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("dave"));
        var line = await LossyMeter.StartAsync(() => shared.Service.Meter, lossShare: 0);
        await using var lost = new MeterClient(line.Address, new() { DisposeWithin = TimeSpan.Zero, TokensPerReport = 10 });
        Assert.Equal(100, (await lost.StartAsync(SharedService.Request("retried", "dave"))).Count(output: 80, reasoning: 20));
        await Eventually.True(async () => (await shared.RecordedAsync("retried")).Output == 80, "what it reported is recorded");
        // It never says another word.
        await line.DisposeAsync();

        await using var meter = shared.Connect();
        await using var again = await meter.StartAsync(SharedService.Request("retried", "dave"));
        Assert.Equal(100, again.Generated);
        again.Count(output: 7);
        await again.FinishAsync();
        Assert.Equal((87, 20, 0), await shared.RecordedAsync("retried"));

        await using var third = shared.Connect();
        var done = await third.StartAsync(SharedService.Request("retried", "dave"));
        Assert.True(done.IsFinished);
        Assert.Equal(0, await done.RoomAsync());
        Assert.Empty(third.Active);
        await Assert.ThrowsAsync<GenerationDeniedException>(() => third.StartAsync(SharedService.Request("retried", "dave") with { Model = "another" }));
    }
}
