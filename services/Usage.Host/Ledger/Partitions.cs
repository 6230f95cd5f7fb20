using System.Collections.Concurrent;
using System.Globalization;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

public readonly record struct DetachedDay(int Day, long Rows);

/// <summary>
/// The daily partitions, by the day inside the generation's id. Made ahead for today and tomorrow, and on demand for a straggler; in a
/// transaction of their own, so that no commit ever waits for a table to be made by another.
/// </summary>
public sealed class Partitions(UsageStore store)
{
    private const long PartitionLock = 0x7573_6167_66;
    // Rows of generations are updated while they run: a page with room for their next versions spares index entries.
    private const string Rows = "token_event", Updated = "generation";
    private static readonly string[] Tables = [Rows, Updated];
    private readonly ConcurrentDictionary<int, bool> _days = [];
    // How far the leaves of a day that could not be detached yet are kept.
    private readonly Dictionary<int, Kept> _kept = [];

    /// <param name="Through">the last batch of each shard</param>
    /// <param name="LastReceivedAt">of these rows; null while there are none</param>
    private readonly record struct Kept(long Rows, long[] Through, DateTime? LastReceivedAt);

    /// <summary>About so many leaves are kept in one statement.</summary>
    public int SliceRows { get; init; } = 20_000;

    /// <summary>How long a day may wait for its lock: commits queue behind it.</summary>
    public TimeSpan LockWait { get; init; } = TimeSpan.FromMilliseconds(200);

    public static int DayOf(Guid generation) => DayOf(Ids.TimeOf(generation));

    public static int DayOf(DateTimeOffset at) => (int)(at.ToUnixTimeMilliseconds() / (long)TimeSpan.FromDays(1).TotalMilliseconds);

    public bool Has(int day) => _days.ContainsKey(day);

    public async Task EnsureAsync(IEnumerable<int> days, CancellationToken ct)
    {
        foreach (var day in days)
        {
            if (Has(day)) continue;
            await MakeAsync(day, ct);
            _days[day] = true;
        }
    }

    /// <summary>These days are looked for again before anything is written to them.</summary>
    public void Forget(IEnumerable<int> days)
    {
        foreach (var day in days) _days.TryRemove(day, out _);
    }

    /// <summary>
    /// Detaches every partition of a day before <paramref name="firstDay"/>, oldest first. The tables stay where they are, to be archived or dropped by
    /// whoever runs the database; batch, ordinal and leaf of their rows are kept, so that proofs survive. A straggler attaches its day again.
    /// </summary>
    /// <returns>what was detached, and whether that was all: a day with rows that are not reported yet has to wait</returns>
    /// <exception cref="PostgresException">lock_not_available: somebody has been reading or writing the tables for longer than <see cref="LockWait"/></exception>
    public async Task<(IReadOnlyList<DetachedDay> Days, bool All)> DetachBeforeAsync(int firstDay, DateTimeOffset now, CancellationToken ct)
    {
        var detached = new List<DetachedDay>();
        var all = true;
        var attached = await AttachedDaysAsync(ct);
        // Another instance was faster, and what comes to such a day later may be in another table.
        foreach (var gone in _kept.Keys.Except(attached)) _kept.Remove(gone);
        foreach (var day in attached)
        {
            if (day >= firstDay) break;
            if (await DetachAsync(day, now, ct) is { } rows) detached.Add(new(day, rows));
            else all = false;
            _days.TryRemove(day, out _);
        }
        return (detached, all);
    }

