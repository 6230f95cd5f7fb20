using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Access;

/// <summary>Whose subscriptions are, as billing's snapshots said. Many in one round trip.</summary>
public sealed class CustomerReader(UsageStore store, IOptions<UsageOptions> options) : IDisposable
{
    private const int GroupMax = 1_000;
    private Lookups<Request, Guid?>? _requests;

    private sealed record Request(Guid Subscription) : Lookup<Guid?>;

    private Lookups<Request, Guid?> Requests => _requests ??= new(GroupMax, options.Value.LookupsWaitingMax, options.Value.LookupWait, Perform);

    /// <summary>Asked and not answered yet.</summary>
    public int Waiting => Requests.Waiting;

    public Task RunAsync() => Requests.RunAsync();
    public void Complete() => Requests.Complete();
    public void Dispose() => _requests?.Dispose();

    /// <returns>null if usage has not heard of it, or only by a service that did not keep whose it is</returns>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    /// <exception cref="StoreNotReadyException">Nor did it in time.</exception>
    /// <exception cref="RefusedException">store_unavailable: as many wait as may</exception>
    public Task<Guid?> ReadAsync(Guid subscription) => Requests.AskAsync(new Request(subscription), waits: false, CancellationToken.None);

    private async Task Perform(IReadOnlyList<Request> requests)
    {
        try
        {
            await using var connection = await store.DataSource.OpenConnectionAsync();
            await using var command = new NpgsqlCommand("""
                select k.n, (s.terms ->> 'Customer')::uuid from unnest($1::uuid[]) with ordinality k(subscription, n) left join usage.subscription s using (subscription)
                """, connection) { CommandTimeout = options.Value.UnaryWaitSecondsMax };
            command.Parameters.Add(new NpgsqlParameter { Value = requests.Select(r => r.Subscription).ToArray() });
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
                requests[(int)reader.GetInt64(0) - 1].Answer.TrySetResult(reader.IsDBNull(1) ? null : reader.GetGuid(1));
        }
        catch (Exception e)
        {
            foreach (var request in requests) request.Answer.TrySetException(e);
        }
    }
}
