using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>What one client says must cost what the bounds allow, and nobody else anything.</summary>
public sealed class One_client_hurt_the_others
{
    [Fact]
    public async Task A_text_that_no_table_can_hold_is_refused_before_it_reaches_one()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        var alice = Samples.SubscriptionId("alice");
        var times = (From: Samples.Jan1.ToTimestamp(), To: Samples.Feb1.ToTimestamp());
        foreach (var text in new[] { "a\0b", new string('x', 129) })
        {
            await RefusedAsync(async () => await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = alice, Conversation = text }));
            await RefusedAsync(async () => await service.Ledger.WatchBalance(new WatchBalanceRequest { SubscriptionId = alice, Conversation = text }).ResponseStream.MoveNext(CancellationToken.None));
        }
        await RefusedAsync(async () => await service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = alice, Conversation = "\0" }).ResponseStream.MoveNext(CancellationToken.None));
        await RefusedAsync(async () => await service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = alice, Model = "\0" }).ResponseStream.MoveNext(CancellationToken.None));
        await RefusedAsync(async () => await service.Ledger.AggregateAsync(new AggregateRequest { From = times.From, To = times.To, Model = "\0" }));
    }

    [Fact]
    public async Task A_time_that_is_none_is_the_callers_mistake()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var alice = Samples.SubscriptionId("alice");
        foreach (var never in new[] { new Timestamp { Seconds = 999_999_999_999 }, new Timestamp { Seconds = 1, Nanos = -1 } })
        {
            await RefusedAsync(async () => await service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = alice, From = never }).ResponseStream.MoveNext(CancellationToken.None));
            await RefusedAsync(async () => await service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = alice, To = never }).ResponseStream.MoveNext(CancellationToken.None));
            await RefusedAsync(async () => await service.Ledger.AggregateAsync(new AggregateRequest { From = never, To = Samples.Feb1.ToTimestamp() }));
            await RefusedAsync(async () => await service.Ledger.ListConversationLengths(new ListConversationLengthsRequest { From = never }).ResponseStream.MoveNext(CancellationToken.None));
        }
        // The first and the last time that can be written are times all the same.
        var all = await service.Ledger.AggregateAsync(new AggregateRequest { From = DateTimeOffset.MinValue.ToTimestamp(), To = DateTimeOffset.MaxValue.ToTimestamp() });
        Assert.Equal(0, Assert.Single(all.Groups).Rows);
    }

    [Fact]
    public async Task A_question_that_fails_does_not_take_those_along_that_were_asked_with_it()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var (loader, alice) = (service.App.Services.GetRequiredService<OwnerLoader>(), Ids.Parse(Ids.Subscription, Samples.SubscriptionId("alice")));
        var asked = Enumerable.Range(0, 50).Select(n => loader.LoadAsync(alice, n == 25 ? "\0" : $"c{n}", Guid.Empty, ofOwner: true, waits: false, CancellationToken.None)).ToList();
        await Assert.ThrowsAsync<PostgresException>(() => asked[25]);
        asked.RemoveAt(25);
        foreach (var loaded in await Task.WhenAll(asked)) Assert.NotNull(loaded.Terms);
    }

    [Fact]
    public async Task Repeats_are_looked_up_so_many_at_a_time_while_their_sender_waits()
    {
        const int repeats = 3_000;
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 10));
        await stream.AckOf("g", 1);
        var acknowledged = stream.Answers.Count(f => f.Ack is { Sequence: 1 });
        var reader = service.App.Services.GetRequiredService<RepeatReader>();
        await using (await TableLock.TakeAsync(service, "usage.token_event", "access exclusive"))
        {
            // One message, so that nothing but the service itself holds it back.
            await stream.SendAsync([.. Enumerable.Repeat(new RuntimeFrame { Chunk = Samples.Chunk("g", 1, 10) }, repeats)]);
            await Eventually.True(() => reader.Waiting >= RepeatReader.PerStreamMax, "as many are being looked up as may be");
            for (var n = 0; n < 20; n++) await service.Ledger.GetReports(new GetReportsRequest()).ResponseStream.MoveNext(CancellationToken.None);
            Assert.InRange(reader.Waiting, 1, RepeatReader.PerStreamMax);
        }
        await Eventually.True(() => stream.Answers.Count(f => f.Ack is { Sequence: 1 }) == acknowledged + repeats, "each repeat is answered");
        await stream.CompleteAsync();
        await Eventually.True(() => reader.Waiting == 0, "nothing is looked up any more");
    }

    [Fact]
    public async Task More_generations_than_a_stream_carries_are_refused_though_they_come_in_one_message()
    {
        await using var service = await UsageService.StartAsync(("Usage:GenerationsPerStreamMax", "3"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        string[] names = [.. Enumerable.Range(0, 8).Select(n => $"g{n}")];
        await stream.SendAsync([.. names.Select(n => new RuntimeFrame { Start = Samples.Start(n, "alice", n) })]);
        await Eventually.True(() => stream.Answers.Count(f => f.Grant is not null || f.Deny is not null) >= names.Length, "each is answered");
        Assert.Equal((3, 5), (stream.Answers.Count(f => f.Grant is not null), stream.Answers.Count(f => f.Deny is { Reason: "generations_too_many" })));

        // One that is over makes room for another; one that was denied took none.
        var running = stream.Answers.First(f => f.Grant is not null).Grant.GenerationId;
        await stream.SendAsync(new Finish { GenerationId = running, Sequence = 1, Reason = FinishReason.Stop });
        await stream.SendAsync(Samples.Start("next", "alice", "next"));
        await stream.GrantOf("next");
    }

    [Fact]
    public async Task Messages_without_frames_neither_keep_a_stream_open_nor_cost_nothing()
    {
        await using var service = await UsageService.StartAsync(("Usage:StreamIdleSecondsMax", "1"));
        using var empty = service.Meter.Meter();
        var ended = Assert.ThrowsAsync<RpcException>(async () => { while (await empty.ResponseStream.MoveNext(CancellationToken.None)) { } });
        await Eventually.True(async () =>
        {
            if (!ended.IsCompleted) await empty.RequestStream.WriteAsync(new MeterRequest());
            return ended.IsCompleted;
        }, "the stream is closed");
        Assert.Equal("stream_idle", When_a_generation_is_metered.Reason(await ended));

        var pace = new FramePace(10);
        Assert.Contains(Enumerable.Range(0, 100_000), _ => pace.Take(0) is not null);
    }

    [Fact]
    public async Task One_runtime_whose_clock_is_ahead_does_not_send_the_others_to_the_tables()
    {
        await using var service = await UsageService.StartAsync();
        foreach (var name in new[] { "alice", "bob" }) await service.SubscribeAsync(Samples.Snapshot(name));
        await using var stream = new RuntimeStream(service.Meter);
        var ahead = Samples.Start("ahead", "bob");
        ahead.GenerationId = Samples.GenerationId("ahead", Samples.Jan1.AddMinutes(4));
        await stream.SendAsync(ahead);
        await stream.Answer(f => f.Ack, a => a.GenerationId == ahead.GenerationId || a.Sequence == 0);
        await StartAsync("first", 1);
        await stream.Answer(f => f.Grant, g => g.GenerationId == Samples.GenerationId("first", Samples.Jan1.AddSeconds(1)));

        // Her conversation is in memory, and her ids go up: the tables need not be asked, so that it does not matter that they do not answer.
        await using (await TableLock.TakeAsync(service, "usage.conversation", "access exclusive"))
        {
            await StartAsync("second", 2);
            await stream.Answer(f => f.Grant, g => g.GenerationId == Samples.GenerationId("second", Samples.Jan1.AddSeconds(2)));
        }

        // Bob's own that is ahead is known for what it is.
        await stream.SendAsync(new Finish { GenerationId = ahead.GenerationId, Sequence = 1, Reason = FinishReason.Stop });
        await stream.Answer(f => f.Ack, a => a.Finished);
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("other", "bob") });
        Assert.Equal("generation_finished", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = ahead })).Deny.Reason);

        async Task StartAsync(string name, int second)
        {
            var start = Samples.Start(name, "alice");
            start.GenerationId = Samples.GenerationId(name, Samples.Jan1.AddSeconds(second));
            await stream.SendAsync(start);
        }
    }

    [Fact]
    public async Task Whoever_watches_a_conversation_does_not_read_it_again_and_again()
    {
        await using var service = await UsageService.StartAsync(("Usage:WatchIntervalMs", "20"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000), Samples.Hard("billing_period", 10_000)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice", "other"));
        await stream.GrantOf("g");
        using var watch = service.Ledger.WatchBalance(new WatchBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice"), Conversation = "quiet" });
        await UsedAsync(0);
        await using (await TableLock.TakeAsync(service, "usage.conversation", "access exclusive"))
        {
            await stream.SendAsync(Samples.Chunk("g", 1, 10));
            await UsedAsync(10);
            await stream.SendAsync(Samples.Chunk("g", 2, 30));
            await UsedAsync(30);
        }

        async Task UsedAsync(long used)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            do Assert.True(await watch.ResponseStream.MoveNext(patience.Token));
            while (watch.ResponseStream.Current.Windows.Single(w => w.Window == "billing_period").UsedTokens != used);
        }
    }

    private static async Task RefusedAsync(Func<Task> call) => Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(call)).StatusCode);
}
