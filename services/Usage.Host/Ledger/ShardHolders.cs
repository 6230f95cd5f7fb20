using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>Who holds a shard, in usage.shard: the one place where a shard changes hands.</summary>
public sealed class ShardHolders(UsageStore store)
{
    /// <summary>Takes the next epoch, unless somebody holds the shard who should be waited for.</summary>
    /// <param name="mayWait">whether to wait for this holder to leave</param>
    /// <returns>the epoch; null if there is somebody to wait for</returns>
    public async Task<long?> TakeAsync(int shard, string me, Func<string, bool> mayWait, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // "for update" conflicts with the lock that slabs take; the plain update alone would not.
        if (await UsageStore.Scalar(connection, "select holder from usage.shard where shard = $1 for update", ct, shard) is string holder && holder != me && mayWait(holder))
            return null;
        var epoch = (long)(await UsageStore.Scalar(connection, "update usage.shard set epoch = epoch + 1, holder = $2 where shard = $1 returning epoch", ct, shard, me))!;
        await transaction.CommitAsync(ct);
        return epoch;
    }

    /// <summary>Nobody needs to wait for this process any more. A later holder is left alone.</summary>
    public async Task LeaveAsync(Tenure tenure, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await UsageStore.Execute(connection, "update usage.shard set holder = null where shard = $1 and epoch = $2", ct, tenure.Shard, tenure.Epoch);
    }
}
