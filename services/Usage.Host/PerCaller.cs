using Microsoft.Extensions.Options;

namespace Usage.Host;

/// <summary>
/// How many of one kind this instance carries at once: in all, and of one caller, so that no key takes what belongs to everybody. What is beyond is
/// refused before it costs anything. Where nobody is asked for a key all callers are one, who may have all there is.
/// </summary>
/// <param name="kind">what there are many of, as callers call it</param>
/// <param name="reason">of a refusal</param>
/// <param name="all">the bound of all callers together, and the option that sets it</param>
/// <param name="each">the bound of one caller, and the option that sets it</param>
/// <param name="instead">what a caller can do who was refused</param>
public sealed class PerCaller(string kind, string reason, (int Max, string Option) all, (int Max, string Option) each, string instead)
{
    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _of = new(StringComparer.Ordinal);
    private int _running;

    /// <summary>How many there are now, of all callers.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Takes a place, which is free again when it is disposed.</summary>
    /// <param name="caller">his name; <see cref="Caller.Anybody"/> where nobody was asked for a key</param>
    /// <exception cref="RefusedException">There is none, and the message names the bound.</exception>
    public Place Enter(string caller)
    {
        lock (_gate)
        {
            if (_running >= all.Max) throw Full($"this instance has its {all.Max} {kind} ({all.Option}); {instead}");
            var his = _of.GetValueOrDefault(caller);
            if (caller != Caller.Anybody && his >= each.Max) throw Full($"this key has {each.Max} {kind} on this instance, as many as one may ({each.Option}); {instead}");
            _of[caller] = his + 1;
            _running++;
        }
        return new Place(this, caller);
    }

    private RefusedException Full(string detail) => new(new Refusal(reason, detail), AgainAfter);

    private void Leave(string caller)
    {
        lock (_gate)
        {
            _running--;
            if (--_of[caller] == 0) _of.Remove(caller);
        }
    }

    /// <summary>A place that somebody has. To be disposed once.</summary>
    public readonly struct Place(PerCaller bound, string caller) : IDisposable
    {
        public void Dispose() => bound.Leave(caller);
    }
}

/// <summary>The bounds of this instance that each caller has a share of.</summary>
public sealed class CallerBounds(IOptions<UsageOptions> options)
{
    /// <summary>Streams of runtimes.</summary>
    public PerCaller Streams { get; } = new(
        "streams", Reasons.StreamsTooMany, (options.Value.StreamsMax, "Usage__StreamsMax"), (options.Value.StreamsPerCallerMax, "Usage__StreamsPerCallerMax"),
        "put more generations on each, or use another instance");

    /// <summary>Calls that are neither streams of runtimes nor watched balances, nor of customers.</summary>
    public PerCaller Calls { get; } = new(
        "calls under way", Reasons.CallsTooMany, (options.Value.CallsMax, "Usage__CallsMax"), (options.Value.CallsPerCallerMax, "Usage__CallsPerCallerMax"),
        "call again in a moment, or another instance");

    /// <summary>Likewise of customers' keys, so that customers and their pages, however many, take nothing from runtimes.</summary>
    public PerCaller CustomerCalls { get; } = new(
        "calls of customers under way", Reasons.CallsTooMany, (options.Value.CustomerCallsMax, "Usage__CustomerCallsMax"), (options.Value.CallsPerCustomerMax, "Usage__CallsPerCustomerMax"),
        "call again in a moment, or another instance");

    /// <summary>Requests that import events.</summary>
    public PerCaller Imports { get; } = new(
        "imports", Reasons.ImportsTooMany, (options.Value.ImportsMax, "Usage__ImportsMax"), (options.Value.ImportsPerCallerMax, "Usage__ImportsPerCallerMax"),
        "send the same again in a moment");

    /// <summary>Watched balances.</summary>
    public PerCaller Watches { get; } = new(
        "watchers", Reasons.WatchersTooMany, (options.Value.WatchersMax, "Usage__WatchersMax"), (options.Value.WatchersPerCallerMax, "Usage__WatchersPerCallerMax"),
        "end some, or ask for the balance now and then instead");
}
