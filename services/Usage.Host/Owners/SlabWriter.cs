using System.Text.Json;
using Npgsql;
using Usage.Caps;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Usage.Host.Owners;

/// <param name="Tokens">what its owner may have out</param>
/// <param name="Inherited">what owners before it may have out still</param>
public sealed record SlabRequest(OwnerCell Cell, long Tokens, DateTimeOffset Until, IReadOnlyList<InheritedSlab> Inherited);

/// <summary>
/// Makes slabs durable, many in one commit. Tries until it succeeds: a grant that waits for its slab goes out late, never early. In the table their ends are
/// times of the database's clock, so that they mean the same to whoever reads them, however wrong his own is.
/// </summary>
public sealed class SlabWriter(UsageStore store, ILogger<SlabWriter> log)
{
    private const int GroupMax = 1_000;
    private Grouped<SlabRequest>? _requests;
    private Action<SlabRequest>? _durable;
    private CancellationToken _stopping;

    private Grouped<SlabRequest> Requests => _requests ??= new(GroupMax, Perform);

    public Task RunAsync(Action<SlabRequest> durable, CancellationToken stopping)
    {
        (_durable, _stopping) = (durable, stopping);
        return Requests.RunAsync();
    }

    public void Add(SlabRequest request) => Requests.Add(request);
    public Task FlushAsync() => Requests.FlushAsync();
    public void Complete() => Requests.Complete();

    private async Task Perform(IReadOnlyList<SlabRequest> requests)
    {
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try
            {
                await WriteAsync(requests, _stopping);
                break;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (StoreFailure.Is(e) || e is OperationCanceledException)
            {
                log.LogWarning("{Slabs} slabs wait for the database: {Cause}", requests.Count, StoreFailure.Cause(e));
                await backoff.WaitAsync(_stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        foreach (var request in requests) _durable!(request);
    }

    /// <summary>Writes the slabs of those tenures that still stand; one that does not is marked as lost, and its owners decide nothing any more.</summary>
    public Task WriteAsync(IReadOnlyList<SlabRequest> requests, CancellationToken ct) => WriteAsync(requests, null, ct);

    /// <summary>
    /// Writes what is left of a tenure that ends in good order. Owners that it has forgotten had nothing out: their slabs end now, and not with their leases,
    /// and what they had granted may be reported still.
    /// </summary>
    public Task LeaveAsync(Tenure tenure, IReadOnlyList<SlabRequest> remainders, CancellationToken ct) => WriteAsync(remainders, tenure, ct);

    private async Task WriteAsync(IReadOnlyList<SlabRequest> requests, Tenure? leaving, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Taking an epoch locks the row against this, so a slab is either there before a successor looks, or refused.
        var shards = requests.Select(r => r.Cell.Tenure.Shard).Distinct().ToArray();
        var epochs = new Dictionary<int, long>();
        // Asked before it is answered: by what that takes a lease ends too late in the table, and never too early.
        var (asked, ahead) = (TimeProvider.System.GetUtcNow(), TimeSpan.Zero);
        await using (var command = new NpgsqlCommand("select shard, epoch, clock_timestamp() from usage.shard where shard = any($1) for key share", connection))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = shards });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) (epochs[reader.GetInt32(0)], ahead) = (reader.GetInt64(1), reader.GetFieldValue<DateTimeOffset>(2) - asked);
        }
        var standing = requests.Where(r => Stands(r.Cell.Tenure, epochs)).ToArray();
        if (leaving is not null)
            await UsageStore.Execute(connection, "update usage.slab set lease_until = to_timestamp(0), inherited = '[]' where shard = $1 and epoch = $2 and lease_until > to_timestamp(0)", ct, leaving.Shard, leaving.Epoch);
        await using (var command = new NpgsqlCommand("""
            insert into usage.slab (subscription, shard, epoch, tokens, lease_until, inherited)
            select subscription, shard, epoch, tokens, lease_until, inherited::jsonb
            from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[]) s(subscription, shard, epoch, tokens, lease_until, inherited)
            on conflict (subscription) do update set shard = excluded.shard, epoch = excluded.epoch, tokens = excluded.tokens, lease_until = excluded.lease_until,
              inherited = excluded.inherited
            """, connection))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = standing.Select(r => r.Cell.Owner.Subscription).ToArray() });
            command.Parameters.Add(new NpgsqlParameter { Value = standing.Select(r => r.Cell.Tenure.Shard).ToArray() });
            command.Parameters.Add(new NpgsqlParameter { Value = standing.Select(r => r.Cell.Tenure.Epoch).ToArray() });
            command.Parameters.Add(new NpgsqlParameter { Value = standing.Select(r => r.Tokens).ToArray() });
            command.Parameters.Add(new NpgsqlParameter { Value = standing.Select(r => r.Until + ahead).ToArray() });
            command.Parameters.Add(new NpgsqlParameter { Value = standing.Select(r => r.Inherited.Count == 0 ? "[]" : JsonSerializer.Serialize(r.Inherited.Select(slab => slab with { Until = slab.Until + ahead }))).ToArray() });
            await command.ExecuteNonQueryAsync(ct);
        }
        await transaction.CommitAsync(ct);
    }

    private static bool Stands(Tenure tenure, Dictionary<int, long> epochs)
    {
        if (epochs[tenure.Shard] == tenure.Epoch) return true;
        tenure.Lose(new EpochLostException(tenure.Shard, tenure.Epoch, epochs[tenure.Shard]));
        return false;
    }
}
