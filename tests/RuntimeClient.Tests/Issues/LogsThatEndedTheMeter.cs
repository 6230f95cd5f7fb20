using Grpc.Core;
using Grpc.Core.Interceptors;
using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>Found by reading: a handler that failed ended the client's loop for good, and a client that was disposed left its callers waiting.</summary>
[Collection(OneService.Name)]
public sealed class LogsThatEndedTheMeter(SharedService shared)
{
    [Fact]
    public async Task A_handler_that_fails_ends_nothing()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("bad log"));
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(new FailsAtFirst()));
        var failures = 0;
        meter.Disconnected += _ =>
        {
            failures++;
            throw new InvalidOperationException("no space left on the disk of the log");
        };
        await using var generation = await meter.StartAsync(SharedService.Request("bad log", "bad log", wanted: 10)).WaitAsync(TimeSpan.FromSeconds(60));
        generation.Count(10);
        await generation.FinishAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(2, failures);
        Assert.Equal((10, 0, 0), await shared.RecordedAsync("bad log"));
    }

    [Theory, InlineData(0), InlineData(50)]
    public async Task A_client_that_is_disposed_keeps_nobody_waiting_for_a_first_grant(int wanted)
    {
        // Nobody listens there.
        var meter = new MeterClient(new Uri("http://127.0.0.1:1"), new() { DisposeWithin = TimeSpan.FromMilliseconds(100) });
        var starting = meter.StartAsync(SharedService.Request($"disposed {wanted}", "nobody", wanted: wanted));
        await meter.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => starting.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    private sealed class FailsAtFirst : Interceptor
    {
        private int _streams, _calls;

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation) =>
            _streams++ == 0 ? throw Failure : continuation(context);

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            _calls++ == 0 ? throw Failure : continuation(request, context);

        private static RpcException Failure => new(new(StatusCode.Unavailable, "the line is down"));
    }
}
