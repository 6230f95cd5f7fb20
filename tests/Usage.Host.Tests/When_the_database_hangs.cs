using System.Text;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Access;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using AccessKey = Hosting.AccessKey;

namespace Usage.Host.Tests;

/// <summary>A database that does not answer: what waits for it is bounded in number and time, and whoever has gone waits no longer.</summary>
public sealed class When_the_database_hangs
{
    private const int WaitingMax = 4;

    [Fact]
    public async Task Calls_beyond_those_that_may_wait_for_it_are_refused_also_when_their_callers_go_at_once()
    {
        await using var service = await UsageService.StartAsync(("Usage:LookupsWaitingMax", $"{WaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await AskAsync(service, "alice", default);
        var (loader, owners) = (service.App.Services.GetRequiredService<OwnerLoader>(), service.App.Services.GetRequiredService<OwnerDirectory>());
        await using (await TableLock.TakeAsync(service, "usage.subscription", "access exclusive"))
        {
            using var patience = new CancellationTokenSource();
            Task[] waiting = [.. Enumerable.Range(0, WaitingMax).Select(n => AskAsync(service, $"s{n}", patience.Token))];
            await Eventually.True(() => loader.Waiting == WaitingMax, "as many wait as may");
            var refused = await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, "one more", default));
            Assert.Equal((StatusCode.Unavailable, "store_unavailable"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            Assert.Contains("Usage__LookupsWaitingMax", refused.Status.Detail, StringComparison.Ordinal);
            Assert.Equal("store_unavailable", (await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("g", "one more") })).Deny.Reason);

            // They go, and others come and go: nothing gathers, and what is in memory is served.
            await patience.CancelAsync();
            foreach (var call in waiting) Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => call)).StatusCode);
            for (var n = 0; n < 50; n++) await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, $"t{n}", default));
            await Eventually.True(() => owners.Owners == 1, "no owner is kept for those who have gone");
            Assert.Equal(WaitingMax, loader.Waiting);
            await AskAsync(service, "alice", default);
        }
        await Eventually.True(() => loader.Waiting == 0, "nothing is looked up any more");
        Assert.Equal("subscription_unknown", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, "one more", default))));
    }

    [Fact]
    public async Task A_stream_waits_with_what_it_brings_and_loses_nothing()
    {
        const int starts = 200;
        await using var service = await UsageService.StartAsync(("Usage:LookupsWaitingMax", $"{WaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var loader = service.App.Services.GetRequiredService<OwnerLoader>();
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("warm", "alice"));
        await stream.GrantOf("warm");
        await using (await TableLock.TakeAsync(service, "usage.conversation", "access exclusive"))
        {
            await stream.SendAsync([.. Enumerable.Range(0, starts).Select(n => new RuntimeFrame { Start = Samples.Start($"g{n}", "alice", $"c{n}") })]);
            await Eventually.True(() => loader.Waiting == WaitingMax, "as many wait as may");
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.conversation") > 0, "the table is waited for");
            Assert.Equal(WaitingMax, loader.Waiting);
        }
        await Eventually.True(() => stream.Answers.Count(f => f.Grant is not null) > starts, "each is granted");
        Assert.DoesNotContain(stream.Answers, f => f.Deny is not null);
    }

    [Fact]
    public async Task A_large_import_leaves_places_for_streams()
    {
        const int events = 40;
        await using var service = await UsageService.StartAsync(("Usage:LookupsWaitingMax", $"{WaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var loader = service.App.Services.GetRequiredService<OwnerLoader>();
        await using var stream = new RuntimeStream(service.Meter);
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        Task<HttpResponseMessage> importing;
        await using (await TableLock.TakeAsync(service, "usage.conversation", "access exclusive"))
        {
            using var batch = new StringContent($"[{string.Join(',', Enumerable.Range(0, events).Select(n => When_events_are_imported.Event("alice", $"e{n}", 1)))}]", Encoding.UTF8, "application/cloudevents-batch+json");
            importing = http.PostAsync(new Uri("/api/v1/events", UriKind.Relative), batch);
            await Eventually.True(() => loader.Waiting == WaitingMax / 2, "half of the places are the import's");
            await stream.SendAsync(Samples.Start("g", "alice"));
            await Eventually.True(() => loader.Waiting == (WaitingMax / 2) + 1, "the stream has one of the others");
        }
        await stream.GrantOf("g");
        using var response = await importing;
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.generation where finish <> 0") == events, "all are recorded");
    }

    [Fact]
    public async Task Those_who_wait_for_the_same_row_to_be_committed_wait_for_one_answer()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var ledger = service.App.Services.GetRequiredService<LedgerWriters>();
        var writer = ledger[ledger.ShardOf(Ids.Parse(Ids.Subscription, Samples.SubscriptionId("alice")))];
        await using var stream = new RuntimeStream(service.Meter);
        Task[] first, second;
        await using (await TableLock.TakeAsync(service, "usage.token_event", "access exclusive"))
        {
            await stream.SendAsync(Samples.Start("g", "alice"));
            await stream.GrantOf("g");
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.token_event") > 0, "its row is being committed");
            first = [.. Enumerable.Range(0, 100).Select(_ => writer.FlushAsync())];
            await stream.SendAsync(Samples.Chunk("g", 1, 10));
            await Eventually.True(() => writer.Waiting == 2, "another row waits");
            second = [.. Enumerable.Range(0, 100).Select(_ => writer.FlushAsync()), writer.ReportedAsync()];
            Assert.False(first[0].IsCompleted || second[0].IsCompleted);
        }
        await Task.WhenAll([.. first, .. second]);
        Assert.Equal((1, 2), (first.Distinct().Count(), second.Distinct().Count()));
        Assert.NotSame(first[0], second[0]);
        Assert.Equal(10, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }

    [Fact]
    public async Task What_streams_bring_takes_no_place_of_calls()
    {
        await using var service = await UsageService.StartAsync(("Usage:LookupsWaitingMax", $"{WaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var loader = service.App.Services.GetRequiredService<OwnerLoader>();
        await using var stream = new RuntimeStream(service.Meter);
        Task asking;
        await using (await TableLock.TakeAsync(service, "usage.conversation", "access exclusive"))
        {
            await stream.SendAsync([.. Enumerable.Range(0, 10 * WaitingMax).Select(n => new RuntimeFrame { Start = Samples.Start($"g{n}", "alice", $"c{n}") })]);
            await Eventually.True(() => loader.Waiting == WaitingMax, "of the stream as many wait as may");
            asking = AskAsync(service, "bob", default);
            await Eventually.True(() => loader.Waiting == WaitingMax + 1 || asking.IsCompleted, "the call waits beside them");
            Assert.False(asking.IsCompleted);
        }
        Assert.Equal("subscription_unknown", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(() => asking)));
        await Eventually.True(() => stream.Answers.Count(f => f.Grant is not null) >= 10 * WaitingMax, "each is granted");
    }

    [Fact]
    public async Task Nobody_waits_for_it_longer_than_a_call_may_take()
    {
        await using var service = await UsageService.StartAsync(("Usage:UnaryWaitSecondsMax", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await using (await TableLock.TakeAsync(service, "usage.conversation", "access exclusive"))
        {
            await stream.SendAsync(Samples.Start("g", "alice"));
            Assert.Equal("store_unavailable", (await stream.DenialOf("g")).Reason);
            // A repeat of what is not running here is looked up as well.
            await using (await TableLock.TakeAsync(service, "usage.token_event", "access exclusive"))
            await using (await TableLock.TakeAsync(service, "usage.generation", "access exclusive"))
            {
                await stream.SendAsync(Samples.Chunk("h", 1, 10));
                await stream.RejectionOf("h", "store_unavailable");
                Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, "bob", default))).StatusCode);
            }
        }
        await Eventually.True(async () =>
        {
            await stream.SendAsync(Samples.Start("g", "alice"));
            return stream.Answers.Any(f => f.Grant is not null);
        }, "it answers again");
    }

    [Fact]
    public async Task Whose_a_subscription_is_is_asked_once_for_all_calls_about_it_and_about_so_many_at_most()
    {
        string[] keys = [AccessKey.NewText(), AccessKey.NewText()];
        await using var service = await UsageService.StartAsync(
            ("Usage:LookupsWaitingMax", "1"), ("Usage:CallsPerCustomerMax", "3"), ("Access:Mode", "Keys"),
            ("Access:Keys:0", $"alices:customer:{AccessKey.Sha256Of(keys[0])}:{Ids.Derive(Ids.Customer, Samples.Jan1, "alice")}"),
            ("Access:Keys:1", $"bobs:customer:{AccessKey.Sha256Of(keys[1])}:{Ids.Derive(Ids.Customer, Samples.Jan1, "bob")}"));
        foreach (var name in new[] { "alice", "bob" }) await service.SubscribeAsync(Samples.Snapshot(name));
        using var alice = OutgoingCalls.Open(service.App.Endpoints().Grpc, keys[0], null, 1 << 20);
        using var bob = OutgoingCalls.Open(service.App.Endpoints().Grpc, keys[1], null, 1 << 20);
        var reader = service.App.Services.GetRequiredService<CustomerReader>();
        var bounds = service.App.Services.GetRequiredService<CallerBounds>();
        Task[] waiting;
        await using (await TableLock.TakeAsync(service, "usage.subscription", "access exclusive"))
        {
            waiting = [.. Enumerable.Range(0, 3).Select(_ => AskAsync(alice, "alice"))];
            await Eventually.True(() => bounds.CustomerCalls.Running == 3, "three calls wait");
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.subscription") > 0, "the table is asked");
            Assert.Equal(1, reader.Waiting);
            Assert.Equal("calls_too_many", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(() => AskAsync(alice, "alice"))));
            var refused = await Assert.ThrowsAsync<RpcException>(() => AskAsync(bob, "bob"));
            Assert.Equal((StatusCode.Unavailable, "store_unavailable"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
        }
        // The owner is looked up one at a time as well, so two of the three may be told to come again.
        foreach (var call in waiting)
        {
            try { await call; }
            catch (RpcException e) when (When_a_generation_is_metered.Reason(e) == "store_unavailable") { /* One of the two. */ }
        }
        await Eventually.True(() => service.App.Services.GetRequiredService<OwnerLoader>().Waiting == 0, "nothing is looked up any more");
        await AskAsync(alice, "alice");
        await AskAsync(bob, "bob");
    }

    private static async Task AskAsync(UsageService service, string name, CancellationToken ct) =>
        await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) }, cancellationToken: ct);

    private static async Task AskAsync(GrpcChannel channel, string name) =>
        await new UsageLedger.UsageLedgerClient(channel).GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) });
}
