using Contracts.Clock.V1;
using Grpc.Core;
using Client = Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient;

namespace Cli.Commands;

/// <summary>Asks a running plan design; what goes wrong is one line that says what to do.</summary>
public static class PlanDesignCalls
{
    /// <summary>A published menu's file holds its market, and a market may hold a million conversations.</summary>
    private const int MessageBytesMax = 256 << 20;

    public static async Task<T> AskAsync<T>(Uri address, Func<Client, Task<T>> ask)
    {
        using var channel = ServiceChannel.Open(address, MessageBytesMax);
        try
        {
            return await ask(new(channel));
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Cancelled)
        {
            throw new OperationCanceledException(e.Status.Detail, e);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && e.GetRpcStatus() is null)
        {
            throw new UserException($"plan design does not answer at {address}: start it, or say where it is with --plan-design");
        }
        catch (RpcException e)
        {
            throw new UserException(e.Status.Detail.ReplaceLineEndings(" "));
        }
    }

    /// <summary>Business time, which may be simulated.</summary>
    public static async Task<DateTimeOffset> NowAsync(Uri address, CancellationToken ct)
    {
        using var channel = ServiceChannel.Open(address);
        return (await new BusinessClock.BusinessClockClient(channel).GetAsync(new(), cancellationToken: ct)).Now.ToDateTimeOffset();
    }
}
