using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Contracts.Usage.V1;
using Grpc.Core;
using Hosting;

namespace Usage.Host.Tests;

/// <summary>One service for the tests that leave it standing: each takes subscriptions of its own.</summary>
public sealed class ImportingService : IAsyncLifetime
{
    private BillingStandIn _billing = null!;

    public UsageService Service { get; private set; } = null!;
    public HttpClient Http { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        _billing = await BillingStandIn.StartAsync(Samples.SubscriptionId("nobody"));
        Service = await UsageService.StartAsync(("Usage:BillingAddress", _billing.Address), ("Usage:ReportIntervalMs", "20"), ("Usage:EventsPerImportMax", "40"), ("Usage:MessageBytesMax", "65536"));
        Http = new HttpClient { BaseAddress = Service.App.Endpoints().Http };
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        await Service.DisposeAsync();
        await _billing.DisposeAsync();
    }
}

public sealed class When_events_are_imported(ImportingService importing) : IClassFixture<ImportingService>
{
    private readonly UsageService _service = importing.Service;

    /// <summary>As litellm.integrations.openmeter builds it; the proxy's user is the subscription. It is sent twice: by the callback, and by its twin for async calls.</summary>
    private const string FromLiteLLM = """
        {"specversion": "1.0", "type": "litellm_tokens", "id": "chatcmpl-BqX0T3yJ5", "time": "2026-01-01T00:00:07.%TIME%+00:00", "subject": "%SUBJECT%", "source": "litellm-proxy", "data": {"model": "gpt-4o-mini", "cost": 3.465e-05, "prompt_tokens": 23, "completion_tokens": 52, "total_tokens": 75}}
        """;

    [Fact]
    public async Task U3_what_LiteLLM_sends_is_recorded_once()
    {
        await SubscribeAsync("litellm");
        foreach (var time in new[] { "120304", "482110" })
        {
            using var request = Post("application/cloudevents+json", FromLiteLLM.Replace("%SUBJECT%", Samples.SubscriptionId("litellm"), StringComparison.Ordinal).Replace("%TIME%", time, StringComparison.Ordinal));
            request.Headers.Authorization = new("Bearer", "whatever-OPENMETER_API_KEY-is");
            using var response = await importing.Http.SendAsync(request);
            Assert.Equal((HttpStatusCode.NoContent, ""), (response.StatusCode, await response.Content.ReadAsStringAsync()));
        }
        var rows = await RowsAsync("litellm");
        Assert.Equal([(0L, 23L, 0L), (1L, 0L, 52L)], rows.Select(r => (r.Sequence, r.Tokens.Input, r.Tokens.Output)));
        Assert.All(rows, r => Assert.Equal(("gpt-4o-mini", r.GenerationId), (r.Model, r.Conversation)));
        Assert.Equal(Samples.Jan1.AddSeconds(7).AddMicroseconds(120_304), rows[1].At.ToDateTimeOffset());
        Assert.Equal((52, 0), await BalanceAsync("litellm"));
    }

    [Fact]
    public async Task Every_mode_of_the_HTTP_binding_is_taken()
    {
        await SubscribeAsync("modes");
        await TakenAsync("application/cloudevents+json; charset=utf-8", Event("modes", "one", 1));
        await TakenAsync("application/cloudevents-batch+json", $"[{Event("modes", "two", 2)},{Event("modes", "three", 4)}]");
        await TakenAsync("application/cloudevents-batch+json", "[]");
        // OpenMeter takes both as plain JSON.
        await TakenAsync("application/json", Event("modes", "four", 8));
        await TakenAsync("application/json", $"[{Event("modes", "five", 16)}]");
        using var binary = Post("application/json", """{"model":"m","type":"output","tokens":"32","conversation":"chat-7"}""");
        foreach (var (name, value) in new[] { ("specversion", "1.0"), ("id", "six%20%E2%82%AC"), ("source", "gateway"), ("type", "tokens"), ("subject", Samples.SubscriptionId("modes")), ("time", "2026-01-01T00:00:00Z") })
            binary.Headers.Add($"ce-{name}", value);
        using var response = await importing.Http.SendAsync(binary);
        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        Assert.Equal(63, (await RowsAsync("modes")).Sum(r => r.Tokens.Output));
        Assert.Equal("chat-7", (await RowsAsync("modes"))[^1].Conversation);
        Assert.Equal(1, await _service.ScalarAsync<long>("select count(*) from usage.imported_event where id = 'six €'"));
    }

