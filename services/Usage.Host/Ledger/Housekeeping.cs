using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>
/// What the ledger needs done from time to time: partitions made ahead and detached when they are old, and generations settled whose runtime has
/// vanished. Safe on several instances at once.
/// </summary>
public sealed class Housekeeping(
    UsageStore store, Partitions partitions, BusinessClock clock, IOptions<UsageOptions> options, UsageMetrics metrics, ILogger<Housekeeping> log)
{
    private static readonly TimeSpan LagEvery = TimeSpan.FromSeconds(2);
    private const int SettledAtOnce = 1_000;
    // Frames are taken until the retention ends; rows that wait for the database then have another day to arrive.
    private const int DaysOfGrace = 2;
    private int _detachedBefore;
    private long _settleAt, _lagAt;

    /// <summary>Called every second or so. What has nothing to do costs nothing.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            await MakeAheadAsync(ct);
            await DetachAsync(ct);
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

    private async Task DetachAsync(CancellationToken ct)
    {
        var firstDay = Partitions.DayOf(clock.Now) - options.Value.RetentionDays - DaysOfGrace;
        if (firstDay <= _detachedBefore) return;
        try
        {
            var (days, all) = await partitions.DetachBeforeAsync(firstDay, clock.Now, ct);
            foreach (var (day, rows) in days)
                log.LogInformation("the partition of {Day:yyyy-MM-dd} is past the retention: detached with {Rows} rows, their leaves kept", DateTimeOffset.UnixEpoch.AddDays(day), rows);
            if (all) _detachedBefore = firstDay;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            log.LogInformation("an old partition is in use and will be detached later");
        }
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
    /// A generation of which nothing was heard for two leases has used what it reported, and is not open any more. If its runtime comes back after
    /// all, it resumes: a mark was set, nothing was closed.
    /// </summary>
    private async Task SettleAsync(CancellationToken ct)
    {
        for (var settled = SettledAtOnce; settled == SettledAtOnce; metrics.Settled(settled))
        {
            // Rows that a writer is updating are heard of right now: skipping them also means never to wait for one.
            await using var command = store.DataSource.CreateCommand($"""
                update usage.generation g set settled_at = now() from (
                  select generation from usage.generation where finish = 0 and settled_at is null and heard_at < now() - make_interval(secs => $1)
                  limit {SettledAtOnce} for update skip locked) silent
                where g.generation = silent.generation
                """);
            command.Parameters.Add(new NpgsqlParameter { Value = (double)(2 * options.Value.LeaseSeconds) });
            settled = await command.ExecuteNonQueryAsync(ct);
        }
    }
}
