using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>Who holds a shard, in usage.shard: the one place where a shard changes hands.</summary>
public sealed class ShardHolders(UsageStore store, IOptions<UsageOptions> options, ILogger<ShardHolders> log)
{
    /// <summary>Takes the next epoch, unless somebody holds the shard who should be waited for.</summary>
    /// <param name="mayWait">whether to wait for this holder to leave</param>
    /// <returns>the epoch; null if there is somebody to wait for</returns>
    public async Task<long?> TakeAsync(int shard, string me, Func<string, bool> mayWait, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        try { return await TakeAsync(connection, shard, me, mayWait, ct); }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            log.LogWarning("shard {Shard} has been locked for longer than {Seconds} s; {Ended} transactions were ended whose clients have fallen silent in the middle of a statement", shard,
                options.Value.TransactionIdleSecondsMax, await EndSilentAsync(connection, ct));
            return null;
        }
    }

    /// <summary>
    /// Ends what PostgreSQL's own time-out does not see: a transaction whose client was frozen while it sent rows is not idle, but in the middle of a COPY, for ever.
    /// Only those that hold a lock of a shard, and have waited for their client since. One that lives was slow, and writes its rows again.
    /// </summary>
    /// <returns>how many</returns>
    private async Task<long> EndSilentAsync(NpgsqlConnection connection, CancellationToken ct) =>
        (long)(await UsageStore.Scalar(connection, """
            select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity a
            where datname = current_database() and usename = current_user and state = 'active' and wait_event = 'ClientRead' and state_change < clock_timestamp() - make_interval(secs => $1)
              and exists (select from pg_locks l join pg_database d on d.oid = l.database where l.pid = a.pid and d.datname = current_database() and l.relation = 'usage.shard'::regclass and l.mode = 'RowShareLock')
            """, ct, (double)options.Value.TransactionIdleSecondsMax))!;

    private async Task<long?> TakeAsync(NpgsqlConnection connection, int shard, string me, Func<string, bool> mayWait, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Whoever holds the lock longer than anybody may be silent is looked at.
        await UsageStore.Execute(connection, $"set local lock_timeout = '{options.Value.TransactionIdleSecondsMax}s'", ct);
        // "for update" conflicts with the lock that slabs take; the plain update alone would not.
        // PostgreSQL ends the wait, and says for what: no shorter time of the connection string may do so before it.
        await using (var command = new NpgsqlCommand("select holder from usage.shard where shard = $1 for update", connection) { CommandTimeout = options.Value.TransactionIdleSecondsMax + 10 })
        {
            command.Parameters.Add(new NpgsqlParameter { Value = shard });
            if (await command.ExecuteScalarAsync(ct) is string holder && holder != me && mayWait(holder)) return null;
        }
        var epoch = (long)(await UsageStore.Scalar(connection, "update usage.shard set epoch = epoch + 1, holder = $2 where shard = $1 returning epoch", ct, shard, me))!;
        await transaction.CommitAsync(ct);
        return epoch;
    }

    /// <summary>The epoch that holds the shard now.</summary>
    public async Task<long> EpochAsync(int shard, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        return (long)(await UsageStore.Scalar(connection, "select epoch from usage.shard where shard = $1", ct, shard))!;
    }

    /// <summary>Nobody needs to wait for this process any more. A later holder is left alone.</summary>
    public async Task LeaveAsync(Tenure tenure, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await UsageStore.Execute(connection, "update usage.shard set holder = null where shard = $1 and epoch = $2", ct, tenure.Shard, tenure.Epoch);
    }
}
