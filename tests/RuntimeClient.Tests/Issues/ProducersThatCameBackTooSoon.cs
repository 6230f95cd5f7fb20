using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>Found by reading: whoever came back went on from what was committed, while more had been taken; and from counts in which overrun was all output.</summary>
[Collection(OneService.Name)]
public sealed class ProducersThatCameBackTooSoon(SharedService shared)
{
    [Theory]
    [InlineData("back too soon", 0), InlineData("back too soon with a hold", 300)]
    public async Task U3_a_producer_that_comes_back_before_its_last_word_is_committed_goes_on_after_it(string name, int wanted)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name));
        var line = await LossyMeter.StartAsync(() => shared.Service.Meter, lossShare: 0);
        await using var lost = new MeterClient(line.Address, new() { DisposeWithin = TimeSpan.Zero, TokensPerReport = 10 });
        var before = await lost.StartAsync(SharedService.Request(name, name));
        await using var held = await TableLock.TakeAsync(shared.Service, "usage.token_event", "share");
        before.Count(output: 80, reasoning: 20);
        await Eventually.True(async () => await TableLock.WaitersAsync(shared.Service, "usage.token_event") > 0, "its last word waits to be committed");
        // It never says another word.
        await line.DisposeAsync();

        await using var meter = shared.Connect();
        var starting = meter.StartAsync(SharedService.Request(name, name, wanted: wanted));
        await Eventually.True(() => meter.Active.Any(g => g.FirstGrant > 0), "it is resumed");
        Assert.False(starting.IsCompleted); // what was taken may still be lost with its owner
        await held.DisposeAsync();
        await using var again = await starting;
        Assert.Equal(100, again.Generated);
        again.Count(output: 7);
        await again.FinishAsync();
        Assert.Equal((87, 20, 0), await shared.RecordedAsync(name));
    }

    [Fact]
    public async Task U5_overrun_of_reasoning_is_not_said_again_as_output()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("overrun back", Samples.Hard("conversation", 50)));
        await shared.Service.Meter.AuthorizeAsync(new() { Start = Samples.Start("overrun back", "overrun back") });
        await shared.Service.Meter.ReportAsync(new() { Chunk = new() { GenerationId = Samples.GenerationId("overrun back"), Sequence = 1, Tokens = new() { Output = 10, Reasoning = 60 } } });

        await using var meter = shared.Connect();
        var start = Samples.Start("overrun back", "overrun back");
        var again = await meter.StartAsync(new()
        {
            Id = start.GenerationId, Subscription = start.SubscriptionId, Conversation = start.Conversation, Model = start.Model,
            Prompt = new(start.Prompt.Input, start.Prompt.CachedInput, start.Prompt.CacheCreation), TokensWanted = 10,
        });
        Assert.Equal((70, 0L), (again.Generated, await again.RoomAsync()));
        Assert.NotNull(again.StopReason);
        await again.FinishAsync();
        Assert.Equal(70, await shared.Service.ScalarAsync<long>($"select sum(output + reasoning + overrun) from usage.token_event where generation = '{start.GenerationId[4..]}'"));
    }
}
