using System.Net.Sockets;
using Contracts.Usage.V1;
using Google.Rpc;
using Grpc.Core;

namespace Usage.Host.Tests;

public sealed class When_calls_are_too_many
{
    [Fact]
    public async Task More_calls_at_once_than_an_instance_answers_are_refused_and_streams_go_on()
    {
        await using var service = await UsageService.StartAsync(("Usage:CallsMax", "2"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await using (await TableLock.TakeAsync(service, "usage.subscription", "access exclusive"))
        {
            // Two that wait for the table, as a slow database would let them, however often the test's own calls take their places before.
            Task[] waiting = [.. new[] { "bob", "carol" }.Select(async name => { while (await RefusedAsync(service, name) == "calls_too_many") { } })];
            await Eventually.True(async () => await RefusedAsync(service) == "calls_too_many", "both are being answered");
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await AskAsync(service));
            Assert.Contains("Usage__CallsMax", refused.Status.Detail, StringComparison.Ordinal);
            Assert.NotNull(refused.GetRpcStatus()!.GetDetail<RetryInfo>());
            await stream.SendAsync(Samples.Chunk("g", 1, 10));
            await stream.AckOf("g", 1);
            Assert.All(waiting, w => Assert.False(w.IsCompleted));
        }
        await Eventually.True(async () => await RefusedAsync(service) is null, "there is room again");
    }

    [Fact]
    public async Task More_calls_in_a_second_than_are_allowed_are_refused_until_later()
    {
        await using var service = await UsageService.StartAsync(("Usage:CallsPerSecondMax", "5"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await Eventually.True(async () => await RefusedAsync(service) == "rate_limited", "the rate is reached");
        await Eventually.True(async () =>
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () => { while (true) await AskAsync(service); });
            return refused.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan() > TimeSpan.Zero;
        }, "it says when to come again");
        await Eventually.True(async () => await RefusedAsync(service) is null, "later it is answered");
    }

    [Fact]
    public async Task More_connections_than_an_instance_keeps_are_closed()
    {
        await using var service = await UsageService.StartAsync(("Usage:ConnectionsMax", "3"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await AskAsync(service); // the test's own connection
        var address = new Uri(service.Channel.Target.Contains("://", StringComparison.Ordinal) ? service.Channel.Target : $"http://{service.Channel.Target}");
        var sockets = Enumerable.Range(0, 5).Select(_ => new TcpClient()).ToArray();
        try
        {
            foreach (var socket in sockets) await socket.ConnectAsync(address.Host, address.Port);
            await Eventually.True(() => sockets.Count(IsClosed) >= 3, "those beyond the bound are closed");
            await AskAsync(service);
        }
        finally
        {
            foreach (var socket in sockets) socket.Dispose();
        }

        static bool IsClosed(TcpClient socket) => socket.Client.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
    }

    private static async Task AskAsync(UsageService service, string name = "alice") => await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId(name) });

    /// <summary>Why a call is refused; null if it is not.</summary>
    private static async Task<string?> RefusedAsync(UsageService service, string name = "alice")
    {
        try
        {
            await AskAsync(service, name);
            return null;
        }
        catch (RpcException e)
        {
            return When_a_generation_is_metered.Reason(e);
        }
    }
}
