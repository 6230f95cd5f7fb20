using Billing.Host;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Billing.Host.Tests;

/// <summary>A clerk who always says who he is and why: administrative calls of a test that is about something else say neither themselves.</summary>
public sealed class SaysWhy : Interceptor
{
    public const string Actor = "clerk", Reason = "a test";

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        if (!AdministrativeCalls.Contain(context.Method.FullName.TrimStart('/'))) return continuation(request, context);
        var headers = new Metadata();
        foreach (var entry in context.Options.Headers ?? []) headers.Add(entry);
        if (headers.Get("actor") is null) headers.Add("actor", Actor);
        var said = ((IMessage)request).Descriptor.FindFieldByName("reason")?.Accessor.GetValue((IMessage)request) as string;
        if (headers.Get("reason") is null && string.IsNullOrEmpty(said)) headers.Add("reason", Uri.EscapeDataString(Reason));
        return continuation(request, new(context.Method, context.Host, context.Options.WithHeaders(headers)));
    }
}