    [Fact]
    public async Task U3_U4_the_same_event_at_once_from_many_alone_and_in_batches_counts_once()
    {
        await SubscribeAsync("many");
        string[] events = [.. Enumerable.Range(0, 12).Select(n => Event("many", $"many-{n}", 10))];
        var batches = Enumerable.Range(0, 12).Select(n => ("application/cloudevents-batch+json", $"[{string.Join(',', events.Skip(n / 2).Reverse().Concat(events.Take(3)))}]"));
        await Task.WhenAll(events.Select(e => ("application/cloudevents+json", e)).Concat(batches).Select(r => TakenAsync(r.Item1, r.Item2)));
        Assert.Equal((12, 120), ((await RowsAsync("many")).Count(r => r.Sequence == 1), (await RowsAsync("many")).Sum(r => r.Tokens.Output)));
        Assert.Equal((120, 0), await BalanceAsync("many"));
        await LedgerChecks.HoldAsync(_service);
    }

    [Fact]
    public async Task A_key_that_was_used_for_something_else_is_named_and_nothing_of_its_batch_is_taken()
    {
        await SubscribeAsync("keys");
        await TakenAsync("application/json", Event("keys", "taken", 5));
        var problem = await RefusedAsync(HttpStatusCode.Conflict, "application/json", $"[{Event("keys", "new", 1)},{Event("keys", "taken", 6)},{Event("keys", "newer", 1)}]");
        Assert.Equal("event_reused", problem.GetProperty("reason").GetString());
        var named = Assert.Single(problem.GetProperty("events").EnumerateArray());
        Assert.Equal((1, "gateway", "taken", "event_reused"), (named.GetProperty("index").GetInt32(), Text(named, "source"), Text(named, "id"), Text(named, "reason")));
        await RefusedAsync(HttpStatusCode.Conflict, "application/json", $"[{Event("keys", "twice", 1)},{Event("keys", "twice", 2)}]");
        Assert.Equal((5, 1), ((await RowsAsync("keys")).Sum(r => r.Tokens.Output), await _service.ScalarAsync<long>("select count(*) from usage.imported_event where id in ('new', 'newer', 'taken', 'twice')")));
    }

    [Fact]
    public async Task Every_faulty_event_of_a_batch_is_named_and_nothing_of_it_is_taken()
    {
        await SubscribeAsync("faults");
        string[] batch =
        [
            Event("faults", "good", 1), Event("faults", "", 1), Event("faults", "no-model", 1).Replace("\"model\"", "\"engine\"", StringComparison.Ordinal),
            Event("faults", "customer", 1).Replace(Samples.SubscriptionId("faults"), "customer-7", StringComparison.Ordinal), "7",
        ];
        var problem = await RefusedAsync(HttpStatusCode.BadRequest, "application/cloudevents-batch+json", $"[{string.Join(',', batch)}]");
        Assert.Equal([(1, ""), (2, "no-model"), (3, "customer"), (4, null)], problem.GetProperty("events").EnumerateArray().Select(e => (e.GetProperty("index").GetInt32(), Text(e, "id"))));
        Assert.All(problem.GetProperty("events").EnumerateArray(), e => Assert.Equal("event_invalid", Text(e, "reason")));

        problem = await RefusedAsync(HttpStatusCode.BadRequest, "application/json", $"[{Event("faults", "good", 1)},{Event("nobody", "unknown", 1)},{Event("faults", "", 1)}]");
        Assert.Equal([(1, "subscription_unknown"), (2, "event_invalid")], problem.GetProperty("events").EnumerateArray().Select(e => (e.GetProperty("index").GetInt32(), Text(e, "reason"))));
        Assert.Empty(await RowsAsync("faults"));
        Assert.Equal(0, await _service.ScalarAsync<long>("select count(*) from usage.imported_event where id in ('good', 'unknown')"));
    }

