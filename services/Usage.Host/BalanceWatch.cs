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
public sealed class BalanceWatch(OwnerRoutes routes, ServingGate gate, IOptions<UsageOptions> options)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _watchersOf = new(StringComparer.Ordinal);
    private int _watching;

    public int Watching => Volatile.Read(ref _watching);

    /// <summary>Runs until the client goes, the watch has lasted as long as one may, or the service drains.</summary>
    /// <param name="caller">whose key it is; <see cref="Caller.Anybody"/> where nobody was asked for one</param>
    public async Task RunAsync(GetBalanceRequest request, string caller, IServerStreamWriter<Balance> stream, CancellationToken ct)
    {
        Enter(caller);
        try
        {
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
        finally
        {
            Leave(caller);
        }
    }

    private void Enter(string caller)
    {
        lock (_gate)
        {
            if (_watching >= options.Value.WatchersMax)
                throw new Refusal(Reasons.WatchersTooMany, $"this instance has its {options.Value.WatchersMax} watchers; ask for the balance now and then instead, or watch another instance").AsException();
            var his = _watchersOf.GetValueOrDefault(caller);
            // Where nobody is asked for a key, all callers are one.
            if (caller != Caller.Anybody && his >= options.Value.WatchersPerCallerMax)
                throw new Refusal(Reasons.WatchersTooMany, $"this key watches {options.Value.WatchersPerCallerMax} balances on this instance, as many as one may; end some, or ask for the balance now and then instead").AsException();
            _watchersOf[caller] = his + 1;
            _watching++;
        }
    }

    private void Leave(string caller)
    {
        lock (_gate)
        {
            _watching--;
            if (--_watchersOf[caller] == 0) _watchersOf.Remove(caller);
        }
    }
}
