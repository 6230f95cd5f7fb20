using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Options;

namespace Usage.Host;

/// <summary>
/// Bounds of calls that are no streams of runtimes and no watched balances, which have their own: so many at once, in all and of one caller, and so many
/// a second, on this instance. What is beyond is refused before it costs anything, and may be asked again.
/// </summary>
public sealed class CallBounds(CallerBounds bounds, IOptions<UsageOptions> options) : Interceptor
{
    private readonly Lock _gate = new();
    private readonly FramePace _pace = new(options.Value.CallsPerSecondMax);

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        using var place = Enter(context);
        return await continuation(request, context);
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (typeof(TRequest) == typeof(Contracts.Usage.V1.WatchBalanceRequest))
        {
            await continuation(request, responseStream, context);
            return;
        }
        using var place = Enter(context);
        await continuation(request, responseStream, context);
    }

    private PerCaller.Place Enter(ServerCallContext context)
    {
        var calls = Caller.Of(context) is { CustomerId: not null } ? bounds.CustomerCalls : bounds.Calls;
        var place = calls.Enter(Caller.NameOf(context));
        TimeSpan? early;
        lock (_gate) early = _pace.Take(1);
        if (early is not { } wait) return place;
        place.Dispose();
        throw new RefusedException(
            new Refusal(Reasons.RateLimited, $"this instance answers {options.Value.CallsPerSecondMax} calls a second (Usage__CallsPerSecondMax); call again later, or another instance"), wait);
    }
}
