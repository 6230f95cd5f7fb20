using System.Net;
using System.Net.Sockets;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using AccessKey = Hosting.AccessKey;

namespace Usage.Host.Tests;

public sealed class When_watches_are_left_open
{
    private static readonly WatchBalanceRequest Alices = new() { SubscriptionId = Samples.SubscriptionId("alice") };

    [Fact]
    public async Task One_key_cannot_take_the_watches_of_all()
    {
        string[] keys = [AccessKey.NewText(), AccessKey.NewText()];
        await using var service = await UsageService.StartAsync(
            ("Usage:WatchersPerCallerMax", "1"), ("Access:Mode", "Keys"), ("Access:Keys:0", $"one:runtime:{AccessKey.Sha256Of(keys[0])}"), ("Access:Keys:1", $"other:runtime:{AccessKey.Sha256Of(keys[1])}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        using (var first = service.Ledger.WatchBalance(Alices, With(keys[0])))
        {
            Assert.True(await first.ResponseStream.MoveNext(default));
            using var second = service.Ledger.WatchBalance(Alices, With(keys[0]));
            var refused = await Assert.ThrowsAsync<RpcException>(() => second.ResponseStream.MoveNext(default));
            Assert.Equal((StatusCode.ResourceExhausted, "watchers_too_many"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            using var others = service.Ledger.WatchBalance(Alices, With(keys[1]));
            Assert.True(await others.ResponseStream.MoveNext(default));
        }
        await NobodyWatchesAsync(service);
        using var again = service.Ledger.WatchBalance(Alices, With(keys[0]));
        Assert.True(await again.ResponseStream.MoveNext(default));
    }

    [Fact]
    public async Task A_watch_is_over_after_a_while_without_an_error_and_is_opened_again()
    {
        await using var service = await UsageService.StartAsync(("Usage:WatchSecondsMax", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        for (var opened = 0; opened < 2; opened++)
        {
            using var watch = service.Ledger.WatchBalance(Alices);
            Assert.True(await watch.ResponseStream.MoveNext(default));
            Assert.False(await watch.ResponseStream.MoveNext(default));
            Assert.Equal(StatusCode.OK, watch.GetStatus().StatusCode);
        }
        await NobodyWatchesAsync(service);
    }

    [Fact]
    public async Task A_client_whose_machine_is_gone_watches_no_longer()
    {
        await using var service = await UsageService.StartAsync(("Http:PingSeconds", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var wire = new Wire(service.App.Endpoints().Grpc.Port);
        using var channel = GrpcChannel.ForAddress(wire.Address);
        using var watch = new UsageLedger.UsageLedgerClient(channel).WatchBalance(Alices);
        Assert.True(await watch.ResponseStream.MoveNext(default));
        Assert.Equal(1, service.App.Services.GetRequiredService<BalanceWatch>().Watching);
        wire.Cut();
        await NobodyWatchesAsync(service);
    }

    private static Task NobodyWatchesAsync(UsageService service) =>
        Eventually.True(() => service.App.Services.GetRequiredService<BalanceWatch>().Watching == 0, "nobody watches any more");

    private static Metadata With(string key) => new() { { "authorization", $"Bearer {key}" } };

    /// <summary>A connection that can be cut in the middle: both ends stay open, and hear nothing more of each other.</summary>
    private sealed class Wire : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _cut = new();
        private readonly List<TcpClient> _ends = [];
        private readonly Task _carrying;

        public Wire(int port)
        {
            _listener.Start();
            Address = new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
            _carrying = CarryAsync(port);
        }

        public Uri Address { get; }

        public void Cut() => _cut.Cancel();

        private async Task CarryAsync(int port)
        {
            var (near, far) = (await _listener.AcceptTcpClientAsync(), new TcpClient());
            _ends.AddRange([near, far]);
            await far.ConnectAsync(IPAddress.Loopback, port);
            try { await Task.WhenAll(near.GetStream().CopyToAsync(far.GetStream(), _cut.Token), far.GetStream().CopyToAsync(near.GetStream(), _cut.Token)); }
            catch (Exception e) when (e is OperationCanceledException or IOException) { /* It is cut, or one end has gone. */ }
        }

        public async ValueTask DisposeAsync()
        {
            await _cut.CancelAsync();
            await _carrying;
            foreach (var end in _ends) end.Dispose();
            _listener.Stop();
            _cut.Dispose();
        }
    }
}
