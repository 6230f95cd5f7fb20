using Contracts.Usage.V1;
using Grpc.Core;

namespace Usage.Host.Tests;

/// <summary>Partitions over simulated days, and each line of the policy on late and future events (contracts/README.md).</summary>
public sealed class When_days_pass
{
    [Fact]
    public async Task U4_old_partitions_are_detached_and_their_proofs_survive()
    {
        await using var service = await UsageService.StartAsync(("Usage:RetentionDays", "3"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        for (var day = 0; day < 9; day++)
        {
            Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddDays(day)));
            await GenerateAsync(service, $"g{day}", Samples.Jan1.AddDays(day), 10);
        }
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.detached_partition") == 3, "partitions of the first days are detached");
        await Eventually.True(async () => await service.ScalarAsync<bool>("select to_regclass('usage.token_event_20260110') is not null"), "tomorrow's partition is there");

        // Nothing was dropped: the table stands there, apart. Its rows are out of sight, their leaves are not, and every root can be computed.
        Assert.Equal(2, await service.ScalarAsync<long>("select rows from usage.detached_partition where day = '2026-01-01'"));
        Assert.Equal(2, await service.ScalarAsync<long>("select count(*) from usage.token_event_20260101"));
        Assert.Equal(6 * 10, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        Assert.Equal(9 * 10, await service.ScalarAsync<long>("select sum(output) from usage.period_total"));
        await LedgerChecks.HoldAsync(service, rowsAreAllHere: false);

        // Sums over what is out of sight say from when on they are complete; a range that begins then is.
        var third = Samples.Jan1.AddDays(2);
        var (partly, whole) = (await SumAsync(service, Samples.Jan1), await SumAsync(service, third.AddMicroseconds(1)));
        Assert.Equal((60, third.AddMicroseconds(1)), (Assert.Single(partly.Groups).Tokens.Output, partly.CompleteFrom.ToDateTimeOffset()));
        Assert.Equal((60, null), (Assert.Single(whole.Groups).Tokens.Output, whole.CompleteFrom));
        Assert.NotNull((await SumAsync(service, third)).CompleteFrom);
        // An instance of an earlier release, in a rolling upgrade, does not say when the last of its rows came: it was before the day was detached.
        await service.ScalarAsync<long>("with older as (update usage.detached_partition set last_received_at = null where day = '2026-01-03' returning 1) select count(*) from older");
        Assert.Equal(
            await service.ScalarAsync<DateTime>("select detached_at + interval '1 microsecond' from usage.detached_partition where day = '2026-01-03'"),
            (await SumAsync(service, Samples.Jan1)).CompleteFrom.ToDateTime());
        var kinds = new List<RowKind>();
        foreach (var head in (await service.Ledger.GetHeadsAsync(new GetHeadsRequest())).Heads)
            await foreach (var batch in service.Ledger.GetBatches(new GetBatchesRequest { Shard = head.Shard, IncludeRows = true }).ResponseStream.ReadAllAsync())
                kinds.AddRange(batch.Rows.Select(r => r.Kind));
        Assert.Equal((6, 12), (kinds.Count(k => k == RowKind.Archived), kinds.Count(k => k == RowKind.Unspecified)));
        Assert.Equal(6, (await service.Ledger.GetHeadsAsync(new GetHeadsRequest { WithDetachedRows = true })).Detached.Rows);
        Assert.Null((await service.Ledger.GetHeadsAsync(new GetHeadsRequest())).Detached);

        // And each of them can still be proved by itself, from the table that was detached.
        var generation = Started("g0", Samples.Jan1).GenerationId;
        foreach (var proof in await service.Ledger.ProveEvents(new ProveEventsRequest { GenerationId = generation }).ResponseStream.ReadAllAsync().ToListAsync()) LedgerChecks.Proves(proof);
        Assert.Equal(1, Assert.Single(await service.Ledger.ProveEvents(new ProveEventsRequest { GenerationId = generation, Sequences = { 1 } }).ResponseStream.ReadAllAsync().ToListAsync()).Row.Sequence);
        var never = await Assert.ThrowsAsync<RpcException>(() => service.Ledger.ProveEvents(new ProveEventsRequest { GenerationId = generation, Sequences = { 9 } }).ResponseStream.ReadAllAsync().ToListAsync().AsTask());
        Assert.Equal(StatusCode.NotFound, never.StatusCode);

        // What is out of sight can still be corrected: by itself as long as its table stands there, what is left of it once, ...
        foreach (var (key, taken) in new[] { ("v", -10), ("v again", 0) })
        {
            var voided = await service.Corrections.VoidUsageAsync(new() { GenerationId = generation, Author = "ada", Reason = "outage" }, new Metadata { { "idempotency-key", key } });
            Assert.Equal(taken, voided.Corrections.Sum(c => c.Tokens.Output));
        }
        Assert.Equal(8 * 10, await service.ScalarAsync<long>("select sum(output) from usage.period_total"));
        await LedgerChecks.HoldAsync(service, rowsAreAllHere: false);

        // ... and as part of its period for ever.
        await service.Corrections.AmendUsageAsync(
            new AmendUsageRequest { SubscriptionId = Samples.SubscriptionId("alice"), PeriodId = Samples.PeriodId("alice", 0), Deltas = new TokenCounts { Output = -75 }, Author = "ada", Reason = "refund" },
            new Metadata { { "idempotency-key", "k" } });
        Assert.Equal(5, await service.ScalarAsync<long>("select sum(output) from usage.period_total"));
    }

    [Fact]
    public async Task Late_and_future_events_follow_the_written_policy()
    {
        await using var service = await UsageService.StartAsync(("Usage:RetentionDays", "3"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("five_hours", 1_000)));
        await using var stream = new RuntimeStream(service.Meter);

        // An id from the future, or older than the retention, does not start.
        await DeniedAsync(stream, "future", Samples.Jan1.AddMinutes(6));
        await DeniedAsync(stream, "ancient", Samples.Jan1.AddDays(-4));
        var early = Started("early", Samples.Jan1.AddMinutes(5));
        await stream.SendAsync(early);
        await stream.Answer(f => f.Grant, g => g.GenerationId == early.GenerationId);

        // The runtime's time is kept as it was said, and decides nothing: the chunk counts where it was received.
        var said = Samples.Jan1.AddYears(3);
        await stream.SendAsync(new Chunk { GenerationId = early.GenerationId, Sequence = 1, Tokens = new TokenCounts { Output = 10 }, At = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(said) });
        await stream.Answer(f => f.Ack, a => a.Sequence == 1);
        var row = (await service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = Samples.SubscriptionId("alice") }).ResponseStream.ReadAllAsync().ToListAsync()).Last();
        Assert.Equal((said, Samples.Jan1, Samples.PeriodId("alice", 0)), (row.At.ToDateTimeOffset(), row.ReceivedAt.ToDateTimeOffset(), row.PeriodId));

