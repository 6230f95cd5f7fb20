using System.Net;
using System.Text;
using Contracts.Access.V1;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using AccessKey = Hosting.AccessKey;

namespace Usage.Host.Tests;

/// <summary>One service that asks for keys; each test takes subscriptions of its own.</summary>
public sealed class LockedService : IAsyncLifetime
{
    public static readonly string Admin = AccessKey.NewText(), Runtime = AccessKey.NewText(), Finance = AccessKey.NewText(), Service_ = AccessKey.NewText(), ToBilling = AccessKey.NewText();

    public BillingStandIn Billing { get; private set; } = null!;
    public UsageService Service { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Billing = await BillingStandIn.StartAsync(Samples.SubscriptionId("nobody"));
        Service = await UsageService.StartAsync(
            ("Usage:BillingAddress", Billing.Address), ("Access:Mode", "Keys"), ("Access:RefreshSeconds", "0.1"), ("Access:Metrics", "Keys"), ("Calls:Key", ToBilling),
            ("Access:Keys:0", $"operator:admin:{AccessKey.Sha256Of(Admin)}"), ("Access:Keys:1", $"engine:runtime:{AccessKey.Sha256Of(Runtime)}"),
            ("Access:Keys:2", $"books:finance:{AccessKey.Sha256Of(Finance)}"), ("Access:Keys:3", $"services:service:{AccessKey.Sha256Of(Service_)}"));
    }

    public async Task DisposeAsync()
    {
        await Service.DisposeAsync();
        await Billing.DisposeAsync();
    }
}

public sealed class When_keys_are_asked_for(LockedService locked) : IClassFixture<LockedService>, IDisposable
{
    private readonly List<GrpcChannel> _channels = [];

    public void Dispose() => _channels.ForEach(c => c.Dispose());

    private GrpcChannel With(string? key)
    {
        _channels.Add(OutgoingCalls.Open(locked.Service.App.Endpoints().Grpc, key, null, 1 << 20));
        return _channels[^1];
    }

