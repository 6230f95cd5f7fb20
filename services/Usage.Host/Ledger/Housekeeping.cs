using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>
/// What the ledger needs done from time to time: partitions made ahead and detached when they are old, and generations settled whose runtime has
/// vanished. Safe on several instances at once.
/// </summary>
public sealed class Housekeeping(
    UsageStore store, Partitions partitions, LedgerWriters ledger, OwnerDirectory owners, BusinessClock clock, IOptions<UsageOptions> options, UsageMetrics metrics, ILogger<Housekeeping> log)
{
    private static readonly TimeSpan LagEvery = TimeSpan.FromSeconds(2);
    private const int SilentAtOnce = 1_000;
    // Frames are taken until the retention ends; rows that wait for the database then have another day to arrive.
    private const int DaysOfGrace = 2;
    private static readonly TimeSpan DetachPauseMin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DetachPauseMax = TimeSpan.FromMinutes(10);
    private int _detachedBefore;
    private long _settleAt, _lagAt, _detachAt;
    private TimeSpan _detachPause = DetachPauseMin;

    /// <summary>Called every second or so. What has nothing to do costs nothing, and nothing takes long.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            await MakeAheadAsync(ct);
            if (IsDue(ref _lagAt, LagEvery)) await LookAtReportsAsync(ct);
            if (IsDue(ref _settleAt, TimeSpan.FromSeconds(options.Value.LeaseSeconds) / 2)) await SettleAsync(ct);
        }
        catch (PostgresException e) when (!StoreFailure.Is(e))
        {
            // Metering goes on without; somebody has to look.
            log.LogError(e, "the ledger's housekeeping failed, and will be tried again");
        }
    }

    private static bool IsDue(ref long at, TimeSpan every)
    {
        if (Environment.TickCount64 < at) return false;
        at = Environment.TickCount64 + (long)every.TotalMilliseconds;
        return true;
    }

    public Task MakeAheadAsync(CancellationToken ct)
    {
        var today = Partitions.DayOf(clock.Now);
        return partitions.EnsureAsync(Enumerable.Range(today, 2), ct);
    }

    /// <summary>Detaches what is old. It may take long, if a day was large: called every second or so, and nothing waits for it.</summary>
    public async Task DetachAsync(CancellationToken ct)
    {
        var firstDay = FirstDay(clock.Now);
        if (firstDay <= _detachedBefore || Environment.TickCount64 < _detachAt) return;
        try
        {
            // A clock of this machine alone that is ahead would detach days that are in use.
            if (!clock.IsSimulated) firstDay = Math.Min(firstDay, FirstDay(await DatabaseTimeAsync(ct)));
            var (days, all) = await partitions.DetachBeforeAsync(firstDay, clock.Now, ct);
            foreach (var (day, rows) in days)
                log.LogInformation("the partition of {Day:yyyy-MM-dd} is past the retention: detached with {Rows} rows, their leaves kept", DateTimeOffset.UnixEpoch.AddDays(day), rows);
            if (all) _detachedBefore = firstDay;
            _detachPause = DetachPauseMin;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            // Whoever reads for long, as a backup does, reads on; and each attempt holds up commits for a moment.
            log.LogInformation("an old partition is in use; it will be detached later, and not tried before {Seconds} s", _detachPause.TotalSeconds);
            _detachAt = Environment.TickCount64 + (long)_detachPause.TotalMilliseconds;
            _detachPause = _detachPause * 2 < DetachPauseMax ? _detachPause * 2 : DetachPauseMax;
        }
        catch (PostgresException e) when (!StoreFailure.Is(e))
        {
            log.LogError(e, "an old partition could not be detached; it will be tried again");
        }
    }

    private int FirstDay(DateTimeOffset now) => Partitions.DayOf(now) - options.Value.RetentionDays - DaysOfGrace;

    private async Task<DateTimeOffset> DatabaseTimeAsync(CancellationToken ct)
    {
        await using var command = store.DataSource.CreateCommand("select now()");
        return (DateTime)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task LookAtReportsAsync(CancellationToken ct)
    {
        await using var command = store.DataSource.CreateCommand("""
            select s.shard, count(r.number), coalesce(extract(epoch from now() - min(r.cut_at)), 0)::double precision
            from usage.shard s left join usage.report r on r.shard = s.shard and not r.published group by s.shard order by s.shard
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var lag = new List<ReportLag>();
        while (await reader.ReadAsync(ct)) lag.Add(new(reader.GetInt32(0), reader.GetInt64(1), reader.GetDouble(2)));
        metrics.Lags(lag);
    }

    /// <summary>
    /// A generation whose owner has forgotten it, and of which nothing was committed for two leases, has used what it reported, and is not open any
    /// more. If its runtime comes back after all, it resumes: a mark was set, nothing was closed. Each instance marks those of its own shards.
    /// </summary>
    private async Task SettleAsync(CancellationToken ct)
    {
        var (after, read) = (Guid.Empty, SilentAtOnce);
        while (read == SilentAtOnce)
        {
            var vanished = new List<Guid>();
            (read, after) = await ReadSilentAsync(after, vanished, ct);
            if (vanished.Count == 0) continue;
            // Rows that a writer is updating are heard of right now: skipping them also means never to wait for one.
            await using var command = store.DataSource.CreateCommand("""
                update usage.generation g set settled_at = now() from (
                  select generation from usage.generation where generation = any($1) and finish = 0 and settled_at is null for update skip locked) silent
                where g.generation = silent.generation
                """);
            command.Parameters.Add(new NpgsqlParameter { Value = vanished });
            metrics.Settled(await command.ExecuteNonQueryAsync(ct));
        }
    }

    /// <summary>The next ones of which nothing was committed for long, in the order of their ids. A runtime that waits for tokens, or works on a long prompt, still runs here.</summary>
    private async Task<(int Read, Guid Last)> ReadSilentAsync(Guid after, List<Guid> vanished, CancellationToken ct)
    {
        await using var command = store.DataSource.CreateCommand($"""
            select generation, subscription from usage.generation
            where generation > $1 and finish = 0 and settled_at is null and heard_at < now() - make_interval(secs => $2) order by generation limit {SilentAtOnce}
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = after });
        command.Parameters.Add(new NpgsqlParameter { Value = (double)(2 * options.Value.LeaseSeconds) });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var read = 0;
        for (; await reader.ReadAsync(ct); read++)
        {
            after = reader.GetGuid(0);
            if (ledger.Find(ledger.ShardOf(reader.GetGuid(1))) is not null && owners.Find(after) is null) vanished.Add(after);
        }
        return (read, after);
    }
}
