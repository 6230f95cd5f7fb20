using System.Collections.Concurrent;
using System.Globalization;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>
/// The daily partitions, by the day inside the generation's id. Made ahead for today and tomorrow, and on demand for a straggler; in a
/// transaction of their own, so that no commit ever waits for a table to be made by another.
/// </summary>
public sealed class Partitions(UsageStore store)
{
    private const long PartitionLock = 0x7573_6167_66;
    private static readonly string[] Tables = ["token_event", "generation"];
    private readonly ConcurrentDictionary<int, bool> _days = [];

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

    private async Task MakeAsync(int day, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await UsageStore.Execute(connection, $"select pg_advisory_xact_lock({PartitionLock})", ct);
        var name = DateTimeOffset.UnixEpoch.AddDays(day).ToString("yyyyMMdd", CultureInfo.InvariantCulture);
        foreach (var table in Tables)
        {
            var partition = $"usage.{table}_{name}";
            if (await UsageStore.Scalar(connection, "select 1 from pg_inherits where inhrelid = to_regclass($1)", ct, partition) is not null) continue;
            // Attaching a finished table leaves writers of other days alone; "partition of" would lock them all out.
            await UsageStore.Execute(connection, $"create table if not exists {partition} (like usage.{table} including all)", ct);
            await UsageStore.Execute(connection, $"alter table usage.{table} attach partition {partition} for values from ('{FirstId(day)}') to ('{FirstId(day + 1)}')", ct);
        }
        await transaction.CommitAsync(ct);
    }

    /// <summary>The smallest id of a day: its first 48 bits are Unix milliseconds.</summary>
    private static Guid FirstId(int day)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, DateTimeOffset.UnixEpoch.AddDays(day).ToUnixTimeMilliseconds() << 16);
        return new Guid(bytes, bigEndian: true);
    }
}
