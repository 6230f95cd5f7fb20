using System.Collections;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Cli.Demo;

/// <summary>A runtime's connection that breaks on purpose, and on which some messages go out twice: what the client and the meter are made to bear.</summary>
public sealed class RoughLine(int seed) : Interceptor
{
    private const double TwicePerMessage = 0.02;
    private readonly Random _random = new(seed);
    private Action _break = () => { };
    private int _disconnects, _framesResent;

    public int Disconnects => Volatile.Read(ref _disconnects);
    public int FramesResent => Volatile.Read(ref _framesResent);

    /// <summary>Ends the stream that is open, in the middle of whatever is said on it.</summary>
    public void Break()
    {
        Interlocked.Increment(ref _disconnects);
        Volatile.Read(ref _break)();
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(context);
        Volatile.Write(ref _break, call.Dispose);
        return new(new Repeating<TRequest>(this, call.RequestStream), call.ResponseStream, call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
    }

    private sealed class Repeating<TRequest>(RoughLine line, IClientStreamWriter<TRequest> stream) : IClientStreamWriter<TRequest>
    {
        public WriteOptions? WriteOptions
        {
            get => stream.WriteOptions;
            set => stream.WriteOptions = value;
        }

        public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

        public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
        {
            await stream.WriteAsync(message, cancellationToken);
            // One message at a time is written on a stream, and one stream is open at a time: nobody else draws.
            if (line._random.NextDouble() >= TwicePerMessage) return;
            await stream.WriteAsync(message, cancellationToken);
            Interlocked.Add(ref line._framesResent, FramesOf((IMessage)message!));
        }

        public Task CompleteAsync() => stream.CompleteAsync();

        private static int FramesOf(IMessage message) => ((ICollection)message.Descriptor.FindFieldByName("frames").Accessor.GetValue(message)).Count;
    }
}