    [Fact]
    public async Task Half_a_character_is_no_text_and_the_event_that_has_one_is_named()
    {
        await SubscribeAsync("halves");
        string Broken(string member) => Event("halves", "broken", 1).Replace($"\"{member}\":\"", $"\"{member}\":\"\\ud800", StringComparison.Ordinal);
        foreach (var member in new[] { "specversion", "source", "id", "type", "subject", "model" })
        {
            var problem = await RefusedAsync(HttpStatusCode.BadRequest, "application/json", $"[{Event("halves", "whole", 1)},{Broken(member)}]");
            var named = Assert.Single(problem.GetProperty("events").EnumerateArray());
            Assert.Equal((1, "event_invalid"), (named.GetProperty("index").GetInt32(), Text(named, "reason")));
            Assert.Contains(member, Text(named, "detail"), StringComparison.Ordinal);
        }
        var name = await RefusedAsync(HttpStatusCode.BadRequest, "application/json", $"[{Event("halves", "whole", 1)},{Event("halves", "name", 1).Replace("specversion", "\\ud800", StringComparison.Ordinal)}]");
        Assert.Equal((1, "event_invalid"), (Assert.Single(name.GetProperty("events").EnumerateArray()).GetProperty("index").GetInt32(), Text(name, "reason")));
        Assert.Empty(await RowsAsync("halves"));
    }

    [Theory]
    [InlineData("\"specversion\":\"1.0\"", "\"specversion\":\"1.0\",\"subject\":\"somebody-else\"", "subject"), InlineData("\"model\":", "\"model\":\"another\",\"model\":", "model")]
    public async Task An_event_of_a_batch_that_says_two_things_by_one_name_is_named(string member, string twice, string name)
    {
        await SubscribeAsync("twice");
        var problem = await RefusedAsync(HttpStatusCode.BadRequest, "application/json", $"[{Event("twice", "whole", 1)},{Event("twice", "of two minds", 1).Replace(member, twice, StringComparison.Ordinal)}]");
        var named = Assert.Single(problem.GetProperty("events").EnumerateArray());
        Assert.Equal((1, "of two minds", "event_invalid"), (named.GetProperty("index").GetInt32(), Text(named, "id"), Text(named, "reason")));
        Assert.Contains($"{name} stands twice", Text(named, "detail"), StringComparison.Ordinal);
        Assert.Empty(await RowsAsync("twice"));
    }

    [Fact]
    public async Task A_quoted_header_means_what_is_between_its_quotes()
    {
        await SubscribeAsync("quoted");
        using var binary = Post("application/json", """{"model":"m","type":"output","tokens":"8"}""");
        foreach (var (name, value) in new[] { ("specversion", "\"1.0\""), ("id", "\"quo\\\"ted%20\\\\\""), ("source", "\"gateway\""), ("type", "tokens"), ("subject", $"\"{Samples.SubscriptionId("quoted")}\"") })
            Assert.True(binary.Headers.TryAddWithoutValidation($"ce-{name}", value));
        using var response = await importing.Http.SendAsync(binary);
        Assert.True(response.StatusCode == HttpStatusCode.NoContent, await response.Content.ReadAsStringAsync());
        Assert.Equal(1, await _service.ScalarAsync<long>("""select count(*) from usage.imported_event where id = 'quo"ted \'"""));
    }

