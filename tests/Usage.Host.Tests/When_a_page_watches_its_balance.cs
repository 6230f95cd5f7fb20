using System.Net;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;
using Hosting;

namespace Usage.Host.Tests;

/// <summary>A page in a browser speaks gRPC-Web over HTTP/1.1, from an origin that the service has been told of.</summary>
public sealed class When_a_page_watches_its_balance
{
    private const string Page = "https://account.example.com";

    [Theory]
    [InlineData(GrpcWebMode.GrpcWeb)]
    [InlineData(GrpcWebMode.GrpcWebText)] // what browsers stream
    public async Task It_hears_of_every_change(GrpcWebMode mode)
    {
        await using var service = await UsageService.StartAsync(("Http:AllowedOrigins:0", Page), ("Usage:WatchIntervalMs", "20"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 100)));
        using var channel = OfAPage(service, mode);
        using var watching = new UsageLedger.UsageLedgerClient(channel).WatchBalance(new() { SubscriptionId = Samples.SubscriptionId("alice") });

        Assert.True(await watching.ResponseStream.MoveNext(default));
        Assert.Equal(0, watching.ResponseStream.Current.Windows.Single().UsedTokens);
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("g", "alice") });
        await service.Meter.SettleAsync(new() { Finish = new(Samples.Finish("g", 1)) { Totals = new() { Output = 7 } } });
        while (watching.ResponseStream.Current.Windows.Single().UsedTokens < 7) Assert.True(await watching.ResponseStream.MoveNext(default));
    }

    [Fact]
    public async Task A_refusal_says_its_reason_to_a_page_too()
    {
        await using var service = await UsageService.StartAsync(("Http:AllowedOrigins:0", Page));
        using var channel = OfAPage(service, GrpcWebMode.GrpcWebText);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new UsageLedger.UsageLedgerClient(channel).GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("nobody") }));
        Assert.Equal("subscription_unknown", When_a_generation_is_metered.Reason(refused));
    }

    [Theory]
    [InlineData(Page, Page)]
    [InlineData("https://elsewhere.example.com", null)]
    public async Task Only_pages_of_an_allowed_origin_are_let_in_by_browsers(string origin, string? allowed)
    {
        await using var service = await UsageService.StartAsync(("Http:AllowedOrigins:0", Page));
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        using var asking = new HttpRequestMessage(HttpMethod.Options, "/usage.v1.UsageLedger/WatchBalance")
        {
            Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "POST" }, { "Access-Control-Request-Headers", "authorization,content-type,x-grpc-web" } },
        };
        using var answer = await http.SendAsync(asking);
        Assert.Equal(allowed, answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var said) ? said.Single() : null);
    }

    [Fact]
    public async Task Where_no_origin_is_named_the_port_answers_no_calls()
    {
        await using var service = await UsageService.StartAsync();
        using var channel = OfAPage(service, GrpcWebMode.GrpcWeb);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new UsageLedger.UsageLedgerClient(channel).GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("alice") }));
        Assert.NotEqual(StatusCode.OK, refused.StatusCode);
        Assert.DoesNotContain("subscription_unknown", refused.Status.Detail, StringComparison.Ordinal);
    }

    private static GrpcChannel OfAPage(UsageService service, GrpcWebMode mode) => GrpcChannel.ForAddress(service.App.Endpoints().Http, new GrpcChannelOptions
    {
        HttpHandler = new GrpcWebHandler(mode, new SocketsHttpHandler()), HttpVersion = HttpVersion.Version11, DisposeHttpClient = true,
    });
}
