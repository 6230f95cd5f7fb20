using System.Net.Sockets;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hosting;

/// <summary>A refusal on its way to the caller. Only hosts throw it; decisions return refusals.</summary>
/// <param name="retryAfter">when trying again makes sense, in real time from now, if known</param>
public sealed class RefusedException(Refusal refusal, TimeSpan? retryAfter = null) : Exception(refusal.Detail)
{
    public Refusal Refusal { get; } = refusal;
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>The host's one switch from refusal codes to gRPC statuses.</summary>
public sealed record RefusalStatus(Func<string, StatusCode> Of);

public static class RefusalExtensions
{
    public static Exception AsException(this Refusal refusal) => new RefusedException(refusal);

    /// <summary>The decision, unless it was refused: then the refusal, thrown for the interceptor to translate.</summary>
    public static Decision<TEvent> OrThrow<TEvent>(this Decision<TEvent> decision) =>
        decision.Refused is { } refusal ? throw refusal.AsException() : decision;

    public static RpcException ToRpcException(StatusCode status, string reason, string detail, TimeSpan? retryAfter = null)
    {
        var said = new Google.Rpc.Status { Code = (int)status, Message = detail, Details = { Any.Pack(new ErrorInfo { Reason = reason, Domain = "billing" }) } };
        if (retryAfter is { } delay) said.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(delay) }));
        return said.ToRpcException();
    }
}

/// <summary>Every error leaves as a gRPC status with google.rpc.ErrorInfo; what went wrong inside is logged, not told.</summary>
public sealed class StatusInterceptor(RefusalStatus status, ILogger<StatusInterceptor> log) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try { return await continuation(request, context); }
        catch (Exception e) when (e is not RpcException) { throw Translate(e, context); }
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try { return await continuation(requestStream, context); }
        catch (Exception e) when (e is not RpcException) { throw Translate(e, context); }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try { await continuation(request, responseStream, context); }
        catch (Exception e) when (e is not RpcException) { throw Translate(e, context); }
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try { await continuation(requestStream, responseStream, context); }
        catch (Exception e) when (e is not RpcException) { throw Translate(e, context); }
    }

    private RpcException Translate(Exception e, ServerCallContext context)
    {
        switch (e)
        {
            case RefusedException { Refusal.Code: IdempotentCalls.Reused } refused:
                return RefusalExtensions.ToRpcException(StatusCode.InvalidArgument, refused.Refusal.Code, refused.Refusal.Detail);
            case RefusedException refused:
                return RefusalExtensions.ToRpcException(status.Of(refused.Refusal.Code), refused.Refusal.Code, refused.Refusal.Detail, refused.RetryAfter);
            case CorruptStreamException corrupt:
                log.LogError(e, "{Method} met a stream that cannot be folded", context.Method);
                return RefusalExtensions.ToRpcException(StatusCode.DataLoss, corrupt.Refusal().Code, corrupt.Refusal().Detail);
            case FormatException:
                return RefusalExtensions.ToRpcException(StatusCode.InvalidArgument, "invalid_argument", e.Message);
            // What gRPC says of a stream that is read or written after its caller hung up.
            case OperationCanceledException or InvalidOperationException when context.CancellationToken.IsCancellationRequested:
            // Hosts read nothing but their callers' streams: it is the caller's connection that broke.
            case IOException:
                return new RpcException(new Grpc.Core.Status(StatusCode.Cancelled, "the caller went away"));
            case var _ when StoreFailure.Is(e):
                log.LogWarning("{Method}: the database does not answer: {Cause}", context.Method, StoreFailure.Cause(e));
                return RefusalExtensions.ToRpcException(
                    StatusCode.Unavailable, "store_unavailable", "the database does not answer; nothing was changed unless an earlier attempt was; try again with the same ids and idempotency-key");
            default:
                log.LogError(e, "{Method} failed", context.Method);
                return RefusalExtensions.ToRpcException(StatusCode.Internal, "internal", "the service failed; its log says why; try again with the same ids and idempotency-key");
        }
    }
}

/// <summary>Tells a database that is away or refuses us from one that found a fault in what we asked.</summary>
public static class StoreFailure
{
    public static bool Is(Exception e) => IsUnresolved(e) || Chain(e).Any(x => x switch
    {
        PostgresException p => p.IsTransient || p.SqlState.StartsWith("57", StringComparison.Ordinal) || p.SqlState.StartsWith("53", StringComparison.Ordinal)
            || p.SqlState.StartsWith("08", StringComparison.Ordinal) || p.SqlState.StartsWith("28", StringComparison.Ordinal) || p.SqlState is "3D000" or "25P03" or PostgresErrorCodes.ReadOnlySqlTransaction || IsMissingSchema(p),
        NpgsqlException => true,
        StoreNotReadyException => true,
        _ => false,
    });

    /// <summary>One line for people: which server, and what it or the network said.</summary>
    public static string Cause(Exception e)
    {
        var causes = Chain(e).Where(x => x is NpgsqlException or SocketException).Select(x => x.Message.ReplaceLineEndings(" ")).ToArray();
        return causes is [] ? e.Message.ReplaceLineEndings(" ") : string.Join(": ", causes);
    }

    // A host name that nobody knows, as that of a container that is down, or that nobody answers for: the driver lets these out as they came.
    private static bool IsUnresolved(Exception e) => e is SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery }
        or TimeoutException { Source: "Npgsql" };

    // The database answers, but this service has not brought its schema up to date yet.
    private static bool IsMissingSchema(PostgresException p) => p.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction;

    private static IEnumerable<Exception> Chain(Exception? e)
    {
        for (; e is not null; e = e.InnerException) yield return e;
    }
}

/// <summary>The schema has not been brought up to date yet, because the database has not answered since the service started.</summary>
public sealed class StoreNotReadyException() : Exception("the database has not answered yet");
