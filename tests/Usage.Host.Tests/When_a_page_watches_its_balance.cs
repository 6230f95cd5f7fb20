using System.Net;
using System.Net.Http.Headers;
using Contracts.Access.V1;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;
using Hosting;
using AccessKey = Hosting.AccessKey;

namespace Usage.Host.Tests;

/// <summary>A service that faces the world: it asks for keys, and a page of one origin may call it.</summary>
public sealed class ServiceForPages : IAsyncLifetime
{
    public const string Page = "https://account.example.com";
    private readonly string _admin = AccessKey.NewText();

    public UsageService Service { get; private set; } = null!;
    public string AlicesKey { get; } = AccessKey.NewText();
    public GrpcChannel Operator { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Service = await UsageService.StartAsync(
            ("Http:AllowedOrigins:0", Page), ("Usage:WatchIntervalMs", "20"), ("Access:Mode", "Keys"), ("Access:RefreshSeconds", "0.1"), ("Access:Keys:0", $"operator:admin:{AccessKey.Sha256Of(_admin)}"));
        Operator = OutgoingCalls.Open(Service.App.Endpoints().Grpc, _admin, null, 1 << 20);
        await new AccessKeys.AccessKeysClient(Operator).RegisterKeyAsync(new()
        {
            KeyId = Ids.New(AccessKey.Prefix, TimeProvider.System.GetUtcNow()), Name = "alice", Scopes = { "customer" }, CustomerId = Ids.Derive(Ids.Customer, Samples.Jan1, "alice"),
            Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(AlicesKey))), Shown = AccessKey.ShownOf(AlicesKey),
        });
        foreach (var name in new[] { "alice", "bob" }) await Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
    }

    public async Task DisposeAsync()
    {
        Operator.Dispose();
        await Service.DisposeAsync();
    }
}

/// <summary>A page in a browser speaks gRPC-Web over HTTP/1.1, from an origin that the service has been told of, with its customer's key.</summary>
public sealed class When_a_page_watches_its_balance(ServiceForPages pages) : IClassFixture<ServiceForPages>
{
    private readonly Uri _http = pages.Service.App.Endpoints().Http;

    [Theory]
    [InlineData(GrpcWebMode.GrpcWeb)]
    [InlineData(GrpcWebMode.GrpcWebText)] // for browsers that cannot read bytes as they come
    public async Task It_hears_of_every_change(GrpcWebMode mode)
    {
        using var channel = OfAPage(_http, mode);
        using var watching = new UsageLedger.UsageLedgerClient(channel).WatchBalance(new() { SubscriptionId = Samples.SubscriptionId("alice") }, With(pages.AlicesKey));
        Assert.True(await watching.ResponseStream.MoveNext(default));
        var before = Used(watching.ResponseStream.Current);

        var (meter, name) = (new TokenMeter.TokenMeterClient(pages.Operator), $"g {mode}");
        await meter.AuthorizeAsync(new() { Start = Samples.Start(name, "alice") });
        await meter.SettleAsync(new() { Finish = new(Samples.Finish(name, 1)) { Totals = new() { Output = 7 } } });
        while (Used(watching.ResponseStream.Current) < before + 7) Assert.True(await watching.ResponseStream.MoveNext(default));
    }

    [Fact]
    public async Task It_sees_nothing_of_anybody_else_and_is_told_why()
    {
        using var channel = OfAPage(_http, GrpcWebMode.GrpcWebText);
        var ledger = new UsageLedger.UsageLedgerClient(channel);
        var (bob, alice) = (new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("bob") }, new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") });
        Assert.Equal("subscription_unknown", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(async () => await ledger.GetBalanceAsync(bob, With(pages.AlicesKey)))));
        Assert.Equal("key_missing", When_a_generation_is_metered.Reason(await Assert.ThrowsAsync<RpcException>(async () => await ledger.GetBalanceAsync(alice))));
    }

    [Fact]
    public async Task What_no_customers_key_may_call_is_not_on_that_port()
    {
        using var channel = OfAPage(_http, GrpcWebMode.GrpcWeb);
        await Assert.ThrowsAsync<RpcException>(async () => await new AccessKeys.AccessKeysClient(channel).ListKeysAsync(new(), With("bk_live_anything")));
        Assert.NotEqual(HttpStatusCode.OK, (await PostAsync("/access.v1.AccessKeys/ListKeys", ServiceForPages.Page)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync("/usage.v1.UsageLedger/GetBalance", ServiceForPages.Page)).StatusCode);
    }

    [Theory]
    [InlineData(ServiceForPages.Page, ServiceForPages.Page)]
    [InlineData("https://elsewhere.example.com", null)]
    public async Task Only_pages_of_an_allowed_origin_are_let_in_by_browsers(string origin, string? allowed)
    {
        using var http = new HttpClient { BaseAddress = _http };
        using var asking = new HttpRequestMessage(HttpMethod.Options, "/usage.v1.UsageLedger/WatchBalance")
        {
            Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "POST" }, { "Access-Control-Request-Headers", "authorization,content-type,x-grpc-web" } },
        };
        using var preflight = await http.SendAsync(asking);
        Assert.Equal(allowed, Said(preflight, "Access-Control-Allow-Origin"));
        using var answer = await PostAsync("/usage.v1.UsageLedger/GetBalance", origin);
        Assert.Equal(allowed, Said(answer, "Access-Control-Allow-Origin"));
        // Without this a page cannot read why it was refused.
        Assert.Equal(allowed is null ? null : "Grpc-Status,Grpc-Message,Grpc-Status-Details-Bin", Said(answer, "Access-Control-Expose-Headers"));
    }

    [Fact]
    public async Task Where_no_origin_is_named_the_port_answers_no_calls()
    {
        await using var service = await UsageService.StartAsync();
        using var channel = OfAPage(service.App.Endpoints().Http, GrpcWebMode.GrpcWeb);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new UsageLedger.UsageLedgerClient(channel).GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("alice") }));
        Assert.DoesNotContain("subscription_unknown", refused.Status.Detail, StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> PostAsync(string method, string origin)
    {
        using var http = new HttpClient { BaseAddress = _http };
        using var empty = new ByteArrayContent([0, 0, 0, 0, 0]) { Headers = { ContentType = new MediaTypeHeaderValue("application/grpc-web+proto") } };
        using var call = new HttpRequestMessage(HttpMethod.Post, method) { Content = empty, Headers = { { "Origin", origin } } };
        return await http.SendAsync(call);
    }

    private static string? Said(HttpResponseMessage answer, string header) => answer.Headers.TryGetValues(header, out var said) ? string.Join(',', said) : null;
    private static long Used(Balance balance) => balance.Windows.Single().UsedTokens;
    private static Metadata With(string key) => new() { { "authorization", $"Bearer {key}" } };

    private static GrpcChannel OfAPage(Uri http, GrpcWebMode mode) => GrpcChannel.ForAddress(http, new GrpcChannelOptions
    {
        HttpHandler = new GrpcWebHandler(mode, new SocketsHttpHandler()), HttpVersion = HttpVersion.Version11, DisposeHttpClient = true,
    });
}
