using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Usage.Host.Cluster;

namespace Usage.Host;

/// <summary>
/// Balances for pages that stay open: the state, then every change. It looks at the owner's memory at intervals instead of being told, so that
/// a turn costs the same whether anybody watches or not, and a slow reader skips states instead of queueing them. A client that has gone without a
/// word is found out by the transport, or when its watch is over: whoever is still there opens another.
/// </summary>
public sealed class BalanceWatch(OwnerRoutes routes, CallerBounds bounds, ServingGate gate, IOptions<UsageOptions> options)
{
    public int Watching => bounds.Watches.Running;

    /// <summary>Runs until the client goes, the watch has lasted as long as one may, or the service drains.</summary>
    /// <param name="caller">whose key it is; <see cref="Caller.Anybody"/> where nobody was asked for one</param>
    public async Task RunAsync(GetBalanceRequest request, string caller, IServerStreamWriter<Balance> stream, CancellationToken ct)
    {
        using var place = bounds.Watches.Enter(caller);
        using var over = new CancellationTokenSource(TimeSpan.FromSeconds(options.Value.WatchSecondsMax));
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, gate.Draining, over.Token);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.Value.WatchIntervalMs));
        Balance? told = null;
        try
        {
            do
            {
                var balance = await routes.BalanceAsync(request, either.Token);
                if (!balance.Equals(told)) await stream.WriteAsync(told = balance, either.Token);
            }
            while (await timer.WaitForNextTickAsync(either.Token));
        }
        catch (OperationCanceledException) when (gate.Draining.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new Refusal(Reasons.Draining, "this instance is shutting down; watch again").AsException();
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            // It ends well: nothing is wrong with it.
        }
    }
}
