using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Caps;
using Usage.Host.Store;

namespace Usage.Host.Owners;

/// <summary>Meets a repeated sequence with its original, however long ago it was committed. Many in one round trip.</summary>
public sealed class RepeatReader(UsageStore store, IOptions<UsageOptions> options) : IDisposable
{
    /// <summary>Look-ups that one stream may be waiting for; then its next frame waits.</summary>
    public const int PerStreamMax = 256;
    private const int GroupMax = 1_000;
    private Lookups<Request, StoredSequence>? _requests;

    private sealed record Request(Guid Generation, long Sequence) : Lookup<StoredSequence>;

    private Lookups<Request, StoredSequence> Requests => _requests ??= new(GroupMax, options.Value.LookupsWaitingMax, options.Value.LookupWait, Perform);

    /// <summary>Sequences being looked up, or about to be.</summary>
    public int Waiting => Requests.Waiting;

    public Task RunAsync() => Requests.RunAsync();
    public void Complete() => Requests.Complete();
    public void Dispose() => _requests?.Dispose();

    /// <param name="waits">for its place, if as many wait for the database as may</param>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    /// <exception cref="StoreNotReadyException">Nor did it in time.</exception>
    /// <exception cref="RefusedException">store_unavailable: as many wait as may</exception>
    public Task<StoredSequence> ReadAsync(Guid generation, long sequence, bool waits, CancellationToken ct) => Requests.AskAsync(new Request(generation, sequence), waits, ct);

    /// <remarks>
    /// The bounds spare the planner the partitions of all other days, and the limits leave it nothing to choose: by what it believes of tables that grow it
    /// would read all of them rather than look up a few hundred keys.
    /// </remarks>
    private async Task Perform(IReadOnlyList<Request> requests)
    {
        try
        {
            await using var connection = await store.DataSource.OpenConnectionAsync();
            await using var command = new NpgsqlCommand("""
                select k.n, e.content, last.sequence, last.finish, last.subscription from unnest($1::uuid[], $2::bigint[]) with ordinality k(generation, sequence, n)
                left join lateral (select content from usage.token_event
                  where generation = k.generation and sequence = k.sequence and generation between $3 and $4 limit 1) e on true
                left join lateral (select sequence, finish, subscription from usage.token_event
                  where generation = k.generation and generation between $3 and $4 order by sequence desc limit 1) last on true
                """, connection) { CommandTimeout = options.Value.UnaryWaitSecondsMax };
            var generations = requests.Select(r => r.Generation).ToArray();
            object[] values = [generations, requests.Select(r => r.Sequence).ToArray(), generations.Min(), generations.Max()];
            foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
                requests[(int)reader.GetInt64(0) - 1].Answer.TrySetResult(new StoredSequence(
                    reader.IsDBNull(1) ? null : reader.GetInt64(1),
                    reader.IsDBNull(2) ? null : reader.GetInt64(2),
                    reader.IsDBNull(3) ? FinishReason.None : (FinishReason)reader.GetInt16(3),
                    reader.IsDBNull(4) ? Guid.Empty : reader.GetGuid(4)));
        }
        catch (Exception e)
        {
            foreach (var request in requests) request.Answer.TrySetException(e);
        }
    }
}
