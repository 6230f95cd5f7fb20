using Microsoft.Extensions.Options;
using Npgsql;

namespace Usage.Host.Store;

/// <summary>
/// Connections for questions about the past: few, and of their own, so that what grants and records never queues behind them, however many ask and however
/// slow the answers are. A caller has a share of them. Whoever finds none free waits, and is refused in the end.
/// </summary>
public sealed class QueryConnections(IOptions<UsageOptions> options) : IAsyncDisposable
{
    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);
    private readonly NpgsqlDataSource _source = UsageStore.Build(options.Value, options.Value.QueriesMax);
    private readonly SemaphoreSlim _all = new(options.Value.QueriesMax);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Share> _shares = new(StringComparer.Ordinal);

    /// <summary>What one caller may have at once, as long as he asks for or has anything.</summary>
    private sealed class Share(int max)
    {
        public SemaphoreSlim Places { get; } = new(max);
        public int Users { get; set; }
    }

    /// <summary>Callers who ask, or have a connection, now.</summary>
    public int Callers
    {
        get { lock (_gate) return _shares.Count; }
    }

    /// <summary>A connection, to be disposed when its answer has been read: never kept while a client reads.</summary>
    /// <param name="caller">his name; <see cref="Caller.Anybody"/> where nobody was asked for a key, who may have all there are</param>
    /// <exception cref="RefusedException">calls_too_many: none was free in time, and the message names the bound</exception>
    public async Task<Query> OpenAsync(string caller, CancellationToken ct)
    {
        var share = Join(caller);
        var (his, one) = (false, false);
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
            patience.CancelAfter(options.Value.LookupWait);
            // First among his own, so that in the queue of all no caller stands more than once for each of his places.
            his = await WaitAsync(share.Places, $"this key asks {options.Value.QueriesPerCallerMax} questions about the past, as many as one may at once (Usage__QueriesPerCallerMax)", patience.Token, ct);
            one = await WaitAsync(_all, $"this instance asks {options.Value.QueriesMax} questions about the past, as many as it may at once (Usage__QueriesMax)", patience.Token, ct);
            return new Query(await _source.OpenConnectionAsync(ct), GiveBack);
        }
        catch
        {
            GiveBack();
            throw;
        }

        void GiveBack()
        {
            if (one) _all.Release();
            if (his) share.Places.Release();
            Leave(caller, share);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        _all.Dispose();
    }

    private Share Join(string caller)
    {
        lock (_gate)
        {
            if (!_shares.TryGetValue(caller, out var share))
                _shares.Add(caller, share = new(caller == Caller.Anybody ? int.MaxValue : options.Value.QueriesPerCallerMax));
            share.Users++;
            return share;
        }
    }

    private void Leave(string caller, Share share)
    {
        lock (_gate)
            if (--share.Users == 0)
            {
                _shares.Remove(caller);
                share.Places.Dispose();
            }
    }

    private static async Task<bool> WaitAsync(SemaphoreSlim places, string full, CancellationToken patience, CancellationToken ct)
    {
        try
        {
            await places.WaitAsync(patience);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new RefusedException(new Refusal(Reasons.CallsTooMany, $"{full}, and none was answered in time; ask again in a moment, and for less at once"), AgainAfter);
        }
    }
}

/// <summary>A connection that somebody has for a question, and what gives his place back.</summary>
public sealed class Query(NpgsqlConnection connection, Action giveBack) : IAsyncDisposable
{
    public NpgsqlConnection Connection => connection;

    public async ValueTask DisposeAsync()
    {
        try { await connection.DisposeAsync(); }
        finally { giveBack(); }
    }
}
