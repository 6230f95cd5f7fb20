using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Usage.Host.Tests;

public sealed class When_usage_is_asked_for
{
    [Fact]
    public async Task Events_and_aggregates_show_what_was_recorded_in_pages()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.SubscribeAsync(Samples.Snapshot("bob"));
        await service.SubscribeAsync(Samples.Snapshot("carol") with { PlanId = Samples.PlanId("large") });
        // Every kind, two models, three plans' worth of time: an hour, a day and a month apart.
        await GenerateAsync(service, "a1", "alice", "c1", "small-model", 100, 10);
        Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddHours(1)));
        await GenerateAsync(service, "a2", "alice", "c2", "large-model", 200, 0);
        await GenerateAsync(service, "b1", "bob", "c1", "small-model", 40, 0);
        Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddDays(1)));
        await GenerateAsync(service, "c1", "carol", "c1", "small-model", 7, 0);
        Assert.Null(service.Clock.MoveTo(Samples.Feb1));
        await GenerateAsync(service, "a3", "alice", "c1", "small-model", 1, 0);
        await service.Corrections.AmendUsageAsync(
            new AmendUsageRequest { GenerationId = Samples.GenerationId("a1"), Deltas = new TokenCounts { Output = -30 }, Author = "ada", Reason = "twice" }, new Metadata { { "idempotency-key", "k" } });

        var events = await EventsAsync(service, _ => { });
        Assert.Equal(7, events.Count); // three prompts, three finishes, one correction
        Assert.Equal(271, events.Sum(e => e.Tokens.Output));
        Assert.Equal(events.OrderBy(e => e.ReceivedAt).ThenBy(e => e.Batch).ThenBy(e => e.Ordinal), events);
        Assert.Equal(2, (await EventsAsync(service, r => r.Model = "large-model")).Count);
        Assert.Equal(5, (await EventsAsync(service, r => r.Conversation = "c1")).Count);
        Assert.Equal(3, (await EventsAsync(service, r => r.GenerationId = Samples.GenerationId("a1"))).Count);
        Assert.Equal(3, (await EventsAsync(service, r => r.PeriodId = Samples.PeriodId("alice", 1))).Count + (await EventsAsync(service, r => r.PlanId = Samples.PlanId("large"))).Count + 1);
        Assert.Equal(4, (await EventsAsync(service, r => r.To = Samples.Feb1.ToTimestamp())).Count);
        var paged = new List<EventRow>();
        for (var token = ""; ;)
        {
            var page = await EventsAsync(service, r => (r.Limit, r.PageToken) = (2, token));
            paged.AddRange(page);
            if (page.Count < 2) break;
            token = page[^1].Cursor;
        }
        Assert.Equal(events, paged);

        Assert.Equal([("", 318L, 10L)], (await AllAsync(service, r => { })).Select(g => (g.SubscriptionId, g.Tokens.Output, g.Tokens.Reasoning)));
        Assert.Equal(
            [(Samples.SubscriptionId("alice"), 271L), (Samples.SubscriptionId("bob"), 40L), (Samples.SubscriptionId("carol"), 7L)],
            (await AllAsync(service, r => r.GroupBy.Add(Dimension.Subscription))).Select(g => (g.SubscriptionId, g.Tokens.Output)).OrderByDescending(g => g.Output));
        Assert.Equal([("large-model", 200L), ("small-model", 118L)], (await AllAsync(service, r => r.GroupBy.Add(Dimension.Model))).Select(g => (g.Model, g.Tokens.Output)));
        Assert.Equal(
            [(Samples.PlanId("large"), 7L), (Samples.PlanId("small"), 311L)],
            (await AllAsync(service, r => r.GroupBy.Add(Dimension.Plan))).Select(g => (g.PlanId, g.Tokens.Output)).OrderBy(g => g.Output));
        Assert.Equal([("input", 5L), ("output", 318L), ("reasoning", 10L)], (await AllAsync(service, r => r.GroupBy.Add(Dimension.Kind))).Select(g => (g.Kind, g.KindTokens)));
        Assert.Equal(
            [(Samples.Jan1, 100L), (Samples.Jan1.AddHours(1), 240L), (Samples.Jan1.AddDays(1), 7L), (Samples.Feb1, -29L)],
            (await AllAsync(service, r => r.Bucket = TimeBucket.Hour)).Select(g => (g.BucketStart.ToDateTimeOffset(), g.Tokens.Output)));
        Assert.Equal([340L, 7L, -29L], (await AllAsync(service, r => r.Bucket = TimeBucket.Day)).Select(g => g.Tokens.Output));
        Assert.Equal([(Samples.Jan1, 347L), (Samples.Feb1, -29L)], (await AllAsync(service, r => r.Bucket = TimeBucket.Month)).Select(g => (g.BucketStart.ToDateTimeOffset(), g.Tokens.Output)));
        Assert.Equal([200L, 70L], (await AllAsync(service, r =>
        {
            (r.SubscriptionId, r.PeriodId) = (Samples.SubscriptionId("alice"), Samples.PeriodId("alice", 0));
            r.GroupBy.Add(Dimension.Model);
        })).Select(g => g.Tokens.Output));
        Assert.Equal(
            [(Samples.PeriodId("alice", 0), 270L), (Samples.PeriodId("alice", 1), 1L)],
            (await AllAsync(service, r =>
            {
                r.SubscriptionId = Samples.SubscriptionId("alice");
                r.GroupBy.Add(Dimension.Period);
            })).Select(g => (g.PeriodId, g.Tokens.Output)).OrderByDescending(g => g.Output));
        // Two dimensions and a bucket, two rows a page: a page ends in the middle of a bucket and of its first dimension.
        Assert.Equal(
            [
                (Samples.Jan1, "alice", "small-model", 100L), (Samples.Jan1.AddHours(1), "alice", "large-model", 200L), (Samples.Jan1.AddHours(1), "bob", "small-model", 40L),
                (Samples.Jan1.AddDays(1), "carol", "small-model", 7L), (Samples.Feb1, "alice", "small-model", -29L),
            ],
            (await AllAsync(service, r =>
            {
                r.Bucket = TimeBucket.Hour;
                r.GroupBy.Add([Dimension.Subscription, Dimension.Model]);
            })).Select(g => (g.BucketStart.ToDateTimeOffset(), new[] { "alice", "bob", "carol" }.Single(n => Samples.SubscriptionId(n) == g.SubscriptionId), g.Model, g.Tokens.Output))
                .OrderBy(g => g.Item1).ThenBy(g => g.Item2));
        Assert.Empty(await AllAsync(service, r =>
        {
            r.Model = "never";
            r.GroupBy.Add(Dimension.Model);
        }));

        await RefusedAsync(service, r => r.From = null);
        await RefusedAsync(service, r => r.PageToken = "x");
        await RefusedAsync(service, r => r.PageSize = 5_000);
        await RefusedAsync(service, r => r.GroupBy.Add([Dimension.Plan, Dimension.Plan]));
    }

    [Fact]
    public async Task A_balance_that_is_watched_is_told_when_it_changes_and_ends_with_the_service()
    {
        await using var service = await UsageService.StartAsync(("Usage:WatchersMax", "1"), ("Usage:WatchIntervalMs", "20"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000), Samples.Hard("conversation", 500)));
        using var watch = service.Ledger.WatchBalance(new WatchBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice"), Conversation = "c1" });
        Assert.Equal((0, 1_000), await NextAsync(watch, b => b.UsedTokens == 0 && b.Window == "billing_period"));
        using (var second = service.Ledger.WatchBalance(new WatchBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") }))
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => second.ResponseStream.MoveNext(CancellationToken.None));
            Assert.Equal((StatusCode.ResourceExhausted, "watchers_too_many"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
        }
        await GenerateAsync(service, "g", "alice", "c1", "small-model", 100, 10);
        Assert.Equal((110, 1_000), await NextAsync(watch, b => b.UsedTokens == 110 && b.ReservedTokens == 0 && b.Window == "billing_period"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 2_000), Samples.Hard("conversation", 500)) with { Version = 2 });
        Assert.Equal((110, 2_000), await NextAsync(watch, b => b.CapTokens == 2_000));
        // A window that opens again at the turn of the period is a change too, though nobody did anything.
        Assert.Null(service.Clock.MoveTo(Samples.Feb1));
        Assert.Equal((0, 2_000), await NextAsync(watch, b => b.UsedTokens == 0 && b.Window == "billing_period"));

        var ended = NextAsync(watch, _ => false);
        var stopping = service.StopHostAsync();
        var drained = await Assert.ThrowsAsync<RpcException>(() => ended);
        Assert.Contains(drained.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Cancelled });
        await stopping;
    }

    private static async Task<(long Used, long Cap)> NextAsync(AsyncServerStreamingCall<Balance> watch, Func<WindowBalance, bool> which)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await watch.ResponseStream.MoveNext(patience.Token))
            if (watch.ResponseStream.Current.Windows.FirstOrDefault(which) is { } found) return (found.UsedTokens, found.CapTokens);
        throw new InvalidOperationException("the watch ended");
    }

    private static async Task GenerateAsync(UsageService service, string generation, string subscription, string conversation, string model, long output, long reasoning)
    {
        var start = Samples.Start(generation, subscription, conversation, input: 1);
        (start.Model, start.GenerationId) = (model, Samples.GenerationId(generation));
        var granted = await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start, TokensWanted = output + reasoning });
        Assert.NotNull(granted.Grant);
        var finish = Samples.Finish(generation, 1);
        finish.Totals = new TokenCounts { Output = output, Reasoning = reasoning };
        await service.Meter.SettleAsync(new SettleRequest { Finish = finish });
    }

    private static async Task<List<EventRow>> EventsAsync(UsageService service, Action<ListEventsRequest> ask)
    {
        var request = new ListEventsRequest { SubscriptionId = Samples.SubscriptionId("alice") };
        ask(request);
        return await service.Ledger.ListEvents(request).ResponseStream.ReadAllAsync().ToListAsync();
    }

    /// <summary>All groups, asked for two at a time: as many as are there, in the same order.</summary>
    private static async Task<List<UsageGroup>> AllAsync(UsageService service, Action<AggregateRequest> ask)
    {
        var request = new AggregateRequest { From = Samples.Jan1.ToTimestamp(), To = Samples.Mar1.ToTimestamp() };
        ask(request);
        var whole = await service.Ledger.AggregateAsync(request);
        Assert.Empty(whole.NextPageToken);
        var paged = new List<UsageGroup>();
        request.PageSize = 2;
        do
        {
            var page = await service.Ledger.AggregateAsync(request);
            Assert.True(page.Groups.Count <= 2);
            paged.AddRange(page.Groups);
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        Assert.Equal(whole.Groups, paged);
        return paged;
    }

    private static async Task RefusedAsync(UsageService service, Action<AggregateRequest> ask)
    {
        var request = new AggregateRequest { From = Samples.Jan1.ToTimestamp(), To = Samples.Mar1.ToTimestamp() };
        ask(request);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await service.Ledger.AggregateAsync(request));
        Assert.Equal("invalid_argument", When_a_generation_is_metered.Reason(refused));
    }
}
