using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Billing.Host;

/// <summary>Lets no call change anything on an instance whose clock is ahead: it would be dated by that clock, and what is due by it would be done first.</summary>
public sealed class ClockNotAhead(BusinessClock clock, DatabaseTime databaseTime) : Interceptor
{
    /// <exception cref="RefusedException">clock_ahead</exception>
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (BillingAccess.Changes(context.Method.TrimStart('/'))) await databaseTime.NotAhead(clock, context.CancellationToken);
        return await continuation(request, context);
    }
}
