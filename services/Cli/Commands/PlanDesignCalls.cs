using Contracts.Clock.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Client = Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient;

namespace Cli.Commands;

/// <summary>Asks a running plan design; what goes wrong is one line that says what to do.</summary>
public static class PlanDesignCalls
{
    /// <summary>A published menu's file holds its market, and a market may hold a million conversations.</summary>
    private const int MessageBytesMax = 256 << 20;

    public static Task<T> AskAsync<T>(Uri address, Func<Client, Task<T>> ask) => OnAsync(address, channel => ask(new(channel)));

    /// <summary>Business time, which may be simulated.</summary>
    public static Task<DateTimeOffset> NowAsync(Uri address, CancellationToken ct) =>
        OnAsync(address, async channel => (await new BusinessClock.BusinessClockClient(channel).GetAsync(new(), cancellationToken: ct)).Now.ToDateTimeOffset());

    private static async Task<T> OnAsync<T>(Uri address, Func<GrpcChannel, Task<T>> ask)
    {
        using var channel = ServiceChannel.Open(address, MessageBytesMax);
        try
        {
            return await ask(channel);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Cancelled)
        {
            throw new OperationCanceledException(e.Status.Detail, e);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && e.GetRpcStatus() is null)
        {
            throw new PassingException($"plan design does not answer at {address}: start it, or say where it is with --plan-design");
        }
        catch (RpcException e)
        {
            var line = e.Status.Detail.ReplaceLineEndings(" ");
            var reason = e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;
            throw MayPass(e.StatusCode, reason) ? new PassingException(line, reason) : reason is null || e.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied ? new UserException(line) : new RefusedCallException(reason, line);
        }
    }

    /// <summary>Whether the same call may be answered otherwise in a while, with nobody changing it: how busy a service is passes, how large a market is does not.</summary>
    public static bool MayPass(StatusCode code, string? reason) =>
        reason is not "market_too_large" && code is StatusCode.Unavailable or StatusCode.ResourceExhausted or StatusCode.DeadlineExceeded or StatusCode.Aborted or StatusCode.Internal or StatusCode.Unknown;
}
