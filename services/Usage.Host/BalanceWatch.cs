using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Usage.Host.Cluster;

namespace Usage.Host;

/// <summary>
/// Balances for pages that stay open: the state, then every change. It looks at the owner's memory at intervals instead of being told, so that
/// a turn costs the same whether anybody watches or not, and a slow reader skips states instead of queueing them.
/// </summary>
public sealed class BalanceWatch(OwnerRoutes routes, ServingGate gate, IOptions<UsageOptions> options)
{
    private int _watching;

    public int Watching => Volatile.Read(ref _watching);

    /// <summary>Runs until the client goes or the service drains.</summary>
    public async Task RunAsync(GetBalanceRequest request, IServerStreamWriter<Balance> stream, CancellationToken ct)
    {
        try
        {
            if (Interlocked.Increment(ref _watching) > options.Value.WatchersMax)
                throw new Refusal(Reasons.WatchersTooMany, $"this instance has its {options.Value.WatchersMax} watchers; ask for the balance now and then instead, or watch another instance").AsException();
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, gate.Draining);
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
        }
        finally
        {
            Interlocked.Decrement(ref _watching);
        }
    }
}