        // A day late is no matter: it counts in the window that is open now, and its partition is the one of its id.
        Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddDays(2)));
        await stream.SendAsync(new Chunk { GenerationId = early.GenerationId, Sequence = 2, Tokens = new TokenCounts { Output = 25 } });
        await stream.Answer(f => f.Ack, a => a.Sequence == 2);
        Assert.Equal(2 + 1, await service.ScalarAsync<long>("select count(*) from usage.token_event_20260101"));
        var window = Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows);
        Assert.Equal((15, Samples.Jan1.AddDays(2)), (window.UsedTokens, window.OpenedAt.ToDateTimeOffset()));

        // After the retention a generation that still runs is told so; what it had reported stands. A repeat of it is out of sight.
        Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddDays(4)));
        await stream.SendAsync(new Chunk { GenerationId = early.GenerationId, Sequence = 3, Tokens = new TokenCounts { Output = 40 } });
        await stream.Answer(f => f.Rejection, r => r.GenerationId == early.GenerationId && r.Reason == "generation_time_out_of_range");
        Assert.Equal(25, await service.ScalarAsync<long>("select sum(output) from usage.period_total"));
    }

    [Fact]
    public async Task A_generation_whose_runtime_vanished_is_settled_at_what_it_reported_and_may_come_back()
    {
        await using var service = await UsageService.StartAsync(("Usage:LeaseSeconds", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000)));
        await using (var stream = new RuntimeStream(service.Meter))
        {
            await stream.SendAsync(Samples.Start("g", "alice"));
            await stream.GrantOf("g");
            await stream.SendAsync(Samples.Chunk("g", 1, 100));
            await stream.AckOf("g", 1);
        }
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.generation where settled_at is not null") == 1, "it is settled");
        var balance = Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows);
        Assert.Equal((100, 0), (balance.UsedTokens, balance.ReservedTokens));

        await using var again = new RuntimeStream(service.Meter);
        await again.SendAsync(Samples.Start("g", "alice"));
        await again.GrantOf("g");
        await again.SendAsync(Samples.Chunk("g", 2, 150));
        await again.SendAsync(Samples.Finish("g", 3));
        Assert.True((await again.AckOf("g", 3)).Finished);
        Assert.Equal((150, 0), (await service.ScalarAsync<long>("select sum(output) from usage.period_total"), await service.ScalarAsync<long>("select count(*) from usage.generation where settled_at is not null or finish = 0")));
    }

    private static async Task<AggregateResponse> SumAsync(UsageService service, DateTimeOffset from) =>
        await service.Ledger.AggregateAsync(new() { From = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(from), To = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(Samples.Feb1) });

    private static Start Started(string name, DateTimeOffset at)
    {
        var start = Samples.Start(name, "alice");
        start.GenerationId = Samples.GenerationId(name, at);
        return start;
    }

    private static async Task DeniedAsync(RuntimeStream stream, string name, DateTimeOffset at)
    {
        var start = Started(name, at);
        await stream.SendAsync(start);
        Assert.Equal("generation_time_out_of_range", (await stream.Answer(f => f.Deny, d => d.GenerationId == start.GenerationId)).Reason);
    }

    private static async Task GenerateAsync(UsageService service, string name, DateTimeOffset at, long output)
    {
        var start = Started(name, at);
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start })).Grant);
        await service.Meter.SettleAsync(new SettleRequest
        {
            Finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = output } },
        });
    }
}