    private async Task<string> CustomersKey(string name)
    {
        var text = AccessKey.NewText();
        await new AccessKeys.AccessKeysClient(With(LockedService.Admin)).RegisterKeyAsync(new()
        {
            KeyId = Ids.New(AccessKey.Prefix, TimeProvider.System.GetUtcNow()), Name = name, Scopes = { "customer" }, CustomerId = Ids.Derive(Ids.Customer, Samples.Jan1, name),
            Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(text))), Shown = AccessKey.ShownOf(text),
        });
        return text;
    }

    private static (StatusCode, string) Why(RpcException e) => (e.StatusCode, When_a_generation_is_metered.Reason(e));

    [Fact]
    public void Every_method_says_whose_key_it_needs() => Assert.Empty(locked.Service.App.WithoutScope());

    [Fact]
    public async Task A_runtime_meters_with_its_key_and_with_no_other()
    {
        await locked.Service.SubscribeAsync(Samples.Snapshot("metered", Samples.Hard("conversation", 1_000)));
        foreach (var (key, refused) in new[] { (null, (StatusCode.Unauthenticated, "key_missing")), (AccessKey.NewText(), (StatusCode.Unauthenticated, "key_unknown")), (LockedService.Finance, (StatusCode.PermissionDenied, "scope_missing")) })
        {
            await using var closed = new RuntimeStream(new(With(key)));
            Assert.Equal(refused, Why(await closed.GoodbyeAsync()));
            Assert.Equal(refused, Why(await Assert.ThrowsAsync<RpcException>(async () => await new TokenMeter.TokenMeterClient(With(key)).AuthorizeAsync(new() { Start = Samples.Start("g0", "metered") }))));
        }
        await using var stream = new RuntimeStream(new(With(LockedService.Runtime)));
        await stream.SendAsync(Samples.Start("g1", "metered"));
        await stream.GrantOf("g1");
        await stream.SendAsync(Samples.Finish("g1", 1));
        await stream.AckOf("g1", 1);
    }

    [Fact]
    public async Task A_stream_ends_when_its_key_is_revoked_and_what_it_sent_before_stands()
    {
        await locked.Service.SubscribeAsync(Samples.Snapshot("revoked", Samples.Hard("conversation", 1_000)));
        var (text, keys) = (AccessKey.NewText(), new AccessKeys.AccessKeysClient(With(LockedService.Admin)));
        var key = await keys.RegisterKeyAsync(new()
        {
            KeyId = Ids.New(AccessKey.Prefix, TimeProvider.System.GetUtcNow()), Name = "engine-2", Scopes = { "runtime" }, Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(text))),
        });
        await using var stream = new RuntimeStream(new(With(text)));
        await stream.SendAsync(Samples.Start("r1", "revoked"));
        await stream.GrantOf("r1");
        await stream.SendAsync(Samples.Chunk("r1", 1, 10));
        await stream.AckOf("r1", 1);
        await keys.RevokeKeyAsync(new() { KeyId = key.KeyId });
        await stream.SendAsync(Samples.Chunk("r1", 2, 20));
        Assert.Equal((StatusCode.Unauthenticated, "key_unknown"), Why(await stream.GoodbyeAsync()));
        Assert.Equal(10, await locked.Service.ScalarAsync<long>($"select sum(output) from usage.token_event where generation = '{Ids.Parse(Ids.Generation, Samples.GenerationId("r1"))}'"));
    }

    [Fact]
    public async Task Events_and_metrics_need_a_key_over_http_as_well()
    {
        await locked.Service.SubscribeAsync(Samples.Snapshot("imported"));
        using var http = new HttpClient { BaseAddress = locked.Service.App.Endpoints().Http };
        async Task<(HttpStatusCode, string)> Post(string? key)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/events")
            {
                Content = new StringContent($$$"""{"specversion":"1.0","source":"s","id":"1","type":"t","subject":"{{{Samples.SubscriptionId("imported")}}}","data":{"model":"m","prompt_tokens":1,"completion_tokens":2}}""", Encoding.UTF8, "application/cloudevents+json"),
            };
            if (key is not null) request.Headers.Authorization = new("Bearer", key);
            using var response = await http.SendAsync(request);
            return (response.StatusCode, await response.Content.ReadAsStringAsync());
        }
        var (missing, said) = await Post(null);
        Assert.Equal(HttpStatusCode.Unauthorized, missing);
        Assert.Contains("key_missing", said, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Post(AccessKey.NewText())).Item1);
        Assert.Equal(HttpStatusCode.Forbidden, (await Post(LockedService.Finance)).Item1);
        Assert.Equal(HttpStatusCode.NoContent, (await Post(LockedService.Runtime)).Item1);

        foreach (var path in new[] { "/metrics", "/metrics/" })
        foreach (var (key, status) in new[] { (null, HttpStatusCode.Unauthorized), (LockedService.Runtime, HttpStatusCode.Forbidden), (LockedService.Service_, HttpStatusCode.OK) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            if (key is not null) request.Headers.Authorization = new("Bearer", key);
            using var response = await http.SendAsync(request);
            Assert.Equal(status, response.StatusCode);
        }
        Assert.Equal("live\n", await http.GetStringAsync(new Uri("/health/live", UriKind.Relative)));
    }

    [Fact]
    public async Task A_customer_sees_what_is_his_and_of_others_no_more_than_of_what_does_not_exist()
    {
        await locked.Service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        await locked.Service.SubscribeAsync(Samples.Snapshot("bob", Samples.Hard("conversation", 1_000)));
        var ledger = new UsageLedger.UsageLedgerClient(With(await CustomersKey("alice")));
        var questions = new (string, Func<string, Task>)[]
        {
            ("balance", async id => await ledger.GetBalanceAsync(new() { SubscriptionId = id })),
            ("watch", async id => await ledger.WatchBalance(new() { SubscriptionId = id }).ResponseStream.MoveNext(default)),
            ("events", async id => await ledger.ListEvents(new() { SubscriptionId = id }).ResponseStream.MoveNext(default)),
            ("aggregate", async id => await ledger.AggregateAsync(new() { SubscriptionId = id, From = Samples.Jan1.ToTimestamp(), To = Samples.Feb1.ToTimestamp() })),
        };
        foreach (var (what, ask) in questions)
        {
            await ask(Samples.SubscriptionId("alice"));
            async Task<string> Answer(string name)
            {
                var e = await Assert.ThrowsAsync<RpcException>(() => ask(Samples.SubscriptionId(name)));
                Assert.True(Why(e) == (StatusCode.NotFound, "subscription_unknown"), $"{what} of {name}: {e.Status}");
                return e.Status.Detail.Replace(Samples.SubscriptionId(name), "", StringComparison.Ordinal);
            }
            Assert.Equal(await Answer("nobody"), await Answer("bob"));
        }
        // Not without saying whose, and nothing that is about everybody.
        Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(async () => await ledger.AggregateAsync(new() { From = Samples.Jan1.ToTimestamp(), To = Samples.Feb1.ToTimestamp() }))).StatusCode);
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), Why(await Assert.ThrowsAsync<RpcException>(async () => await ledger.GetHeadsAsync(new()))));
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), Why(await Assert.ThrowsAsync<RpcException>(async () => await new TokenMeter.TokenMeterClient(With(await CustomersKey("alice"))).AuthorizeAsync(new() { Start = Samples.Start("c", "alice") }))));
    }

    [Fact]
    public async Task Whose_a_subscription_is_that_an_older_service_stored_is_asked_of_billing_with_our_key()
    {
        await locked.Service.SubscribeAsync(Samples.Snapshot("carol"));
        await locked.Service.ScalarAsync<long>($"with old as (update usage.subscription set terms = terms - 'Customer' where subscription = '{Ids.Parse(Ids.Subscription, Samples.SubscriptionId("carol"))}' returning 1) select count(*) from old");
        locked.Billing.Customer = Ids.Derive(Ids.Customer, Samples.Jan1, "carol");
        await new UsageLedger.UsageLedgerClient(With(await CustomersKey("carol"))).ListEvents(new() { SubscriptionId = Samples.SubscriptionId("carol") }).ResponseStream.MoveNext(default);
        Assert.Equal($"Bearer {LockedService.ToBilling}", locked.Billing.Authorization);
    }

    [Fact]
    public async Task An_idempotency_key_belongs_to_its_caller_and_what_was_done_before_there_were_keys_is_not_done_again()
    {
        await locked.Service.SubscribeAsync(Samples.Snapshot("amended"));
        var amend = new AmendUsageRequest { SubscriptionId = Samples.SubscriptionId("amended"), PeriodId = Samples.PeriodId("amended", 0), Deltas = new() { Output = 5 }, Author = "ada", Reason = "lost" };
        async Task<CorrectUsageResponse> Amend(string key) => await new UsageCorrections.UsageCorrectionsClient(With(key)).AmendUsageAsync(amend, new Metadata { { IdempotentCalls.Metadata, "k" } });
        var first = await Amend(LockedService.Finance);
        Assert.Equal(first, await Amend(LockedService.Finance));
        Assert.NotEqual(first, await Amend(LockedService.Runtime));
        Assert.Equal(10, await Sum());

        // As the release before wrote it.
        Assert.Equal(1, await locked.Service.ScalarAsync<long>("with old as (update usage.idempotent_call set id = replace(id, 'books|', '') where id like 'books|%' returning 1) select count(*) from old"));
        Assert.Equal(first, await Amend(LockedService.Finance));
        Assert.Equal(10, await Sum());
        Task<long> Sum() => locked.Service.ScalarAsync<long>("select sum(output) from usage.correction");
    }
}
