using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Options;

namespace Usage.Host;

/// <summary>
/// Bounds of calls that are no streams of runtimes and no watched balances, which have their own: so many at once, and so many a second, on this
/// instance. What is beyond is refused before it costs anything, and may be asked again.
/// </summary>
public sealed class CallBounds(IOptions<UsageOptions> options) : Interceptor
{
    private static readonly TimeSpan AtOnceAgainAfter = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly FramePace _pace = new(options.Value.CallsPerSecondMax);
    private int _running;

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        Enter();
        try { return await continuation(request, context); }
        finally { Leave(); }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (typeof(TRequest) == typeof(Contracts.Usage.V1.WatchBalanceRequest))
        {
            await continuation(request, responseStream, context);
            return;
        }
        Enter();
        try { await continuation(request, responseStream, context); }
        finally { Leave(); }
    }

    private void Enter()
    {
        lock (_gate)
        {
            if (_running >= options.Value.CallsMax)
                throw new RefusedException(
                    new Refusal(Reasons.CallsTooMany, $"this instance answers {options.Value.CallsMax} calls at once (Usage__CallsMax); call again in a moment, or another instance"), AtOnceAgainAfter);
            if (_pace.Take(1) is { } wait)
                throw new RefusedException(
                    new Refusal(Reasons.RateLimited, $"this instance answers {options.Value.CallsPerSecondMax} calls a second (Usage__CallsPerSecondMax); call again later, or another instance"), wait);
            _running++;
        }
    }

    private void Leave()
    {
        lock (_gate) _running--;
    }
}