    private async Task<List<int>> AttachedDaysAsync(CancellationToken ct)
    {
        await using var command = store.DataSource.CreateCommand("""
            select right(c.relname, 8) from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'usage.token_event'::regclass order by 1
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var days = new List<int>();
        while (await reader.ReadAsync(ct))
            days.Add(DayOf(DateTimeOffset.ParseExact(reader.GetString(0), "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)));
        return days;
    }

    /// <returns>null if it is not the time yet, or another instance was faster</returns>
    private async Task<long?> DetachAsync(int day, DateTimeOffset now, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        var name = NameOf(day);
        // First without a lock, for it may take long: the day is old, and hardly anything comes to it any more.
        if (!await IsAttachedAsync(connection, name, ct) || await HasUnreportedAsync(connection, name, ct)) return null;
        var kept = await KeepAheadAsync(connection, day, ct);

        await using var transaction = await connection.BeginTransactionAsync(ct);
        await UsageStore.Execute(connection, $"select pg_advisory_xact_lock({PartitionLock})", ct);
        if (!await IsAttachedAsync(connection, name, ct)) return null;
        // Detaching waits for whoever uses the tables, and holds up commits that come: better to try again than to hold them up for long.
        await UsageStore.Execute(connection, $"set local lock_timeout = {(int)LockWait.TotalMilliseconds}", ct);
        foreach (var table in Tables) await UsageStore.Execute(connection, $"alter table usage.{table} detach partition usage.{table}_{name}", ct);
        // Nothing comes to it now. What has come since its leaves were kept is in batches after those.
        if (await HasUnreportedAsync(connection, name, ct)) return null;
        for (var shard = 0; shard < kept.Through.Length; shard++) kept = await KeepLeavesAsync(connection, name, shard, kept, ct);
        // Of a day that was archived elsewhere, and made again for a straggler, more is missing now.
        await UsageStore.Execute(connection, """
            insert into usage.detached_partition as d (day, rows, detached_at, last_received_at) values ($1, $2, $3, $4)
            on conflict (day) do update set rows = d.rows + excluded.rows, detached_at = excluded.detached_at, last_received_at = greatest(d.last_received_at, excluded.last_received_at)
            """, ct,
            DateOf(day), kept.Rows, now, (object?)kept.LastReceivedAt ?? DBNull.Value);
        await transaction.CommitAsync(ct);
        _kept.Remove(day);
        return kept.Rows;
    }

    /// <summary>Keeps the leaves that an earlier attempt has not kept.</summary>
    private async Task<Kept> KeepAheadAsync(NpgsqlConnection connection, int day, CancellationToken ct)
    {
        if (!_kept.TryGetValue(day, out var kept)) kept = new(0, new long[await ShardsAsync(connection, ct)], null);
        for (var shard = 0; shard < kept.Through.Length; shard++) _kept[day] = kept = await KeepLeavesAsync(connection, NameOf(day), shard, kept, ct);
        return kept;
    }

    private static async Task<bool> IsAttachedAsync(NpgsqlConnection connection, string name, CancellationToken ct) =>
        await UsageStore.Scalar(connection, "select 1 from pg_inherits where inhrelid = to_regclass($1)", ct, $"usage.token_event_{name}") is not null;

    /// <summary>A writer that restarts reads what is not reported yet back from the rows.</summary>
    private static async Task<bool> HasUnreportedAsync(NpgsqlConnection connection, string name, CancellationToken ct) =>
        await UsageStore.Scalar(connection, $"select 1 from usage.shard s where exists (select 1 from usage.token_event_{name} e where e.shard = s.shard and e.batch > s.reported_batch) limit 1", ct) is not null;

    private static async Task<int> ShardsAsync(NpgsqlConnection connection, CancellationToken ct) =>
        (int)(long)(await UsageStore.Scalar(connection, "select count(*) from usage.shard", ct))!;

    /// <summary>Keeps the leaves of a shard's rows in batches after one, slice by slice: each is committed by itself, unless there is a transaction around it.</summary>
    /// <returns>what is kept with these</returns>
    private async Task<Kept> KeepLeavesAsync(NpgsqlConnection connection, string name, int shard, Kept kept, CancellationToken ct)
    {
        while (true)
        {
            // However large a day is, no statement is; and however slow the database is, the next attempt would be no faster.
            await using var command = new NpgsqlCommand($"""
                with last as (select max(batch) as batch from (select batch from usage.token_event_{name} where shard = $1 and batch > $2 order by batch limit {SliceRows}) b),
                  slice as (select e.shard, e.batch, e.ordinal, e.leaf, e.received_at from usage.token_event_{name} e, last where e.shard = $1 and e.batch > $2 and e.batch <= last.batch),
                  kept as (insert into usage.kept_leaf select shard, batch, ordinal, leaf from slice on conflict do nothing)
                select (select batch from last), (select count(*) from slice), (select max(received_at) from slice)
                """, connection) { CommandTimeout = 0 };
            command.Parameters.Add(new NpgsqlParameter { Value = shard });
            command.Parameters.Add(new NpgsqlParameter { Value = kept.Through[shard] });
            await using var reader = await command.ExecuteReaderAsync(ct);
            await reader.ReadAsync(ct);
            if (reader.IsDBNull(0)) return kept;
            var last = reader.GetDateTime(2);
            kept = new(kept.Rows + reader.GetInt64(1), [.. kept.Through[..shard], reader.GetInt64(0), .. kept.Through[(shard + 1)..]], kept.LastReceivedAt > last ? kept.LastReceivedAt : last);
        }
    }

    private async Task MakeAsync(int day, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await UsageStore.Execute(connection, $"select pg_advisory_xact_lock({PartitionLock})", ct);
        var name = NameOf(day);
        foreach (var table in Tables)
        {
            var partition = $"usage.{table}_{name}";
            if (await UsageStore.Scalar(connection, "select 1 from pg_inherits where inhrelid = to_regclass($1)", ct, partition) is not null) continue;
            // Attaching a finished table leaves writers of other days alone; "partition of" would lock them all out.
            await UsageStore.Execute(connection, $"create table if not exists {partition} (like usage.{table} including all){(table == Updated ? " with (fillfactor = 70)" : "")}", ct);
            if (table == Rows) await ComeBackAsync(connection, partition, day, ct);
            await UsageStore.Execute(connection, $"alter table usage.{table} attach partition {partition} for values from ('{FirstId(day)}') to ('{FirstId(day + 1)}')", ct);
        }
        await transaction.CommitAsync(ct);
    }

    /// <summary>Rows that are here again with their table are in sums again. Those that were archived elsewhere are missing from them still, though the day has a table.</summary>
    private static async Task ComeBackAsync(NpgsqlConnection connection, string partition, int day, CancellationToken ct)
    {
        await UsageStore.Execute(connection, $"update usage.detached_partition set rows = rows - (select count(*) from {partition}) where day = $1", ct, DateOf(day));
        await UsageStore.Execute(connection, "delete from usage.detached_partition where day = $1 and rows <= 0", ct, DateOf(day));
    }

    /// <summary>The table of a day's rows, where it stands detached; null where it is attached, was archived elsewhere or never was.</summary>
    public static async Task<string?> DetachedTableAsync(NpgsqlConnection connection, Guid generation, CancellationToken ct)
    {
        var table = $"usage.token_event_{NameOf(DayOf(generation))}";
        return await UsageStore.Scalar(connection, "select 1 where to_regclass($1) is not null and not exists (select from pg_inherits where inhrelid = to_regclass($1))", ct, table) is null ? null : table;
    }

    private static DateOnly DateOf(int day) => DateOnly.FromDateTime(DateTimeOffset.UnixEpoch.AddDays(day).UtcDateTime);

    private static string NameOf(int day) => DateTimeOffset.UnixEpoch.AddDays(day).ToString("yyyyMMdd", CultureInfo.InvariantCulture);

    /// <summary>The smallest id of a day: its first 48 bits are Unix milliseconds.</summary>
    private static Guid FirstId(int day) => FirstIdAt(DateTimeOffset.UnixEpoch.AddDays(day));

    /// <summary>The smallest id of so long after a moment. Before 1970 and far in the future ids do not reach.</summary>
    public static Guid FirstIdAt(DateTimeOffset at, TimeSpan after = default)
    {
        const long millisecondsMax = (1L << 47) - 1;
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, Math.Clamp(at.ToUnixTimeMilliseconds() + (long)after.TotalMilliseconds, 0, millisecondsMax) << 16);
        return new Guid(bytes, bigEndian: true);
    }
}
