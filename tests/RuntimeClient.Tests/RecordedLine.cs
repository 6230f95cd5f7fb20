using System.Collections.Concurrent;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace RuntimeClient.Tests;

/// <summary>A line to the real meter that remembers what was said on its streams, message by message. It can be held up, in either direction, and broken.</summary>
public sealed class RecordedLine : Interceptor
{
    private readonly ConcurrentQueue<MeterRequest> _messages = new();
    private TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _says, _hears;
    private int _streams;

    /// <summary>What the meter was sent, stream after stream.</summary>
    public IReadOnlyList<MeterRequest> Messages => [.. _messages];

    public IEnumerable<RuntimeFrame> Frames => _messages.SelectMany(m => m.Frames);

    public int Streams => Volatile.Read(ref _streams);

    /// <summary>Called with each answer of Authorize before its caller has it; may change it.</summary>
    public Func<AuthorizeResponse, Task> Authorized { get; init; } = _ => Task.CompletedTask;

    /// <summary>What is said waits, the first message of it where it is.</summary>
    public void HoldWords() => Volatile.Write(ref _says, new(TaskCreationOptions.RunContinuationsAsynchronously));

    public void PassWords() => Pass(ref _says);

    /// <summary>What the meter answers waits.</summary>
    public void HoldAnswers() => Volatile.Write(ref _hears, new(TaskCreationOptions.RunContinuationsAsynchronously));

    public void PassAnswers() => Pass(ref _hears);

    public void Break() => Interlocked.Exchange(ref _broken, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(request, context);
        return new(LaterAsync(call.ResponseAsync), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        Interlocked.Increment(ref _streams);
        var call = continuation(context);
        return new(new Said<TRequest>(this, call.RequestStream), new Heard<TResponse>(this, call.ResponseStream, _broken.Task), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
    }

    private async Task<T> LaterAsync<T>(Task<T> response)
    {
        // The client has code of its own of the same proto.
        var answer = (IMessage)(await response)!;
        if (answer.Descriptor.Name != nameof(AuthorizeResponse)) return (T)answer;
        var authorized = AuthorizeResponse.Parser.ParseFrom(answer.ToByteArray());
        await Authorized(authorized);
        return (T)answer.Descriptor.Parser.ParseFrom(authorized.ToByteArray());
    }

    private static void Pass(ref TaskCompletionSource? held) => Interlocked.Exchange(ref held, null)?.SetResult();

    private sealed class Said<TRequest>(RecordedLine line, IClientStreamWriter<TRequest> frames) : IClientStreamWriter<TRequest>
    {
        public WriteOptions? WriteOptions { get => frames.WriteOptions; set => frames.WriteOptions = value; }
        public Task CompleteAsync() => frames.CompleteAsync();
        public Task WriteAsync(TRequest message) => WriteAsync(message, default);

        public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
        {
            line._messages.Enqueue(MeterRequest.Parser.ParseFrom(((IMessage)message!).ToByteArray()));
            if (Volatile.Read(ref line._says) is { } held) await held.Task.WaitAsync(cancellationToken);
            await frames.WriteAsync(message, cancellationToken);
        }
    }

    private sealed class Heard<TResponse>(RecordedLine line, IAsyncStreamReader<TResponse> answers, Task broken) : IAsyncStreamReader<TResponse>
    {
        public TResponse Current => answers.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            var next = NextAsync(cancellationToken);
            await Task.WhenAny(next, broken);
            // What was still to come when it broke never comes, be it there by now.
            return broken.IsCompleted ? throw new RpcException(new(StatusCode.Unavailable, "the line broke")) : await next;
        }

        private async Task<bool> NextAsync(CancellationToken ct)
        {
            var more = await answers.MoveNext(ct);
            if (Volatile.Read(ref line._hears) is { } held) await held.Task.WaitAsync(ct);
            return more;
        }
    }
}