    [Fact]
    public async Task U1_windows_and_caps_count_imported_tokens_and_what_is_past_them_is_overrun()
    {
        await _service.SubscribeAsync(Samples.Snapshot("capped", Samples.Hard("billing_period", 100), Samples.Hard("five_hours", 80)) with { PlanId = Samples.PlanId("capped") });
        await TakenAsync("application/json", $"[{Event("capped", "c1", 50)},{Event("capped", "c2", 50)}]");
        // In whatever order the two are taken: 50, then the 30 that five hours have left.
        var rows = await RowsAsync("capped");
        Assert.Equal([(30, 20), (50, 0)], rows.Where(r => r.Sequence == 1).Select(r => (r.Tokens.Output, r.OverrunTokens)).Order());
        var windows = (await _service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("capped") })).Windows;
        Assert.All(windows, w => Assert.Equal((80, 0), (w.UsedTokens, w.ReservedTokens)));
        Assert.Equal("cap_reached", (await _service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("after import", "capped") })).Deny.Reason);

        // Whoever estimates a market must not take what overran for what was answered, nor a prompt alone for an answer of no length.
        await TakenAsync("application/json", Event("capped", "c3", 1).Replace("completion_tokens", "prompt_tokens", StringComparison.Ordinal));
        using var lengths = _service.Ledger.ListConversationLengths(new ListConversationLengthsRequest { PlanId = Samples.PlanId("capped") });
        Assert.Equal([(30, true), (50, false)], (await lengths.ResponseStream.ReadAllAsync().ToListAsync()).Select(l => (l.GeneratedTokens, l.Cut)).Order());
    }

    [Fact]
    public async Task What_is_no_event_is_refused_with_a_reason()
    {
        async Task Refused(HttpStatusCode status, string type, string body, string reason, string detail)
        {
            var problem = await RefusedAsync(status, type, body);
            Assert.Equal(reason, Text(problem, "reason"));
            Assert.Contains(detail, Text(problem, "detail"), StringComparison.Ordinal);
        }
        await Refused(HttpStatusCode.UnsupportedMediaType, "text/plain", "{}", "event_invalid", "Content-Type");
        await Refused(HttpStatusCode.BadRequest, "application/json", "{", "event_invalid", "not JSON");
        await Refused(HttpStatusCode.BadRequest, "application/json", """{"id":"1","id":"2"}""", "event_invalid", "1 of 1 events");
        await Refused(HttpStatusCode.BadRequest, "application/cloudevents+json", "[]", "event_invalid", "array");
        await Refused(HttpStatusCode.RequestEntityTooLarge, "application/json", $"[{string.Join(',', Enumerable.Repeat("1", 41))}]", "events_too_many", "at most 40 events");
        await Refused(HttpStatusCode.RequestEntityTooLarge, "application/json", $"[\"{new string('x', 65_536)}\"]", "events_too_many", "at most 65536 bytes");
    }

    internal static string Event(string subscription, string id, long output) =>
        $$$"""{"specversion":"1.0","type":"tokens","source":"gateway","id":"{{{id}}}","subject":"{{{Samples.SubscriptionId(subscription)}}}","data":{"model":"small-model","completion_tokens":{{{output}}}}}""";

    private static HttpRequestMessage Post(string type, string body) =>
        new(HttpMethod.Post, "/api/v1/events") { Content = new StringContent(body, Encoding.UTF8) { Headers = { ContentType = MediaTypeHeaderValue.Parse(type) } } };

    private async Task TakenAsync(string type, string body)
    {
        using var request = Post(type, body);
        using var response = await importing.Http.SendAsync(request);
        Assert.True(response.StatusCode == HttpStatusCode.NoContent, await response.Content.ReadAsStringAsync());
    }

    private async Task<JsonElement> RefusedAsync(HttpStatusCode status, string type, string body)
    {
        using var request = Post(type, body);
        using var response = await importing.Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == status, $"{response.StatusCode}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        return JsonDocument.Parse(text).RootElement;
    }

    private static string? Text(JsonElement from, string name) => from.GetProperty(name).GetString();

    private Task SubscribeAsync(string name, params Contracts.Messages.PublishedCap[] caps) =>
        _service.SubscribeAsync(Samples.Snapshot(name, caps.Length > 0 ? caps : [Samples.Hard("billing_period", 1_000_000)]));

    private async Task<IReadOnlyList<EventRow>> RowsAsync(string subscription)
    {
        using var call = _service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = Samples.SubscriptionId(subscription) });
        return await call.ResponseStream.ReadAllAsync().ToListAsync();
    }

    private async Task<(long Used, long Reserved)> BalanceAsync(string subscription)
    {
        var balance = await _service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId(subscription) });
        return (balance.Windows[0].UsedTokens, balance.Windows[0].ReservedTokens);
    }
}
