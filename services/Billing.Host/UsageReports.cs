using System.Collections.Concurrent;
using Billing.Periods;
using JasperFx.Events;
using Marten;
using Marten.Linq;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>AppliedAfterGap: it is in the books, and one before it is not.</summary>
public enum ReportOutcome { Applied, AppliedAfterGap, KnownAlready, Parked, ShardStopped }

/// <summary>How far a shard of usage is in the books: every report up to Through, and some up to Highest.</summary>
public sealed record ShardProgress(int Shard, long Through, long Highest, string? Stopped);

/// <summary>Puts reports of usage into the books, each once, in one transaction, whatever their order and however often they come.</summary>
public sealed class UsageReports(
    IDocumentStore store, NpgsqlDataSource database, ParkedMessages parked, BusinessClock clock, ILogger<UsageReports> log)
{
    /// <summary>Why a report is parked that is in the books with other lines.</summary>
    public const string Changed = "report_changed";
    private const int AttemptsMax = 20;
    private const int KnownPeriodsMax = 100_000;
    private readonly ConcurrentDictionary<string, KnownPeriod> _periods = new();
    private readonly ConcurrentDictionary<string, ValueList<string>> _plans = new();
    private readonly UsageAppends _appends = new(store);

    public async Task<ReportOutcome> Apply(UsageReport report, CancellationToken ct)
    {
        if (ReportChain.OwnFault(report) is { } fault) return await Park(report, new Refusal("report_corrupt", fault), ct);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await Attempt(report, ct);
            }
            catch (RefusedException e)
            {
                // Here, where the transaction's connection is given back: parking takes one of its own.
                return await Park(report, e.Refusal, ct);
            }
            catch (Exception e) when (attempt < AttemptsMax && (EventStreams.IsConflict(e) || UsageAppends.IsConflict(e) || IsDeadlock(e)))
            {
                // A period of this report was closed, or carried, at the same moment: the whole report again.
            }
        }
    }

    /// <summary>Applies a report that was parked.</summary>
    /// <returns>why it cannot be applied; null when it is in the books, now or already</returns>
    public async Task<Refusal?> Replay(UsageReport report, CancellationToken ct)
    {
        switch (await Apply(report, ct))
        {
            case ReportOutcome.ShardStopped: return new Refusal("shard_stopped", $"shard {report.Shard} is stopped: GetAppliedReports says why; mend that, and resume it with ResumeShard");
            case ReportOutcome.Parked:
                await using (var session = store.QuerySession())
                    return await session.LoadAsync<ParkedMessage>(ParkedMessages.Of(report).Id, ct) is { } again ? new Refusal(again.Reason, again.Detail) : null;
            default: return null;
        }
    }

    public async Task<IReadOnlyList<ShardProgress>> Progress(CancellationToken ct)
    {
        await using var command = database.CreateCommand("select shard, through_number, highest_number, stopped from billing.usage_shard order by shard");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var shards = new List<ShardProgress>();
        while (await reader.ReadAsync(ct)) shards.Add(Read(reader));
        return shards;
    }

    /// <summary>The numbers up to a head that are not in the books, as ranges, both ends included.</summary>
    public async Task<IReadOnlyList<(long From, long To)>> Missing(int shard, long through, long head, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            with known as (
                select cast(data ->> 'number' as bigint) as number from billing.mt_doc_appliedreport
                where cast(data ->> 'shard' as integer) = $1 and cast(data ->> 'number' as bigint) > $2 and cast(data ->> 'number' as bigint) <= $3
                union select $2 union select $3 + 1)
            select number + 1, next - 1 from (select number, lead(number) over (order by number) as next from known) pairs where next > number + 1 order by 1
            """);
        command.Parameters.Add(new() { Value = shard });
        command.Parameters.Add(new() { Value = through });
        command.Parameters.Add(new() { Value = head });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var ranges = new List<(long, long)>();
        while (await reader.ReadAsync(ct)) ranges.Add((reader.GetInt64(0), reader.GetInt64(1)));
        return ranges;
    }

    /// <exception cref="RefusedException">What the decision refuses; nothing is written.</exception>
    private async Task<ReportOutcome> Attempt(UsageReport report, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var shard = await LockShard(connection, report.Shard, ct);
        await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
        var there = await session.LoadManyAsync<AppliedReport>(ct, [.. new[] { -1, 0, 1 }.Select(d => AppliedReport.IdOf(report.Shard, report.Number + d))]);
        var neighbours = there.ToDictionary(r => r.Number, r => new ReportLink(r.FirstBatch, r.LastBatch, r.PreviousChain, r.Chain));

        if (there.FirstOrDefault(r => r.Number == report.Number && r.Chain == report.Chain) is { } same)
            return same.Has(report.Lines)
                ? ReportOutcome.KnownAlready
                : throw new Refusal(Changed, $"report {report.Number} of shard {report.Shard} is in the books with other lines: it changes nothing, and somebody has to say which is right").AsException();
        if (shard.Stopped is not null) return ReportOutcome.ShardStopped;
        if (ReportChain.Broken(report, neighbours) is { } broken)
        {
            await Stop(connection, report.Shard, broken, ct);
            await transaction.CommitAsync(ct);
            log.LogCritical("shard {Shard} of usage is stopped: {Reason}. Nothing of it is billed until somebody has looked at it", report.Shard, broken);
            return ReportOutcome.ShardStopped;
        }

        var periods = await KnownPeriods(session, report, ct);
        var decision = ApplyReportDecision.Decide(report, periods, await Plans(session, report, ct)).OrThrow();
        session.Insert(new AppliedReport(
            AppliedReport.IdOf(report.Shard, report.Number), report.Shard, report.Number, report.FirstBatch, report.LastBatch,
            report.PreviousChain, report.Roots, report.Chain, report.RecordedAt, report.Lines.Count, report.Lines));
        foreach (var id in ParkedMessages.IdsOf(report)) session.Delete<ParkedMessage>(id);
        foreach (var usage in decision.Events)
            if (clock.Now >= usage.Period.End)
                session.Insert(new LateMark($"{usage.Period.PeriodId}/{report.Shard}/{report.Number}", usage.Period.PeriodId, usage.Period.SubscriptionId));
        await session.SaveChangesAsync(ct);
        await _appends.Append(connection, decision.Events, ct);
        var through = await Advance(connection, session, shard, report.Number, ct);
        await transaction.CommitAsync(ct);
        return through < report.Number ? ReportOutcome.AppliedAfterGap : ReportOutcome.Applied;
    }

    private async Task<IReadOnlyDictionary<string, KnownPeriod>> KnownPeriods(IQuerySession session, UsageReport report, CancellationToken ct)
    {
        var ids = report.Lines.Select(l => l.PeriodId).Distinct().ToArray();
        var missing = ids.Where(id => !_periods.ContainsKey(id)).ToArray();
        if (_periods.Count + missing.Length > KnownPeriodsMax)
        {
            _periods.Clear();
            missing = ids;
        }
        if (missing.Length > 0)
        {
            var opened = await session.Events.QueryAllRawEvents().Where(e => e.StreamKey!.IsOneOf(missing) && e.Version == 1).ToListAsync(ct);
            foreach (var e in opened)
                if (e.Data is PeriodOpened o) _periods[e.StreamKey!] = new(e.StreamKey!, o.SubscriptionId, o.End);
        }
        var known = new Dictionary<string, KnownPeriod>();
        foreach (var id in ids)
            if (_periods.TryGetValue(id, out var period)) known[id] = period;
        return known;
    }

    /// <summary>The plans that subscriptions ever had. They only grow, so what is known is asked for again only when it lacks a plan.</summary>
    private async Task<IReadOnlyDictionary<string, ValueList<string>>> Plans(IQuerySession session, UsageReport report, CancellationToken ct)
    {
        if (_plans.Count > KnownPeriodsMax) _plans.Clear();
        var missing = report.Lines.Where(l => !_plans.TryGetValue(l.SubscriptionId, out var had) || !had.Contains(l.PlanId)).Select(l => l.SubscriptionId).Distinct().ToArray();
        if (missing.Length > 0)
            foreach (var view in await session.LoadManyAsync<SubscriptionView>(ct, missing)) _plans[view.Id] = view.State.Plans;
        var plans = new Dictionary<string, ValueList<string>>();
        foreach (var line in report.Lines)
            if (_plans.TryGetValue(line.SubscriptionId, out var had)) plans[line.SubscriptionId] = had;
        return plans;
    }

    private async Task<ReportOutcome> Park(UsageReport report, Refusal refusal, CancellationToken ct)
    {
        await parked.Park(ParkedMessages.Of(report), refusal, ct);
        return ReportOutcome.Parked;
    }

    private static async Task<ShardProgress> LockShard(NpgsqlConnection connection, int shard, CancellationToken ct)
    {
        await using var create = new NpgsqlCommand("insert into billing.usage_shard values ($1, 0, 0, null) on conflict do nothing", connection) { Parameters = { new() { Value = shard } } };
        await create.ExecuteNonQueryAsync(ct);
        await using var select = new NpgsqlCommand("select shard, through_number, highest_number, stopped from billing.usage_shard where shard = $1 for update", connection) { Parameters = { new() { Value = shard } } };
        await using var reader = await select.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return Read(reader);
    }

    private static ShardProgress Read(NpgsqlDataReader reader) =>
        new(reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2), reader.IsDBNull(3) ? null : reader.GetString(3));

    private static async Task<long> Advance(NpgsqlConnection connection, IQuerySession session, ShardProgress before, long number, CancellationToken ct)
    {
        var (through, highest) = (before.Through, Math.Max(before.Highest, number));
        if (number == through + 1) through = highest == number ? number : await NextGap(session, before.Shard, number, ct);
        await using var update = new NpgsqlCommand("update billing.usage_shard set through_number = $2, highest_number = $3 where shard = $1", connection)
        {
            Parameters = { new() { Value = before.Shard }, new() { Value = through }, new() { Value = highest } },
        };
        await update.ExecuteNonQueryAsync(ct);
        return through;
    }

    /// <summary>The last report before the next missing one, counted from a number that is there.</summary>
    private static async Task<long> NextGap(IQuerySession session, int shard, long from, CancellationToken ct)
    {
        const int page = 1_000;
        for (var through = from; ;)
        {
            var numbers = await session.Query<AppliedReport>().Where(r => r.Shard == shard && r.Number > through).OrderBy(r => r.Number).Select(r => r.Number).Take(page).ToListAsync(ct);
            var start = through;
            foreach (var number in numbers)
            {
                if (number != through + 1) return through;
                through = number;
            }
            if (through - start < page) return through;
        }
    }

    private static async Task Stop(NpgsqlConnection connection, int shard, string why, CancellationToken ct)
    {
        await using var update = new NpgsqlCommand("update billing.usage_shard set stopped = $2 where shard = $1", connection) { Parameters = { new() { Value = shard }, new() { Value = why } } };
        await update.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Lets a shard take reports again, with the event that says who ordered it. What does not follow stops it again.</summary>
    public static void Resume(IDocumentSession session, int shard) => session.QueueSqlCommand("update billing.usage_shard set stopped = null where shard = ?", shard);

    internal static bool IsDeadlock(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
            if (e is PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected }) return true;
        return false;
    }
}
