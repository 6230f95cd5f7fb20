using Contracts.Messages;
using Contracts.Usage.V1;
using Npgsql;

namespace Usage.Host.Tests;

public sealed class When_terms_change
{
    [Fact]
    public async Task Snapshots_may_be_late_twice_and_out_of_order()
    {
        await using var service = await UsageService.StartAsync();
        SubscriptionChanged With(long version, long cap) => Samples.Snapshot("alice", Samples.Hard("conversation", cap)) with { Version = version };
        await service.SubscribeAsync(With(3, 300));
        foreach (var snapshot in new[] { With(1, 100), With(3, 300), With(2, 200), With(1, 100) }) await service.PublishAsync(snapshot);
        await service.SubscribeAsync(With(4, 40));
        var balance = await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice"), Conversation = "c1" });
        Assert.Equal(40, Assert.Single(balance.Windows).CapTokens);
    }

    [Fact]
    public async Task A_period_that_turns_in_the_middle_of_a_generation_takes_what_comes_after()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000)));
        Assert.Null(service.Clock.MoveTo(Samples.Feb1.AddSeconds(-1)));
        var generation = Samples.Start("g", "alice", input: 7);
        generation.GenerationId = Samples.GenerationId("g", Samples.Feb1.AddSeconds(-1));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(generation);
        await stream.Answer(f => f.Grant, _ => true);
        await stream.SendAsync(new Chunk { GenerationId = generation.GenerationId, Sequence = 1, Tokens = new TokenCounts { Output = 10 } });
        await stream.Answer(f => f.Ack, a => a.Sequence == 1);
        Assert.Null(service.Clock.MoveTo(Samples.Feb1));
        await stream.SendAsync(new Chunk { GenerationId = generation.GenerationId, Sequence = 2, Tokens = new TokenCounts { Output = 35 } });
        await stream.SendAsync(new Finish { GenerationId = generation.GenerationId, Sequence = 3, Reason = FinishReason.Stop });
        await stream.Answer(f => f.Ack, a => a.Finished);

        await LedgerChecks.HoldAsync(service);
        Assert.Equal(
            [(Samples.PeriodId("alice", 0), "input", 7), (Samples.PeriodId("alice", 0), "output", 10), (Samples.PeriodId("alice", 1), "output", 25)],
            service.Reports.Values.SelectMany(r => r.Lines).GroupBy(l => (l.PeriodId, l.Kind)).Select(g => (g.Key.PeriodId, g.Key.Kind, g.Sum(l => l.Tokens)))
                .OrderBy(l => l.PeriodId == Samples.PeriodId("alice", 1)).ThenBy(l => l.Kind));
        var february = await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") });
        Assert.Equal((25, 0, Samples.Mar1), (february.Windows[0].UsedTokens, february.Windows[0].ReservedTokens, february.Windows[0].ClosesAt.ToDateTimeOffset()));
    }

    [Fact]
    public async Task A_plan_that_changes_in_the_middle_keeps_what_is_used_and_its_caps_hold_from_the_next_decision()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        Assert.False((await stream.GrantOf("g", g => g.TokensAllowed == 512)).Final);
        await stream.AckOf("g", 1);
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 600)) with { Version = 2, PlanId = Samples.PlanId("large") });
        // The grant that is out runs to its end; the next one is under the new cap.
        await stream.SendAsync(Samples.Chunk("g", 2, 500));
        Assert.True((await stream.GrantOf("g", g => g.TokensAllowed == 600)).Final);
        await stream.SendAsync(Samples.Chunk("g", 3, 600));
        await stream.StopOf("g", "cap_reached");
        await stream.SendAsync(Samples.Finish("g", 4, FinishReason.Cap));
        await stream.AckOf("g", 4);
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(
            [(Samples.PlanId("small"), 200L), (Samples.PlanId("large"), 400L)],
            service.Reports.Values.SelectMany(r => r.Lines).GroupBy(l => l.PlanId).Select(g => (g.Key, g.Sum(l => l.Tokens))).OrderBy(l => l.Item2));
    }

    [Theory, InlineData("five_hours", 5), InlineData("week", 7 * 24)]
    public async Task A_plan_that_brings_a_window_opens_it_with_what_comes_next_and_what_is_out_runs_to_its_end(string window, int hours)
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        await stream.GrantOf("g", g => g.TokensAllowed == 512);
        await stream.AckOf("g", 1);
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000), Samples.Hard(window, 300)) with { Version = 2 });
        // 312 were out when the plan changed: they are used, in the window that opens with them, and fill it.
        await stream.SendAsync(Samples.Chunk("g", 2, 512));
        await stream.StopOf("g", "cap_reached");
        await stream.SendAsync(Samples.Finish("g", 3, FinishReason.Cap));
        await stream.AckOf("g", 3);
        Assert.Equal((312, 0), await InAsync(service, window));
        await stream.SendAsync(Samples.Start("h", "alice", "c2"));
        Assert.Equal(("cap_reached", window), ((await stream.DenialOf("h")).Reason, (await stream.DenialOf("h")).Window));

        var closed = Samples.Jan1.AddHours(hours);
        Assert.Null(service.Clock.MoveTo(closed));
        var next = Samples.Start("next", "alice", "c3");
        next.GenerationId = Samples.GenerationId("next", closed);
        await stream.SendAsync(next);
        Assert.Equal(256, (await stream.Answer(f => f.Grant, g => g.GenerationId == next.GenerationId)).TokensAllowed);
        Assert.Equal((0, 256), await InAsync(service, window));
        Assert.Equal(0, await service.ScalarAsync<long>("select sum(overrun) from usage.token_event"));
        await LedgerChecks.HoldAsync(service);
    }

    [Theory, InlineData("five_hours"), InlineData("week")]
    public async Task U1_U2_a_void_gives_a_window_back_what_was_counted_in_it_and_not_what_came_before_it_in_the_same_moment(string window)
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        await stream.AckOf("g", 1);
        // The clock stands still: these and the 200 before were received when the window opened, and only these are in it.
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000), Samples.Hard(window, 300)) with { Version = 2 });
        await stream.SendAsync(Samples.Chunk("g", 2, 300));
        await stream.SendAsync(Samples.Finish("g", 3, FinishReason.Cap));
        await stream.AckOf("g", 3);
        Assert.Equal((100, 0), await InAsync(service, window));

        await service.Corrections.VoidUsageAsync(
            new() { GenerationId = Samples.GenerationId("g"), Author = "ada", Reason = "the model answered nonsense" }, new Grpc.Core.Metadata { { "idempotency-key", "void" } });
        Assert.Equal((0, 0), await InAsync(service, window));
        Assert.Equal(0, await service.ScalarAsync<long>("select output from usage.window_total"));
    }

    [Theory, InlineData("five_hours"), InlineData("week")]
    public async Task A_plan_that_drops_a_window_holds_no_more_by_it_and_one_that_brings_it_back_finds_what_was_used_in_it(string window)
    {
        await using var service = await UsageService.StartAsync();
        PublishedCap conversation = Samples.Hard("conversation", 10_000), dropped = Samples.Hard(window, 300);
        await service.SubscribeAsync(Samples.Snapshot("alice", conversation, dropped));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        // Of 300 these leave 44, beside the 256 that are out.
        await stream.SendAsync(Samples.Start("waiting", "alice", "c2"));
        Assert.Equal(44, (await stream.GrantOf("waiting")).TokensAllowed);
        await stream.SendAsync(Samples.Start("denied", "alice", "c3"));
        Assert.Equal("cap_reached", (await stream.DenialOf("denied")).Reason);
        await service.SubscribeAsync(Samples.Snapshot("alice", conversation) with { Version = 2 });
        await stream.SendAsync(Samples.Chunk("g", 1, 250));
        Assert.False((await stream.GrantOf("g", g => g.TokensAllowed == 512)).Final);
        await stream.SendAsync(Samples.Chunk("g", 2, 400));
        await stream.SendAsync(Samples.Finish("g", 3));
        Assert.True((await stream.AckOf("g", 3)).Finished);
        Assert.DoesNotContain((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows, w => w.Window == window);

        await service.SubscribeAsync(Samples.Snapshot("alice", conversation, dropped) with { Version = 3 });
        Assert.Equal((400, 44), await InAsync(service, window));
        await stream.SendAsync(Samples.Start("late", "alice", "c4"));
        Assert.Equal("cap_reached", (await stream.DenialOf("late")).Reason);
        Assert.Equal(0, await service.ScalarAsync<long>("select sum(overrun) from usage.token_event"));
    }

    private static async Task<(long Used, long Reserved)> InAsync(UsageService service, string window)
    {
        var balance = await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") });
        var line = Assert.Single(balance.Windows, w => w.Window == window);
        return (line.UsedTokens, line.ReservedTokens);
    }

    [Fact]
    public async Task A_cap_that_is_raised_after_a_final_grant_serves_the_next_generation_and_not_the_one_that_is_over()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 100)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        Assert.True((await stream.GrantOf("g", g => g.TokensAllowed == 100)).Final);
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000)) with { Version = 2 });
        // It was promised that no more would come, and its runtime may count on it: what it asks for now changes nothing.
        await stream.SendAsync(new Renew { GenerationId = Samples.GenerationId("g"), TokensWanted = 50 });
        await stream.SendAsync(Samples.Chunk("g", 1, 100));
        await stream.AckOf("g", 1);
        Assert.All(stream.Answers.Where(f => f.Grant is not null), f => Assert.Equal(100, f.Grant.TokensAllowed));
        await stream.SendAsync(Samples.Start("h", "alice"));
        Assert.Equal(256, (await stream.GrantOf("h")).TokensAllowed);
        await stream.SendAsync(Samples.Finish("g", 2, FinishReason.Cap));
        Assert.True((await stream.AckOf("g", 2)).Finished);
        Assert.Equal((100, 0), (await service.ScalarAsync<long>("select sum(output) from usage.token_event"), await service.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
    }

    [Fact]
    public async Task A_period_that_turns_after_a_final_grant_takes_what_is_left_of_it_and_starts_the_next_with_all_its_room()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 100)));
        Assert.Null(service.Clock.MoveTo(Samples.Feb1.AddSeconds(-1)));
        await using var stream = new RuntimeStream(service.Meter);
        var (g, h) = (Started("g"), Started("h"));
        await stream.SendAsync(g);
        Assert.True((await stream.Answer(f => f.Grant, a => a.GenerationId == g.GenerationId)).Final);
        await stream.SendAsync(new Chunk { GenerationId = g.GenerationId, Sequence = 1, Tokens = new TokenCounts { Output = 30 } });
        await stream.Answer(f => f.Ack, a => a.GenerationId == g.GenerationId && a.Sequence == 1);
        Assert.Null(service.Clock.MoveTo(Samples.Feb1));
        // What is out will be reported in February, so it is reserved there: 70 of its 100.
        await stream.SendAsync(h);
        Assert.Equal(30, (await stream.Answer(f => f.Grant, a => a.GenerationId == h.GenerationId)).TokensAllowed);
        await stream.SendAsync(new Chunk { GenerationId = g.GenerationId, Sequence = 2, Tokens = new TokenCounts { Output = 100 } });
        await stream.SendAsync(new Finish { GenerationId = g.GenerationId, Sequence = 3, Reason = FinishReason.Cap });
        await stream.Answer(f => f.Ack, a => a.GenerationId == g.GenerationId && a.Finished);
        var february = Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows);
        Assert.Equal((70, 30), (february.UsedTokens, february.ReservedTokens));

        static Start Started(string name)
        {
            var start = Samples.Start(name, "alice", name);
            start.GenerationId = Samples.GenerationId(name, Samples.Feb1.AddSeconds(-1));
            return start;
        }
    }

    [Theory, InlineData("paused", "subscription_paused"), InlineData("cancelled", "subscription_cancelled")]
    public async Task A_subscription_that_is_paused_or_cancelled_in_the_middle_is_granted_nothing_more(string status, string reason)
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)) with { Version = 2, Status = status });
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        var last = await stream.GrantOf("g", g => g.Final);
        Assert.Equal((256, reason, ""), (last.TokensAllowed, last.Reason, last.Window));
        await stream.SendAsync(Samples.Chunk("g", 2, 256));
        await stream.SendAsync(new Renew { GenerationId = Samples.GenerationId("g") });
        await stream.SendAsync(Samples.Finish("g", 3));
        Assert.True((await stream.AckOf("g", 3)).Finished);
        await stream.SendAsync(Samples.Start("h", "alice"));
        Assert.Equal(reason, (await stream.DenialOf("h")).Reason);
        Assert.Equal(status, (await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Status);

        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)) with { Version = 3 });
        await stream.SendAsync(Samples.Start("h", "alice"));
        await stream.GrantOf("h");
        Assert.Equal((256, 0), (await service.ScalarAsync<long>("select sum(output) from usage.token_event"), await service.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
    }

    [Fact]
    public async Task A_snapshot_that_was_lost_is_asked_for_and_run_out_periods_are_refreshed()
    {
        await using var billing = await BillingStandIn.StartAsync();
        await using var service = await UsageService.PrepareAsync(settings: [("Usage:BillingAddress", billing.Address)]);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal(256, (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Grant.TokensAllowed);
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("h", "alice") });
        Assert.Equal(1, billing.Asked);

        Assert.Null(service.Clock.MoveTo(Samples.Mar1));
        var late = Samples.Start("late", "alice");
        late.GenerationId = Samples.GenerationId("late", Samples.Mar1);
        billing.Version = 1; // billing itself has nothing newer
        Assert.Equal("subscription_stale", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = late })).Deny.Reason);
        billing.Version = 2;
        await Eventually.True(async () => (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = late })).Grant is not null, "the newer periods are asked for");
    }

    [Fact]
    public async Task Whoever_waits_for_terms_that_cannot_be_stored_is_told_so_and_they_are_asked_for_again()
    {
        await using var billing = await BillingStandIn.StartAsync();
        var database = await Servers.CreateDatabaseAsync();
        await using var service = await UsageService.PrepareAsync(database, settings: [("Usage:BillingAddress", billing.Address), ("Usage:RetentionDays", "90")]);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await using var superuser = new NpgsqlConnection(database.SuperuserConnectionString);
        await superuser.OpenAsync();
        await ExecuteAsync(superuser, "revoke insert on usage.subscription from usage");
        Assert.Null(service.Clock.MoveTo(Samples.Mar1));
        billing.Version = 2;
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        await stream.StopOf("g", "subscription_stale");
        await ExecuteAsync(superuser, "grant insert on usage.subscription to usage");
        var later = Samples.Start("later", "alice");
        later.GenerationId = Samples.GenerationId("later", Samples.Mar1);
        await Eventually.True(async () => (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = later })).Grant is not null, "they are asked for again");
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
