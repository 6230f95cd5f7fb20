using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>
/// Lets no administrative call pass that does not say who orders it and why, and with Billing__RequireActor no call that changes something. It stands before them all, so that none can forget it.
/// A field reason of an administrative request counts; that of a failed payment is the provider's, and does not.
/// </summary>
public sealed class AttributionDemanded(IOptions<BillingOptions> options) : Interceptor
{
    /// <exception cref="RefusedException">actor_missing, or attribution_too_long.</exception>
    /// <exception cref="FormatException">It holds U+0000.</exception>
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        var method = context.Method.TrimStart('/');
        var isAdministrative = AdministrativeCalls.Contain(method);
        if (isAdministrative || (options.Value.RequireActor && BillingAccess.Changes(method)))
        {
            if (CallerAttribution.Of(context, isAdministrative ? ReasonIn((IMessage)request) : "").Missing() is { } missing) throw missing.AsException();
        }
        return continuation(request, context);
    }

    private static string ReasonIn(IMessage request) => request.Descriptor.FindFieldByName("reason")?.Accessor.GetValue(request) as string ?? "";
}
