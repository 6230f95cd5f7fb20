using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>Found by reading: whether an id had been there before was known for each subscription by itself, so another one's usage could be added to a generation.</summary>
public sealed class One_id_ran_under_two_subscriptions
{
    private static Start Start(string subscription, string generation = "shared")
    {
        var start = Samples.Start(generation, subscription, input: 3);
        // Newer than any that the other subscription has had.
        if (generation == "shared") start.GenerationId = Shared;
        return start;
    }

    private static string Shared => Samples.GenerationId("shared", Samples.Jan1.AddSeconds(1));

    [Fact]
    public async Task Of_a_generation_that_runs_no_other_subscription_can_start_another()
    {
        await using var service = await UsageService.StartAsync();
        foreach (var name in new[] { "alice", "bob" }) await service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
        await service.Meter.AuthorizeAsync(new() { Start = Start("alice") });
        await service.Meter.AuthorizeAsync(new() { Start = Start("bob", "loads bob") });
        Assert.Equal("generation_reused", (await service.Meter.AuthorizeAsync(new() { Start = Start("bob") })).Deny.Reason);
        await service.Meter.ReportAsync(new() { Chunk = new() { GenerationId = Shared, Sequence = 1, Tokens = new() { Output = 7 } } });
        Assert.Equal((7, 0), (await Used(service, "alice"), await Used(service, "bob")));
    }

    [Fact]
    public async Task Of_a_generation_that_is_over_another_is_stopped_and_counts_nothing()
    {
        await using var service = await UsageService.StartAsync();
        foreach (var name in new[] { "alice", "bob" }) await service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
        await service.Meter.AuthorizeAsync(new() { Start = Start("bob", "loads bob") });
        await service.Meter.AuthorizeAsync(new() { Start = Start("alice") });
        await service.Meter.SettleAsync(new() { Finish = new() { GenerationId = Shared, Sequence = 1, Reason = FinishReason.Stop, Totals = new() { Output = 7 } } });

        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Start("bob"));
        var stop = await stream.Answer(f => f.Stop, s => s.GenerationId == Shared);
        Assert.Equal("generation_reused", stop.Reason);
        await stream.SendAsync(new Chunk { GenerationId = Shared, Sequence = 2, Tokens = new() { Output = 50 } });
        Assert.NotEqual("", (await stream.Answer(f => f.Rejection, r => r.GenerationId == Shared)).Reason);
        await stream.SendAsync(Start("bob"));
        Assert.Equal("generation_reused", (await stream.Answer(f => f.Deny, d => d.GenerationId == Shared)).Reason);

        Assert.Equal((7, 0), (await Used(service, "alice"), await Used(service, "bob")));
        Assert.Equal(1, await service.ScalarAsync<long>($"select count(distinct subscription) from usage.token_event where generation = '{Shared[4..]}'"));
        // What it held is free again, and the shard goes on.
        Assert.Equal(256, (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("bob") })).Windows.Single().ReservedTokens);
        await service.Meter.SettleAsync(new() { Finish = Samples.Finish("loads bob", 1) });
    }

    private static async Task<long> Used(UsageService service, string name) =>
        (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) })).Windows.Single().UsedTokens;
}
