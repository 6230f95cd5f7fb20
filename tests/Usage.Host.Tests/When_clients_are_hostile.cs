using Contracts.Usage.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Usage.Host.Tests;

public sealed class When_clients_are_hostile
{
    [Fact]
    public async Task A_flood_a_client_that_never_reads_and_a_silent_one_end_by_themselves_and_a_good_one_goes_on()
    {
        await using var service = await UsageService.StartAsync(
            ("Usage:FramesPerSecondMax", "5000"), ("Usage:AnswersWaitingMax", "2000"), ("Usage:StreamIdleSecondsMax", "8"), ("Usage:StreamsMax", "4"), ("Usage:GenerationsPerStreamMax", "3"),
            ("Usage:MessageBytesMax", "300000"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000_000)));
        // Another client, so a connection of its own: to go on sending after a stream has ended is a fault for which HTTP/2 may close the whole connection.
        using var connection = GrpcChannel.ForAddress(service.App.Endpoints().Grpc);
        var honest = new TokenMeter.TokenMeterClient(connection);
        await using var good = new RuntimeStream(honest);
        await good.SendAsync(Samples.Start("good", "alice"));
        await good.GrantOf("good");

        using var silent = honest.Meter();
        using var deaf = service.Meter.Meter();
        // Every frame of this one has to be answered; it keeps below its rate.
        var neverReads = FloodAsync(deaf, new RuntimeFrame { Renew = new Renew { GenerationId = "nonsense" } }, framesAtOnce: 250, every: TimeSpan.FromMilliseconds(100));
        using (var flood = service.Meter.Meter())
        {
            // A generation that has all it asked for needs no answer to its renewals.
            await flood.RequestStream.WriteAsync(new MeterRequest { Frames = { new RuntimeFrame { Start = Samples.Start("flood", "alice", "flood", maxOutput: 10) } } });
            await FloodAsync(flood, new RuntimeFrame { Renew = new Renew { GenerationId = Samples.GenerationId("flood") } }, framesAtOnce: 5_000, every: TimeSpan.FromMilliseconds(1));
            var limited = await EndOfAsync(flood);
            Assert.Equal((StatusCode.ResourceExhausted, "rate_limited"), (limited.StatusCode, When_a_generation_is_metered.Reason(limited)));
            Assert.True(limited.GetRpcStatus()!.GetDetail<RetryInfo>().RetryDelay.ToTimeSpan() > TimeSpan.Zero);
        }
        await neverReads;
        await Eventually.True(() => OpenStreams(service) <= 2, "the flood and the deaf one are gone");

        // Meanwhile, and while the silent one waits to be dismissed, the good one is served as if it were alone.
        for (var n = 1; n <= 20; n++)
        {
            await good.SendAsync(Samples.Chunk("good", n, 10 * n));
            await good.AckOf("good", n);
        }
        var idle = await EndOfAsync(silent);
        Assert.Equal((StatusCode.Unavailable, "stream_idle"), (idle.StatusCode, When_a_generation_is_metered.Reason(idle)));
        Assert.Equal(200, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));

        using (var large = service.Meter.Meter())
        {
            await FloodAsync(large, new RuntimeFrame { Start = new Start { Conversation = new string('x', 310_000) } }, framesAtOnce: 1, every: TimeSpan.FromMilliseconds(1));
            Assert.Equal(StatusCode.ResourceExhausted, (await EndOfAsync(large)).StatusCode);
        }
        foreach (var g in new[] { "second", "third", "fourth" }) await good.SendAsync(Samples.Start(g, "alice", g));
        Assert.Equal("generations_too_many", (await good.DenialOf("fourth")).Reason);
        await using var two = new RuntimeStream(honest);
        await using var three = new RuntimeStream(honest);
        await using var four = new RuntimeStream(honest);
        await Eventually.True(() => OpenStreams(service) == 4, "four streams are open");
        using var fifth = honest.Meter();
        var refused = await EndOfAsync(fifth);
        Assert.Equal((StatusCode.ResourceExhausted, "streams_too_many"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
    }

    /// <summary>Sends the same frame again and again until the service has had enough. Never reads.</summary>
    private static async Task FloodAsync(AsyncDuplexStreamingCall<MeterRequest, MeterResponse> call, RuntimeFrame frame, int framesAtOnce, TimeSpan every)
    {
        var message = new MeterRequest { Frames = { Enumerable.Repeat(frame, framesAtOnce) } };
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var pace = new PeriodicTimer(every);
        try
        {
            while (true)
            {
                await call.RequestStream.WriteAsync(message, patience.Token);
                await pace.WaitForNextTickAsync(patience.Token);
            }
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or IOException)
        {
            // It was cut off.
        }
    }

    private static async Task<RpcException> EndOfAsync(AsyncDuplexStreamingCall<MeterRequest, MeterResponse> call)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return await Assert.ThrowsAsync<RpcException>(async () => { while (await call.ResponseStream.MoveNext(patience.Token)) { } });
    }

    private static int OpenStreams(UsageService service) => service.App.Services.GetRequiredService<CallerBounds>().Streams.Running;
}
