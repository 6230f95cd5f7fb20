using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

[Collection(OneService.Name)]
public sealed class When_many_generations_speak_at_once(SharedService shared)
{
    private const int Generations = 200, FramesPerMessageMax = 64;

    [Fact]
    public async Task What_waits_for_the_line_goes_out_in_as_few_messages_as_hold_it()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("batched"));
        var line = new SlowLine();
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(line), new() { FramesPerMessageMax = FramesPerMessageMax, RetransmitAfter = TimeSpan.FromHours(1) });
        var starting = Enumerable.Range(0, Generations).Select(n => meter.StartAsync(SharedService.Request($"batched {n}", "batched", $"c{n}"))).ToArray();
        await Eventually.True(() => line.Frames.Count > 0, "the first message is under way, and the line is slow");
        line.LetThrough();
        var generations = await Task.WhenAll(starting);

        Assert.All(line.Frames, frames => Assert.InRange(frames, 1, FramesPerMessageMax));
        // What was said before the stream was open, and on it, may be one frame twice for each.
        Assert.InRange(line.Frames.Count, 1, (2 * Generations / FramesPerMessageMax) + 3);

        foreach (var generation in generations) generation.Count(7);
        await Task.WhenAll(generations.Select(g => g.FinishAsync()));
        Assert.Equal(7 * Generations, await shared.Service.ScalarAsync<long>($"select sum(output)::bigint from usage.token_event where subscription = '{Samples.SubscriptionId("batched")[4..]}'"));
    }

    /// <summary>A line whose first message takes its time. It counts the frames of each.</summary>
    private sealed class SlowLine : Interceptor
    {
        private readonly TaskCompletionSource _through = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<int> _frames = [];

        /// <summary>Of the messages so far, until the first were answered.</summary>
        public IReadOnlyList<int> Frames
        {
            get { lock (_frames) return [.. _frames]; }
        }

        public void LetThrough() => _through.TrySetResult();

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            var call = continuation(context);
            return new(new Slow<TRequest>(this, call.RequestStream), call.ResponseStream, call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        private sealed class Slow<TRequest>(SlowLine line, IClientStreamWriter<TRequest> stream) : IClientStreamWriter<TRequest>
        {
            public WriteOptions? WriteOptions { get => stream.WriteOptions; set => stream.WriteOptions = value; }
            public Task CompleteAsync() => stream.CompleteAsync();
            public Task WriteAsync(TRequest message) => WriteAsync(message, default);

            public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
            {
                if (message is MeterRequest said) lock (line._frames) line._frames.Add(said.Frames.Count);
                await line._through.Task.WaitAsync(cancellationToken);
                await stream.WriteAsync(message, cancellationToken);
            }
        }
    }
}
