using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Usage.Host.Tests;

/// <summary>Instances on one database and one broker, in one process here and so on real sockets between them.</summary>
public sealed class When_instances_share_the_work
{
    private static readonly string[] Names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kate", "leo"];
    private static readonly (string, string)[] Clustered =
    [
        ("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Port", "0"), ("Usage:Cluster:Address", "127.0.0.1"),
        // Nobody dies in these tests; a machine that is busy with other tests must not be taken for dead.
        ("Usage:Cluster:ProbeSeconds", "30"), ("Usage:ReportIntervalMs", "50"),
    ];

    [Fact]
    public async Task U1_U3_U4_U5_a_stream_to_either_instance_serves_subscriptions_of_both()
    {
        await using var first = await FirstAsync();
        await using var second = await AnotherAsync(first);
        foreach (var name in Names) await first.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("conversation", 600), Samples.Hard("billing_period", 1_100)));
        Assert.Equal(2, Names.Select(name => first.Holds(name)).Distinct().Count());

        // Everybody speaks on both streams; whichever is elsewhere from the owner is answered as well.
        await using var one = new RuntimeStream(first.Meter);
        await using var other = new RuntimeStream(second.Meter);
        foreach (var (stream, at) in new[] { (one, "one"), (other, "other") })
        {
            await stream.SendAsync([.. Names.Select(n => new RuntimeFrame { Start = Samples.Start($"{n} {at}", n, at, input: 10) })]);
            foreach (var name in Names) await stream.GrantOf($"{name} {at}");
            await stream.SendAsync([.. Names.Select(n => new RuntimeFrame { Chunk = Samples.Chunk($"{n} {at}", 1, 200) })]);
            foreach (var name in Names)
            {
                await stream.GrantOf($"{name} {at}", g => g.TokensAllowed == 512);
                await stream.AckOf($"{name} {at}", 1);
            }
        }
        foreach (var name in Names)
        {
            var balances = await Task.WhenAll(new[] { first, second }.Select(s => s.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId(name) }).ResponseAsync));
            Assert.Equal(balances[0], balances[1]);
            Assert.Equal(400, balances[0].Windows.Single(w => w.Window == "billing_period").UsedTokens);
        }

        // New terms reach the owner, whichever instance heard of them.
        var generous = Samples.Snapshot(Names[0], Samples.Hard("conversation", 10_000), Samples.Hard("billing_period", 10_000)) with { Version = 2 };
        await first.SubscribeAsync(generous);
        await first.SubscribeAsync(Samples.Snapshot(Names[1], Samples.Hard("conversation", 10_000), Samples.Hard("billing_period", 10_000)) with { Version = 2 });
        foreach (var name in Names.Take(2))
            await Eventually.True(async () => (await second.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId(name) })).Windows.All(w => w.CapTokens == 10_000), $"{name}'s owner knows");

        foreach (var (stream, at) in new[] { (one, "one"), (other, "other") })
        {
            await stream.SendAsync([.. Names.Select(n => new RuntimeFrame { Finish = Samples.Finish($"{n} {at}", 2) })]);
            await stream.CompleteAsync();
            Assert.All(Names, n => Assert.Contains(stream.Answers, a => a.Ack is { Finished: true } ack && ack.GenerationId == Samples.GenerationId($"{n} {at}")));
        }
        await LedgerChecks.HoldAsync(first);
        Assert.Equal(Names.Length * 400, await first.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }

    [Fact]
    public async Task Unary_calls_may_go_to_any_instance()
    {
        await using var first = await FirstAsync();
        await using var second = await AnotherAsync(first);
        foreach (var name in Names.Take(4))
        {
            await first.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("conversation", 600)));
            var granted = await first.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start(name, name) });
            Assert.Equal(256, granted.Grant.TokensAllowed);
            var reported = await second.Meter.ReportAsync(new ReportRequest { Chunk = Samples.Chunk(name, 1, 200) });
            Assert.Equal((1, 512), (reported.Ack.Sequence, reported.Grant.TokensAllowed));
            var wrong = await Assert.ThrowsAsync<RpcException>(async () => await first.Meter.ReportAsync(new ReportRequest { Chunk = Samples.Chunk(name, 3, 300) }));
            Assert.Equal("sequence_gap", When_a_generation_is_metered.Reason(wrong));
            var settled = await first.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish(name, 2) });
            Assert.Equal((200, 0), (settled.Recorded.Output, settled.OverrunTokens));

            // What another system has metered reaches it from either, once.
            foreach (var instance in new[] { second, first }) await When_an_import_is_broken_off.PostAsync(instance, name, $"imported {name}", 10);
            Assert.Equal(1, await first.ScalarAsync<long>($"select count(*) from usage.token_event where output = 10 and subscription = '{Ids.Parse(Ids.Subscription, Samples.SubscriptionId(name))}'"));

            // A correction reaches the shard's writer, a watch its owner, from either.
            foreach (var (instance, key) in new[] { (first, "a"), (second, "b"), (first, "b") })
                await instance.Corrections.AmendUsageAsync(
                    new AmendUsageRequest { GenerationId = Samples.GenerationId(name), Deltas = new TokenCounts { Output = -50 }, Author = "ada", Reason = "refund" },
                    new Metadata { { "idempotency-key", $"{name} {key}" } });
            foreach (var instance in new[] { first, second })
            {
                using var watch = instance.Ledger.WatchBalance(new WatchBalanceRequest { SubscriptionId = Samples.SubscriptionId(name), Conversation = "c1" });
                Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
                Assert.Equal(100, Assert.Single(watch.ResponseStream.Current.Windows).UsedTokens);
            }
        }
        await LedgerChecks.HoldAsync(second);
    }

    [Fact]
    public async Task U1_U6_an_instance_that_joins_takes_its_shards_over_in_good_order_and_gives_them_back()
    {
        await using var first = await FirstAsync();
        foreach (var name in Names) await first.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
        await using (var before = new RuntimeStream(first.Meter))
        {
            foreach (var name in Names)
            {
                await before.SendAsync(Samples.Start(name, name));
                await before.GrantOf(name);
                await before.SendAsync(Samples.Chunk(name, 1, 100));
                await before.AckOf(name, 1);
            }

            await using var second = await AnotherAsync(first);
            var goodbye = await before.GoodbyeAsync();
            Assert.Equal((StatusCode.Unavailable, "owner_moved"), (goodbye.StatusCode, When_a_generation_is_metered.Reason(goodbye)));
            var moved = Names.Where(name => !first.Holds(name)).ToArray();
            // 256 and no more were out, of which 100 are recorded: the slabs left behind say so.
            foreach (var name in moved)
                Assert.Equal(156, await first.ScalarAsync<long>($"select tokens from usage.slab where subscription = '{Ids.Parse(Ids.Subscription, Samples.SubscriptionId(name))}'"));

            await using var after = new RuntimeStream(second.Meter);
            foreach (var name in Names)
            {
                await after.SendAsync(Samples.Start(name, name));
                await after.GrantOf(name);
                await after.SendAsync(Samples.Chunk(name, 2, 256));
                await after.AckOf(name, 2);
            }
            // It leaves again, and whoever was on it goes on at the one that stayed.
            await second.StopHostAsync();
        }
        await using var last = new RuntimeStream(first.Meter);
        foreach (var name in Names)
        {
            await last.SendAsync(Samples.Start(name, name));
            await last.GrantOf(name);
            await last.SendAsync(Samples.Finish(name, 3));
            await last.AckOf(name, 3);
        }
        await LedgerChecks.HoldAsync(first);
        Assert.Equal((Names.Length * 256, 0), (await first.ScalarAsync<long>("select sum(output) from usage.token_event"), await first.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
    }

    [Fact]
    public async Task An_instance_that_thinks_it_is_alone_stops_when_another_takes_its_shards()
    {
        await using var first = await UsageService.StartAsync(("Usage:ReportIntervalMs", "50"));
        await first.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)));
        await using var stream = new RuntimeStream(first.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await using var second = first.Another();
        await second.StartHostAsync();
        await second.ReadyAsync();

        try { await stream.SendAsync(Samples.Chunk("g", 1, 100)); }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable) { /* It gave up before it was told. */ }
        var stopping = first.App.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        await Eventually.True(() => stopping.IsCancellationRequested, "the first gives up");
        Environment.ExitCode = 0; // The service said 1; this process goes on testing.
        Assert.DoesNotContain(stream.Answers, a => a.Ack is { Sequence: 1 });

        await using var again = new RuntimeStream(second.Meter);
        await again.SendAsync(Samples.Start("g", "alice"));
        await again.SendAsync(Samples.Chunk("g", 1, 100));
        await again.AckOf("g", 1);
        await again.SendAsync(Samples.Finish("g", 2));
        await again.AckOf("g", 2);
        await LedgerChecks.HoldAsync(second);
        Assert.Equal(100, await first.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }

    [Fact]
    public async Task Generations_that_fell_silent_under_an_owner_elsewhere_keep_no_place_on_their_stream()
    {
        await using var first = await FirstAsync(("Usage:GenerationsPerStreamMax", "2"), ("Usage:LeaseSeconds", "1"));
        await using var second = await AnotherAsync(first);
        var elsewhere = Names.First(name => !first.Holds(name));
        await first.SubscribeAsync(Samples.Snapshot(elsewhere));
        await using var stream = new RuntimeStream(first.Meter);
        await When_bounds_are_reached.SilentOnesGiveWayAsync(stream, elsewhere);
    }

    private static async Task<UsageService> FirstAsync(params (string, string)[] settings)
    {
        var first = await UsageService.StartAsync([.. Clustered, .. settings]);
        await Eventually.True(() => first.Held == 8, "the first holds all shards");
        return first;
    }

    private static async Task<UsageService> AnotherAsync(UsageService first)
    {
        var another = first.Another();
        await another.StartHostAsync();
        await another.ReadyAsync();
        await Eventually.True(() => first.Held == 4 && another.Held == 4, "the two share the shards");
        return another;
    }
}
