namespace Bench.Metering;

/// <summary>Speed counts for nothing if one event is missing or twice there: in the table, or in what was reported to billing.</summary>
public sealed class LedgerCheck(BenchServers servers)
{
    private long _acknowledged;

    /// <summary>Chunks that were acknowledged, each counted once.</summary>
    public void Acknowledged(long chunks) => _acknowledged += chunks;

    /// <exception cref="InvalidOperationException">The ledger does not have exactly what was acknowledged.</exception>
    public async Task HoldAsync(CancellationToken ct)
    {
        var stored = await servers.ScalarAsync("select count(*) from usage.token_event where sequence > 0 and finish = 0", ct);
        if (stored != _acknowledged) throw new InvalidOperationException($"{_acknowledged} events were acknowledged and {stored} are in the table");
        var tokens = await servers.ScalarAsync("select sum(input + output) from usage.token_event", ct);
        await BenchServers.UntilAsync(() => Task.FromResult(servers.ReportedTokens == tokens), $"all {tokens} tokens are reported", ct);
        BenchPace.Say($"checked: {stored} events acknowledged, {stored} in the table, and the reports say all of their tokens");
    }
}
