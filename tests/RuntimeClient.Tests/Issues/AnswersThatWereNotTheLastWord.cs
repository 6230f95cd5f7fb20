using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>Found by killing meters under a client on a busy machine: a generation was in the books, and its runtime had been told that it was denied.</summary>
[Collection(OneService.Name)]
public sealed class AnswersThatWereNotTheLastWord(SharedService shared)
{
    [Fact]
    public async Task U3_a_start_that_was_said_twice_denied_once_and_granted_once_is_granted()
    {
        var service = shared.Service;
        await service.SubscribeAsync(Samples.Snapshot("twice", Samples.Hard("billing_period", 100)));
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("holds all", "twice") });
        var line = new SlowAnswers();
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(line), new() { RetransmitAfter = TimeSpan.FromMilliseconds(50) });

        var starting = meter.StartAsync(SharedService.Request("denied first", "twice"));
        await Eventually.True(() => line.Waiting > 0, "it is denied, and nobody has heard of it yet");
        await service.Meter.SettleAsync(new() { Finish = Samples.Finish("holds all", 1) });
        // The same Start comes again, for no answer has come.
        var id = GenerationId.Derive(Samples.Jan1, "denied first")[4..];
        await Eventually.True(async () => await service.ScalarAsync<long>($"select count(*) from usage.token_event where generation = '{id}'") == 1, "it is granted, and its prompt recorded");
        line.LetThrough();

        var generation = await starting.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(7, generation.Count(7));
        await generation.FinishAsync();
        Assert.Equal((7, 0, 0), await shared.RecordedAsync("denied first"));
    }

    [Fact]
    public async Task A_producer_that_comes_back_when_the_cap_is_reached_is_told_so_and_ends()
    {
        var service = shared.Service;
        await service.SubscribeAsync(Samples.Snapshot("back", Samples.Hard("billing_period", 100)));
        await using (var lost = shared.Connect())
        {
            var before = await lost.StartAsync(SharedService.Request("comes back", "back"));
            before.Count(100);
            await Eventually.True(async () => (await shared.RecordedAsync("comes back")).Output == 100, "all of the cap is used and recorded");
            await using var meter = shared.Connect();
            // There is no grant left to wait for.
            var generation = await meter.StartAsync(SharedService.Request("comes back", "back")).WaitAsync(TimeSpan.FromSeconds(60));
            Assert.Equal((100, 0), (generation.Generated, await generation.RoomAsync()));
            await generation.FinishAsync();
        }
        Assert.Equal((100, 0, 0), await shared.RecordedAsync("comes back"));
    }

    [Theory, InlineData(0), InlineData(50)]
    public async Task A_meter_that_does_not_say_which_start_it_denies_is_believed(int tokensWanted)
    {
        var service = shared.Service;
        await service.SubscribeAsync(Samples.Snapshot($"older {tokensWanted}", Samples.Hard("billing_period", 100)));
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start($"holds all {tokensWanted}", $"older {tokensWanted}") });
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(new OlderMeter()));
        var denied = await Assert.ThrowsAsync<GenerationDeniedException>(() =>
            meter.StartAsync(SharedService.Request($"denied {tokensWanted}", $"older {tokensWanted}") with { TokensWanted = tokensWanted }).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal("cap_reached", denied.Reason);
    }

    /// <summary>Its Starts carry nothing that it would have to know.</summary>
    private sealed class OlderMeter : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            if (request is not IMessage { Descriptor.Name: nameof(AuthorizeRequest) } message) return continuation(request, context);
            var authorize = AuthorizeRequest.Parser.ParseFrom(message.ToByteArray());
            Forget(authorize.Start);
            return continuation(Like(request, authorize), context);
        }

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            var call = continuation(context);
            return new(new Said<TRequest>(call.RequestStream), call.ResponseStream, call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        private static void Forget(Start? start)
        {
            if (start is not null) (start.Asker, start.Attempt) = (0, 0);
        }

        /// <summary>As the client's own code of the same proto has it.</summary>
        private static T Like<T>(T original, IMessage changed) => (T)((IMessage)original!).Descriptor.Parser.ParseFrom(changed.ToByteArray());

        private sealed class Said<TRequest>(IClientStreamWriter<TRequest> frames) : IClientStreamWriter<TRequest>
        {
            public WriteOptions? WriteOptions { get => frames.WriteOptions; set => frames.WriteOptions = value; }
            public Task CompleteAsync() => frames.CompleteAsync();

            public Task WriteAsync(TRequest message) => WriteAsync(message, default);

            public Task WriteAsync(TRequest message, CancellationToken cancellationToken)
            {
                var said = MeterRequest.Parser.ParseFrom(((IMessage)message!).ToByteArray());
                foreach (var frame in said.Frames) Forget(frame.Start);
                return frames.WriteAsync(Like(message, said), cancellationToken);
            }
        }
    }

    /// <summary>A line on which answers wait until they are let through, in their order.</summary>
    private sealed class SlowAnswers : Interceptor
    {
        private readonly TaskCompletionSource _through = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _waiting;

        public int Waiting => Volatile.Read(ref _waiting);

        public void LetThrough() => _through.TrySetResult();

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            var call = continuation(context);
            return new(call.RequestStream, new Slow<TResponse>(this, call.ResponseStream), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        private sealed class Slow<TResponse>(SlowAnswers line, IAsyncStreamReader<TResponse> answers) : IAsyncStreamReader<TResponse>
        {
            public TResponse Current => answers.Current;

            public async Task<bool> MoveNext(CancellationToken cancellationToken)
            {
                var more = await answers.MoveNext(cancellationToken);
                Interlocked.Increment(ref line._waiting);
                await line._through.Task.WaitAsync(cancellationToken);
                return more;
            }
        }
    }
}
