using System.Net;
using System.Text.Json;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Store;
using AccessKey = Hosting.AccessKey;

namespace Usage.Host.Tests;

/// <summary>A key that has taken its share is told which bound it has reached; everybody else is served meanwhile, and it is again when something of its own has ended.</summary>
public sealed class When_one_key_takes_all_it_may : IDisposable
{
    private readonly string[] _keys = [AccessKey.NewText(), AccessKey.NewText()];
    private readonly List<GrpcChannel> _channels = [];

    private (string, string) AlicesPage => ("Access:Keys:0", $"page:customer:{AccessKey.Sha256Of(_keys[0])}:{Ids.Derive(Ids.Customer, Samples.Jan1, "alice")}");

    public void Dispose() => _channels.ForEach(c => c.Dispose());

    [Fact]
    public async Task Of_streams()
    {
        await using var service = await StartAsync(("Usage:StreamsPerCallerMax", "2"));
        await using var first = await OpenAsync(service, 0, "g1");
        await using (await OpenAsync(service, 0, "g2"))
        {
            await using var third = new RuntimeStream(Meter(service, 0));
            var refused = await third.GoodbyeAsync();
            Assert.Equal((StatusCode.ResourceExhausted, "streams_too_many"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            Assert.Contains("2 streams on this instance, as many as one may (Usage__StreamsPerCallerMax)", refused.Status.Detail, StringComparison.Ordinal);
            await using var others = await OpenAsync(service, 1, "g3");
            await others.CompleteAsync();
            await first.SendAsync(Samples.Chunk("g1", 1, 10));
            await first.AckOf("g1", 1);
        }
        await Eventually.True(async () =>
        {
            await using var next = new RuntimeStream(Meter(service, 0));
            try
            {
                await next.CompleteAsync();
                return true;
            }
            catch (RpcException e) when (When_a_generation_is_metered.Reason(e) == "streams_too_many")
            {
                return false;
            }
        }, "the stream that has ended has left its place");
    }

    [Fact]
    public async Task Of_calls()
    {
        await using var service = await StartAsync(("Usage:CallsPerCallerMax", "1"));
        await AskAsync(service, 1, "alice");
        Task waiting;
        await using (await TableLock.TakeAsync(service, "usage.subscription", "access exclusive"))
        {
            // It waits for the table: its owner is not in memory.
            waiting = AskAsync(service, 0, "bob");
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.subscription") > 0, "the call is under way");
            var refused = await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, 0, "alice"));
            Assert.Equal((StatusCode.ResourceExhausted, "calls_too_many"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            Assert.Contains("Usage__CallsPerCallerMax", refused.Status.Detail, StringComparison.Ordinal);
            Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(async () => await Meter(service, 0).AuthorizeAsync(new() { Start = Samples.Start("g", "alice") }))).StatusCode);
            await AskAsync(service, 1, "alice");
        }
        Assert.Equal("subscription_unknown", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(() => waiting)));
        await AskAsync(service, 0, "alice");
    }

    [Fact]
    public async Task Of_calls_counted_under_one_name_before_and_after_it_is_known_whose_a_subscription_is()
    {
        await using var service = await UsageService.StartAsync(("Usage:CallsPerCustomerMax", "1"), ("Access:Mode", "Keys"), AlicesPage);
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await AskAsync(service, 0, "alice");
        Task listing;
        await using (await TableLock.TakeAsync(service, "usage.correction", "access exclusive"))
        {
            listing = ListAsync(service, 0);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") > 0, "the call is under way");
            Assert.Equal("calls_too_many", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, 0, "nobody's"))));
        }
        await listing;
        Assert.Equal("subscription_unknown", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, 0, "nobody's"))));
    }

    [Fact]
    public async Task Of_what_is_for_all_customers_together_and_runtimes_are_served()
    {
        await using var service = await UsageService.StartAsync(("Usage:CustomerCallsMax", "1"), ("Usage:CallsMax", "1"), ("Access:Mode", "Keys"), AlicesPage, ("Access:Keys:1", $"runtime:runtime:{AccessKey.Sha256Of(_keys[1])}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await AskAsync(service, 0, "alice");
        Task listing;
        await using (await TableLock.TakeAsync(service, "usage.correction", "access exclusive"))
        {
            listing = ListAsync(service, 0);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") > 0, "the call is under way");
            var refused = await Assert.ThrowsAsync<RpcException>(() => AskAsync(service, 0, "alice"));
            Assert.Contains("Usage__CustomerCallsMax", refused.Status.Detail, StringComparison.Ordinal);
            Assert.NotNull((await Meter(service, 1).AuthorizeAsync(new() { Start = Samples.Start("g", "alice") })).Grant);
        }
        await listing;
    }

    [Fact]
    public async Task Of_questions_about_the_past()
    {
        await using var service = await StartAsync(("Usage:QueriesPerCallerMax", "1"), ("Usage:QueriesMax", "2"), ("Usage:UnaryWaitSecondsMax", "1"));
        Task first, others;
        await using (await TableLock.TakeAsync(service, "usage.correction", "access exclusive"))
        {
            first = ListAsync(service, 0);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") == 1, "a question is asked");
            var refused = await Assert.ThrowsAsync<RpcException>(() => ListAsync(service, 0));
            Assert.Equal((StatusCode.ResourceExhausted, "calls_too_many"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            Assert.Contains("Usage__QueriesPerCallerMax", refused.Status.Detail, StringComparison.Ordinal);
            others = ListAsync(service, 1);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") == 2, "another key's is asked beside it");
        }
        await first;
        await others;
        await ListAsync(service, 0);
        await Eventually.True(() => service.App.Services.GetRequiredService<QueryConnections>().Callers == 0, "nothing is kept of callers who ask nothing");
    }

    [Fact]
    public async Task Of_imports()
    {
        await using var service = await StartAsync(("Usage:ImportsPerCallerMax", "1"));
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        Task<(HttpStatusCode, string)> slow;
        await using (await TableLock.TakeAsync(service, "usage.imported_event", "access exclusive"))
        {
            slow = ImportAsync(http, 0, "first");
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.imported_event") > 0, "an import is under way");
            var (status, problem) = await ImportAsync(http, 0, "second");
            Assert.Equal((HttpStatusCode.TooManyRequests, "imports_too_many"), (status, JsonDocument.Parse(problem).RootElement.GetProperty("reason").GetString()));
            Assert.Contains("Usage__ImportsPerCallerMax", problem, StringComparison.Ordinal);
            // Another key's is let in, and waits for the table itself.
            using var patience = new CancellationTokenSource();
            var others = ImportAsync(http, 1, "third", patience.Token);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.imported_event") > 1, "another key's import is under way beside it");
            await patience.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => others);
        }
        Assert.Equal(HttpStatusCode.NoContent, (await slow).Item1);
        Assert.Equal(HttpStatusCode.NoContent, (await ImportAsync(http, 0, "second")).Item1);
    }

    [Fact]
    public async Task Where_nobody_is_asked_for_a_key_all_callers_are_one_and_have_what_there_is()
    {
        await using var service = await UsageService.StartAsync(("Usage:StreamsPerCallerMax", "1"), ("Usage:StreamsMax", "2"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var first = new RuntimeStream(service.Meter);
        await using var second = new RuntimeStream(service.Meter);
        foreach (var (stream, generation) in new[] { (first, "g1"), (second, "g2") })
        {
            await stream.SendAsync(Samples.Start(generation, "alice"));
            await stream.GrantOf(generation);
        }
        await using var third = new RuntimeStream(service.Meter);
        Assert.Contains("this instance has its 2 streams (Usage__StreamsMax)", (await third.GoodbyeAsync()).Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nobody_is_asked_for_a_key_questions_have_the_bound_of_all()
    {
        await using var service = await UsageService.StartAsync(("Usage:QueriesPerCallerMax", "1"), ("Usage:QueriesMax", "2"), ("Usage:UnaryWaitSecondsMax", "1"));
        Task[] asked;
        await using (await TableLock.TakeAsync(service, "usage.correction", "access exclusive"))
        {
            asked = [ListAsync(service.Ledger), ListAsync(service.Ledger)];
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") == 2, "two questions are asked");
            Assert.Contains("(Usage__QueriesMax)", (await Assert.ThrowsAsync<RpcException>(() => ListAsync(service.Ledger))).Status.Detail, StringComparison.Ordinal);
        }
        await Task.WhenAll(asked);
    }

    private async Task<UsageService> StartAsync(params (string, string)[] bounds)
    {
        var service = await UsageService.StartAsync(
            [.. bounds, ("Access:Mode", "Keys"), ("Access:Keys:0", $"one:runtime:{AccessKey.Sha256Of(_keys[0])}"), ("Access:Keys:1", $"other:runtime:{AccessKey.Sha256Of(_keys[1])}")]);
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        return service;
    }

    private GrpcChannel With(UsageService service, int key)
    {
        _channels.Add(OutgoingCalls.Open(service.App.Endpoints().Grpc, _keys[key], null, 1 << 20));
        return _channels[^1];
    }

    private TokenMeter.TokenMeterClient Meter(UsageService service, int key) => new(With(service, key));

    private async Task<RuntimeStream> OpenAsync(UsageService service, int key, string generation)
    {
        var stream = new RuntimeStream(Meter(service, key));
        await stream.SendAsync(Samples.Start(generation, "alice"));
        await stream.GrantOf(generation);
        return stream;
    }

    private async Task AskAsync(UsageService service, int key, string name) =>
        await new UsageLedger.UsageLedgerClient(With(service, key)).GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) });

    private Task ListAsync(UsageService service, int key) => ListAsync(new UsageLedger.UsageLedgerClient(With(service, key)));

    private static Task ListAsync(UsageLedger.UsageLedgerClient ledger) =>
        ledger.ListEvents(new() { SubscriptionId = Samples.SubscriptionId("alice") }).ResponseStream.ReadAllAsync().ToListAsync().AsTask();

    private async Task<(HttpStatusCode Status, string Body)> ImportAsync(HttpClient http, int key, string id, CancellationToken ct = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/api/v1/events", UriKind.Relative))
        {
            Content = new StringContent($$$"""{"specversion":"1.0","type":"tokens","id":"{{{id}}}","source":"gateway","subject":"{{{Samples.SubscriptionId("alice")}}}","data":{"model":"m","type":"output","tokens":"1"}}""",
                System.Text.Encoding.UTF8, "application/cloudevents+json"),
        };
        request.Headers.Authorization = new("Bearer", _keys[key]);
        using var response = await http.SendAsync(request, ct);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(ct));
    }
}
