using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Hosting;

namespace Usage.Host.Tests;

/// <summary>Each bound of the service refuses what is beyond it, by its name, and lets it in again later.</summary>
public sealed class When_bounds_are_reached
{
    [Fact]
    public async Task Corrections_that_wait_are_so_many_and_a_question_about_the_past_takes_so_long()
    {
        await using var service = await UsageService.StartAsync(("Usage:CorrectionsWaitingMax", "1"), ("Usage:QuerySecondsMax", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 10) });
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("g", 1) });
        Task<CorrectUsageResponse> first;
        await using (await TableLock.TakeAsync(service, "usage.correction", "access exclusive"))
        {
            first = AmendAsync(service, "first");
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") > 0, "the first waits for the table");
            var second = await Assert.ThrowsAsync<RpcException>(() => AmendAsync(service, "second"));
            Assert.Equal((StatusCode.Unavailable, "store_unavailable"), (second.StatusCode, When_a_generation_is_metered.Reason(second)));

            var asked = await Assert.ThrowsAsync<RpcException>(async () => await service.Ledger.AggregateAsync(new AggregateRequest { From = Samples.Jan1.ToTimestamp(), To = Samples.Feb1.ToTimestamp() }));
            Assert.Equal((StatusCode.ResourceExhausted, "query_too_large"), (asked.StatusCode, When_a_generation_is_metered.Reason(asked)));
        }
        await first;
        await AmendAsync(service, "second");
        Assert.Equal(-2, await service.ScalarAsync<long>("select sum(input) from usage.correction"));
    }

    [Fact]
    public async Task A_generation_holds_so_many_tokens_at_once_however_many_it_asks_for()
    {
        await using var service = await UsageService.StartAsync(("Usage:ChunkTokens", "100"), ("Usage:GrantTokensMax", "1000"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000_000)));
        Assert.Equal(1_000, (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice"), TokensWanted = 500_000 })).Grant.TokensAllowed);
        Assert.Equal(1_400, (await service.Meter.ReportAsync(new ReportRequest { Chunk = Samples.Chunk("g", 1, 400), TokensWanted = 500_000 })).Grant.TokensAllowed);
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("h", "alice", "h"));
        await stream.GrantOf("h", g => g.TokensAllowed == 100);
        await stream.SendAsync(new Renew { GenerationId = Samples.GenerationId("h"), TokensWanted = 500_000 });
        await stream.GrantOf("h", g => g.TokensAllowed == 1_000);
    }

    [Fact]
    public async Task Generations_of_a_subscription_are_so_many_at_once()
    {
        await using var service = await UsageService.StartAsync(("Usage:GenerationsPerSubscriptionMax", "2"));
        foreach (var name in new[] { "alice", "bob" }) await service.SubscribeAsync(Samples.Snapshot(name));
        await using var stream = new RuntimeStream(service.Meter);
        foreach (var generation in new[] { "one", "two", "three" }) await stream.SendAsync(Samples.Start(generation, "alice", generation));
        Assert.Equal("generations_too_many", (await stream.DenialOf("three")).Reason);
        await stream.SendAsync(Samples.Start("bobs", "bob"));
        await stream.GrantOf("bobs");
        await stream.SendAsync(Samples.Finish("one", 1));
        await stream.AckOf("one", 1);
        await stream.SendAsync(Samples.Start("three", "alice", "three"));
        await stream.GrantOf("three");
    }

    /// <summary>Their runtime is there and will say nothing more of them, as one whose worker crashed.</summary>
    [Fact]
    public async Task Generations_that_fell_silent_keep_no_place_on_a_stream_that_lives()
    {
        await using var service = await UsageService.StartAsync(("Usage:GenerationsPerStreamMax", "2"), ("Usage:LeaseSeconds", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await SilentOnesGiveWayAsync(stream, "alice");
    }

    /// <param name="subscription">whose stream carries two generations at most</param>
    internal static async Task SilentOnesGiveWayAsync(RuntimeStream stream, string subscription)
    {
        foreach (var generation in new[] { "one", "two", "three" }) await stream.SendAsync(Samples.Start(generation, subscription, generation));
        foreach (var generation in new[] { "one", "two" }) await stream.GrantOf(generation);
        Assert.Equal("generations_too_many", (await stream.DenialOf("three")).Reason);
        await Eventually.True(async () =>
        {
            await stream.SendAsync(Samples.Start("three", subscription, "three"));
            return stream.Answers.Any(a => a.Grant?.GenerationId == Samples.GenerationId("three"));
        }, "there is a place again");
        await stream.SendAsync(Samples.Finish("three", 1));
        await stream.AckOf("three", 1);
        // One of them speaks after all, as whoever comes back does: it goes on.
        await stream.SendAsync(Samples.Start("one", subscription, "one"));
        await stream.SendAsync(Samples.Chunk("one", 1, 10));
        await stream.AckOf("one", 1);
    }

    [Fact]
    public async Task Imports_are_so_many_at_once_and_take_so_long()
    {
        await using var service = await UsageService.StartAsync(("Usage:ImportsMax", "1"), ("Usage:ImportSecondsMax", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        await using (await TableLock.TakeAsync(service, "usage.imported_event", "access exclusive"))
        {
            var slow = ImportAsync(http, "a");
            await Eventually.True(async () => slow.IsCompleted || await TableLock.WaitersAsync(service, "usage.imported_event") > 0, "it waits for the table");
            // While that one is carried, another is turned away; when its time is over, so is it.
            await Eventually.True(async () => slow.IsCompleted || await ImportAsync(http, "b") == (HttpStatusCode.TooManyRequests, "imports_too_many"), "the instance carries as many as it may");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "import_too_slow"), await slow);
        }
        foreach (var id in new[] { "a", "b" }) await Eventually.True(async () => (await ImportAsync(http, id)).Status == HttpStatusCode.NoContent, "it is taken when it comes again");
        Assert.Equal(10, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_told_why_its_stream_ended_once_it_does()
    {
        await using var service = await UsageService.StartAsync(("Usage:AnswersWaitingMax", "100"));
        using var deaf = service.Meter.Meter();
        // More answers than may wait, in one message: nobody can have read any of them.
        await deaf.RequestStream.WriteAsync(new MeterRequest { Frames = { Enumerable.Repeat(new RuntimeFrame { Renew = new Renew { GenerationId = "nonsense" } }, 5_000) } });
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var ended = await Assert.ThrowsAsync<RpcException>(async () => { while (await deaf.ResponseStream.MoveNext(patience.Token)) { } });
        Assert.Equal((StatusCode.ResourceExhausted, "reader_too_slow"), (ended.StatusCode, When_a_generation_is_metered.Reason(ended)));
    }

    private static Task<CorrectUsageResponse> AmendAsync(UsageService service, string key) => service.Corrections.AmendUsageAsync(
        new AmendUsageRequest { GenerationId = Samples.GenerationId("g"), Deltas = new TokenCounts { Input = -1 }, Author = "ada", Reason = "a test" }, new Metadata { { "idempotency-key", key } }).ResponseAsync;

    private static async Task<(HttpStatusCode Status, string Reason)> ImportAsync(HttpClient http, string id)
    {
        var json = $$$"""{"specversion": "1.0", "type": "litellm_tokens", "id": "{{{id}}}", "subject": "{{{Samples.SubscriptionId("alice")}}}", "source": "a-proxy", "data": {"model": "m", "prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7}}""";
        using var content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/cloudevents+json"));
        using var response = await http.PostAsync(new Uri("/api/v1/events", UriKind.Relative), content);
        var said = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, said.Length == 0 ? "" : System.Text.Json.JsonDocument.Parse(said).RootElement.GetProperty("reason").GetString()!);
    }
}
