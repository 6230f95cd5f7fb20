using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>Another process has taken this shard: nothing decided here may be committed any more.</summary>
public sealed class EpochLostException(int shard, long mine, long current)
    : Exception($"shard {shard} was taken over by another instance (epoch {current}, this one has {mine}): this instance stops");

/// <summary>The epoch under which this process writes each shard: taken at start, checked in every commit.</summary>
public sealed class Epochs
{
    private long[] _epochs = [];

    public int Shards => _epochs.Length;
    public long Of(int shard) => _epochs[shard];

    public void Check(int shard, long current)
    {
        if (_epochs[shard] != current) throw new EpochLostException(shard, _epochs[shard], current);
    }

    public async Task TakeAsync(UsageStore store, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // "for update" conflicts with the lock that slabs take; the plain update alone would not.
        await UsageStore.Execute(connection, "select 1 from usage.shard order by shard for update", ct);
        await using (var command = new NpgsqlCommand("update usage.shard set epoch = epoch + 1 returning shard, epoch", connection))
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            var taken = new SortedDictionary<int, long>();
            while (await reader.ReadAsync(ct)) taken[reader.GetInt32(0)] = reader.GetInt64(1);
            _epochs = [.. taken.Values];
        }
        await transaction.CommitAsync(ct);
    }
}
