using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>Budgets of other systems were passed, or refused what they should have served. Each test names the reports that it is taken from.</summary>
[Collection(FailuresOfOthers.Name)]
public sealed class CapsThatDidNotHold(OthersService others)
{
    /// <summary>BerriAI/litellm#34732, #23714, #11083; envoyproxy/ai-gateway#680: the budget was read by all before any had added to it.</summary>
    [Fact]
    public async Task Check_then_add_race_between_requests_of_one_budget()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("race", Samples.Hard("billing_period", 1_000)));
        string[] names = [.. Enumerable.Range(0, 40).Select(i => $"race-{i}")];
        var answers = await others.AuthorizeAsync(names.Select(n => Samples.Start(n, "race", n)));
        var granted = names.Zip(answers).Where(a => a.Second.Grant is not null).Select(a => (a.First, a.Second.Grant.TokensAllowed)).ToArray();
        Assert.Equal(1_000, granted.Sum(g => g.TokensAllowed));
        Assert.All(answers.Where(a => a.Grant is null), a => Assert.Equal("cap_reached", a.Deny.Reason));
        await others.SettleAsync(granted);
        Assert.Equal([("output", 1_000)], await others.ReportedAsync("race", 1_000));
    }

    /// <summary>BerriAI/litellm#40095: the first requests of a user whom no counter knew yet all passed.</summary>
    [Fact]
    public async Task Concurrent_first_requests_of_a_customer_who_is_not_in_memory_yet()
    {
        string[] users = [.. Enumerable.Range(0, 8).Select(u => $"first-{u}")];
        foreach (var user in users) await others.Service.SubscribeAsync(Samples.Snapshot(user, Samples.Hard("billing_period", 300)));
        // Each sends eight at once, and one of them eight times.
        var starts = users.SelectMany(u => Enumerable.Range(0, 16).Select(i => Samples.Start($"{u}-{Math.Min(i, 8)}", u, "c1", input: 5))).ToArray();
        var answers = await others.AuthorizeAsync(starts);
        foreach (var user in users)
        {
            var granted = starts.Zip(answers).Where(a => a.First.SubscriptionId == Samples.SubscriptionId(user) && a.Second.Grant is not null)
                .GroupBy(a => a.First.GenerationId).Select(g => g.Max(a => a.Second.Grant.TokensAllowed)).ToArray();
            Assert.Equal((300, 2), (granted.Sum(), granted.Length));
            var window = await others.BalanceAsync(user);
            Assert.Equal((0, 300), (window.UsedTokens, window.ReservedTokens));
        }
        // An answer need not wait for its prompt's row.
        var prompts = $"select coalesce(sum(input), 0) from usage.token_event where subscription in ({string.Join(", ", users.Select(u => $"'{Samples.SubscriptionId(u)[4..]}'"))})";
        await Eventually.True(async () => await others.Service.ScalarAsync<long>(prompts) == users.Length * 2 * 5, "each granted prompt is recorded once");
    }

    /// <summary>BerriAI/litellm#27381: the limiter was built, and nobody had registered it: what it would have refused went on.</summary>
    [Fact]
    public async Task Limiter_built_and_never_registered()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("stopped", Samples.Hard("billing_period", 100)));
        await others.AuthorizeAsync([Samples.Start("stopped", "stopped")]);
        await others.SettleAsync([("stopped", 100)]);
        // Whichever way it asks.
        var unary = Assert.Single(await others.AuthorizeAsync([Samples.Start("unary", "stopped")], wanted: 50));
        await using var stream = new RuntimeStream(others.Service.Meter);
        await stream.SendAsync(Samples.Start("streamed", "stopped"));
        Assert.Equal(("cap_reached", "cap_reached"), (unary.Deny?.Reason, (await stream.DenialOf("streamed")).Reason));
        // And if it does not listen, nothing of it is counted as granted.
        await stream.SendAsync(Samples.Chunk("streamed", 1, 40));
        await stream.RejectionOf("streamed", "generation_unknown");
        await using var meter = new RuntimeClient.MeterClient(others.Service.Channel.CreateCallInvoker());
        await Assert.ThrowsAsync<RuntimeClient.GenerationDeniedException>(() => meter.StartAsync(new()
        {
            Id = Samples.GenerationId("by the client"), Subscription = Samples.SubscriptionId("stopped"), Conversation = "c1", Model = "small-model",
        }));
        Assert.Equal((100, 0), ((await others.BalanceAsync("stopped")).UsedTokens, (await others.BalanceAsync("stopped")).ReservedTokens));
    }

    /// <summary>BerriAI/litellm#26672: the version that came after did not know what had been spent, and served on.</summary>
    [Fact]
    public async Task Budget_that_bound_nobody_after_an_upgrade()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("upgraded", Samples.Hard("billing_period", 300)));
        foreach (var (name, granted) in new[] { ("before", 256), ("between", 44) })
        {
            Assert.Equal(granted, (await service.Meter.AuthorizeAsync(new() { Start = Samples.Start(name, "upgraded") })).Grant?.TokensAllowed);
            await service.Meter.SettleAsync(new() { Finish = FinishOf(name, granted) });
            await service.StopHostAsync();
            await service.StartHostAsync();
            await service.ReadyAsync();
        }
        Assert.Equal("cap_reached", (await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("after", "upgraded") })).Deny?.Reason);
    }

    /// <summary>BerriAI/litellm#35524: where no price was known for the model, nothing was reserved, and the budget did not apply.</summary>
    [Fact]
    public async Task Reservation_skipped_for_an_unknown_price()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("unpriced", Samples.Hard("billing_period", 300)));
        var starts = new[] { "unpriced-1", "unpriced-2", "unpriced-3" }.Select(n => Samples.Start(n, "unpriced", n)).ToArray();
        foreach (var start in starts) start.Model = "nobody-priced-this";
        var answers = await others.AuthorizeAsync(starts);
        Assert.Equal([44, 256], answers.Where(a => a.Grant is not null).Select(a => a.Grant.TokensAllowed).Order());
        Assert.Equal(300, (await others.BalanceAsync("unpriced")).ReservedTokens);
    }

    /// <summary>BerriAI/litellm#38647, #40050: requests held their worst case, and were refused with nothing spent.</summary>
    [Fact]
    public async Task Worst_case_holds_refusing_honest_requests()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("honest", Samples.Hard("billing_period", 10_000)));
        string[] names = [.. Enumerable.Range(0, 20).Select(i => $"honest-{i}")];
        var answers = await others.AuthorizeAsync(names.Select(n => Samples.Start(n, "honest", n, maxOutput: 8_000)));
        Assert.All(answers, a => Assert.Equal(256, a.Grant.TokensAllowed));
        await others.SettleAsync(names.Select(n => (n, 100L)));
        var window = await others.BalanceAsync("honest");
        Assert.Equal((2_000, 0), (window.UsedTokens, window.ReservedTokens));
    }

    /// <summary>BerriAI/litellm#27639: reservations of requests that had died were never given back, and a paying user was refused.</summary>
    [Fact]
    public async Task Reservation_leak_blocking_a_paying_user()
    {
        await using var service = await UsageService.StartAsync(("Usage:LeaseSeconds", "1"));
        await service.SubscribeAsync(Samples.Snapshot("paying", Samples.Hard("billing_period", 5_000)));
        var broken = new RuntimeStream(service.Meter);
        await using var silent = new RuntimeStream(service.Meter);
        for (var i = 0; i < 10; i++)
        {
            await broken.SendAsync(Samples.Start($"broken-{i}", "paying", $"b{i}"));
            await silent.SendAsync(Samples.Start($"silent-{i}", "paying", $"s{i}"));
        }
        for (var i = 0; i < 9; i++) await broken.GrantOf($"broken-{i}");
        await broken.DisposeAsync();
        await Eventually.True(
            async () => (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("paying") })).Windows.Single() is { ReservedTokens: 0, UsedTokens: 0 },
            "what the dead held is free again");
        var answer = await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("alive", "paying"), TokensWanted = 5_000 });
        Assert.Equal(5_000, answer.Grant.TokensAllowed);
    }

    /// <summary>BerriAI/litellm#28247, #30460, #28283: after the store had failed, each process put its own sum back into the counter.</summary>
    [Fact]
    public async Task Counter_reseeded_after_a_store_failure()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("reseeded", Samples.Hard("billing_period", 2_000)));
        long granted = 0;
        for (var round = 0; round < 3; round++)
        {
            await OthersService.BreakConnectionsAsync(service);
            var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => DoneAsync($"reseeded-{round}-{i}")));
            granted += answers.Sum();
            // Memory is lost as well, and whoever comes first reads the tables: all at once.
            await service.StopHostAsync();
            await service.StartHostAsync();
            await service.ReadyAsync();
        }
        Assert.Equal(3 * 10 * 20, granted);
        var window = (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("reseeded") })).Windows.Single();
        Assert.Equal((granted, 0), (window.UsedTokens, window.ReservedTokens));
        await LedgerChecks.HoldAsync(service);

        async Task<long> DoneAsync(string name)
        {
            // A store that does not answer is said to be so; the same id is tried again.
            await Eventually.True(async () => (await service.Meter.AuthorizeAsync(new() { Start = Samples.Start(name, "reseeded", name, maxOutput: 20) })).Grant is not null, "it is granted");
            await Eventually.True(async () => (await service.Meter.SettleAsync(new() { Finish = FinishOf(name, 20) })).Ack.Finished, "it is settled");
            return 20;
        }
    }

    /// <summary>BerriAI/litellm#33923: a reservation that could not be made was taken for one that was.</summary>
    [Fact]
    public async Task Failed_reservation_taken_for_a_grant()
    {
        await using var service = await UsageService.StartAsync(("Usage:UnaryWaitSecondsMax", "1"));
        await service.SubscribeAsync(Samples.Snapshot("failed", Samples.Hard("billing_period", 1_000)));
        await using var other = new Npgsql.NpgsqlConnection(service.Postgres);
        await other.OpenAsync();
        await using var blocking = await other.BeginTransactionAsync();
        await using (var command = new Npgsql.NpgsqlCommand("lock table usage.slab in exclusive mode", other, blocking)) await command.ExecuteNonQueryAsync();
        var start = Samples.Start("failed", "failed");
        await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await service.Meter.AuthorizeAsync(new() { Start = start }));
        await blocking.RollbackAsync();
        await Eventually.True(async () => (await service.Meter.AuthorizeAsync(new() { Start = start })).Grant?.TokensAllowed == 256, "it is granted, once it is reserved");
    }

    /// <summary>envoyproxy/ai-gateway#2394: limits were applied when an answer had ended, so that one answer could be as long as it liked.</summary>
    [Fact]
    public async Task Limit_applied_only_after_the_stream_had_ended()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("endless", Samples.Hard("billing_period", 600)));
        await using var stream = new RuntimeStream(others.Service.Meter);
        await stream.SendAsync(Samples.Start("endless", "endless"));
        await stream.GrantOf("endless");
        await stream.SendAsync(Samples.Chunk("endless", 1, 256));
        await stream.GrantOf("endless", g => g.TokensAllowed == 512);
        await stream.SendAsync(Samples.Chunk("endless", 2, 512));
        Assert.True((await stream.GrantOf("endless", g => g.TokensAllowed == 600)).Final);
        await stream.SendAsync(Samples.Chunk("endless", 3, 600));
        await stream.StopOf("endless", "cap_reached");
    }

    private static Finish FinishOf(string name, long output) =>
        new() { GenerationId = Samples.GenerationId(name), Sequence = 1, Reason = FinishReason.Stop, Totals = new() { Output = output } };
}
