using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Hosting;

/// <summary>What a customer's key may ask of a service: of that customer, and nobody else.</summary>
public interface ICustomerBoundary
{
    /// <summary>
    /// Returns if the request is about this customer alone; it may narrow the request to him. What is somebody else's is refused as what does not exist is, so that
    /// nobody learns which is which. A request that is not known here is refused.
    /// </summary>
    /// <param name="caller">the name of the key, of which there may be several with one customer: whatever is counted of a caller is counted under it</param>
    /// <exception cref="RefusedException">It is not this customer's.</exception>
    Task CheckAsync(string customerId, string caller, object request, CancellationToken ct);

    /// <summary>For requests that this service has no boundary for.</summary>
    public static Exception NotForCustomers(object request) =>
        new Turned(StatusCode.PermissionDenied, "scope_missing", $"{request.GetType().Name} is not answered to a customer's key").AsException();
}

/// <summary>Asks every call for its key: where keys are asked for, nothing but health is told without one.</summary>
public sealed class AccessInterceptor(Admission admission, MethodScopes methods, IEnumerable<ICustomerBoundary> boundaries) : Interceptor
{
    private readonly ICustomerBoundary? _boundary = boundaries.SingleOrDefault();

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (Admit(context) is { CustomerId: { } customer }) await KeepWithinAsync(customer, request, context);
        return await continuation(request, context);
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        var key = Admit(context);
        if (key is { CustomerId: { } customer }) await KeepWithinAsync(customer, request, context);
        await continuation(request, key is null ? responseStream : new Answers<TResponse>(responseStream, admission, key), context);
    }

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        var key = Admit(context);
        if (key?.CustomerId is not null) throw ICustomerBoundary.NotForCustomers(context.Method);
        return continuation(key is null ? requestStream : new Requests<TRequest>(requestStream, admission, key), context);
    }

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        var key = Admit(context);
        if (key?.CustomerId is not null) throw ICustomerBoundary.NotForCustomers(context.Method);
        return continuation(key is null ? requestStream : new Requests<TRequest>(requestStream, admission, key), responseStream, context);
    }

    /// <returns>null where nobody is asked</returns>
    private AccessKey? Admit(ServerCallContext context)
    {
        if (admission.IsOpen || MethodScopes.IsOpen(context.Method)) return null;
        var (key, turned) = admission.Ask(context.RequestHeaders.GetValue(Admission.Header), methods.Of(context.Method), context.Method.TrimStart('/'));
        if (turned is not null) throw turned.AsException();
        Caller.Set(context, key!);
        return key;
    }

    private Task KeepWithinAsync(string customer, object request, ServerCallContext context) =>
        _boundary?.CheckAsync(customer, Caller.NameOf(context), request, context.CancellationToken) ?? throw ICustomerBoundary.NotForCustomers(request);

    private sealed class Requests<T>(IAsyncStreamReader<T> stream, Admission admission, AccessKey key) : IAsyncStreamReader<T>
    {
        public T Current => stream.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            var more = await stream.MoveNext(cancellationToken);
            admission.MustStillHold(key);
            return more;
        }
    }

    private sealed class Answers<T>(IServerStreamWriter<T> stream, Admission admission, AccessKey key) : IServerStreamWriter<T>
    {
        public WriteOptions? WriteOptions
        {
            get => stream.WriteOptions;
            set => stream.WriteOptions = value;
        }

        public Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);

        public Task WriteAsync(T message, CancellationToken cancellationToken)
        {
            admission.MustStillHold(key);
            return stream.WriteAsync(message, cancellationToken);
        }
    }
}
