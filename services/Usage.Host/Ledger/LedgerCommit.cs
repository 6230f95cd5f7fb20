using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <param name="Rows">the rows of the commit, in order, that are in the table now, whether this commit or an earlier one put them there</param>
/// <param name="Conflicts">rows whose key is taken by other content: not counted</param>
/// <param name="UntilNextCut">how long no report of the shard may be cut</param>
public sealed record ShardCommit(int Shard, IReadOnlyList<UsageRow> Rows, IReadOnlyList<UsageRow> Conflicts, bool ReportCut, TimeSpan UntilNextCut)
{
    /// <summary>The last sequence of each generation in this commit: the one to acknowledge.</summary>
    public IReadOnlyDictionary<Guid, long> LastOf { get; } = LastSequences(Rows);

    private static Dictionary<Guid, long> LastSequences(IReadOnlyList<UsageRow> rows)
    {
        var last = new Dictionary<Guid, long>();
        foreach (var row in rows) last[row.Generation.Id] = row.Sequence;
        return last;
    }
}

/// <summary>One commit of a shard: rows, totals, batch, chain and, when due, the report, in a single transaction.</summary>
/// <param name="reportInterval">least time between two reports of the shard, whoever cuts them</param>
public sealed partial class LedgerCommit(Tenure tenure, UsageStore store, Partitions partitions, BusinessClock clock, UsageMetrics metrics, TimeSpan reportInterval)
{
    private readonly int _shard = tenure.Shard;
    private static readonly Dictionary<(Guid, long), long> NotLookedUp = [];
    private readonly ShardLedger _ledger = new();
    private readonly EventCopy _copy = new();

    /// <summary>Batches wait for a report. Before the first commit nobody knows, so it is true.</summary>
    public bool HasUnreported => _ledger.HasUnreported;

    /// <inheritdoc cref="RunningTotals.Behind"/>
    public TotalsBehind Behind => _ledger.Behind;

    /// <summary>As the table has it now: whoever asks for a head must not be told an old one by a process that has lost the shard.</summary>
    /// <exception cref="EpochLostException">Another process writes this shard now.</exception>
    public async Task<ShardHead> HeadAsync(CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        return (await ReadHeadAsync(connection, "", ct)).Head;
    }

    /// <summary>Commits these rows, and reports all that is not reported if the last report was cut long enough ago.</summary>
    public async Task<ShardCommit> WriteAsync(IReadOnlyList<UsageRow> rows, CancellationToken ct)
    {
        await partitions.EnsureAsync(MissingDays(rows), ct);
        try { return await TryWriteAsync(rows, ct); }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CheckViolation)
        {
            // Another instance has detached a partition that these rows still need: it is looked for again.
            partitions.Forget(rows.Select(r => Partitions.DayOf(r.Generation.Id)));
            throw;
        }
    }

    private async Task<ShardCommit> TryWriteAsync(IReadOnlyList<UsageRow> rows, CancellationToken ct)
    {
        var started = Stopwatch.GetTimestamp();
        _ledger.Begin();
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var (head, sinceCut) = await ReadHeadAsync(connection, "for no key update", ct);
        // A database whose clock was put back does not hold reports up.
        var untilCut = sinceCut is { } since && since >= TimeSpan.Zero && since < reportInterval ? reportInterval - since : TimeSpan.Zero;
        await RecallAsync(connection, head, ct);
        var stored = _ledger.MustLookUp && rows.Count > 0 ? await ReadStoredAsync(connection, rows, ct) : NotLookedUp;

        var plan = _ledger.Plan(head, rows, stored, cut: untilCut == TimeSpan.Zero);
        if (plan.WritesAnything) await PerformAsync(connection, plan, clock.Now, ct);
        await transaction.CommitAsync(ct);

        _ledger.Committed(plan);
        metrics.Committed(plan.Batch?.Rows ?? [], Stopwatch.GetElapsedTime(started));
        return new ShardCommit(_shard, plan.Conflicts.Count == 0 ? [.. rows] : [.. rows.Except(plan.Conflicts)], plan.Conflicts, plan.Report is not null,
            plan.Report is null ? untilCut : reportInterval);
    }

    /// <summary>What the ledger does not know, or not for certain, of the commits before.</summary>
    private async Task RecallAsync(NpgsqlConnection connection, ShardHead head, CancellationToken ct)
    {
        if (_ledger.MustReadUnreported(head)) _ledger.LoadUnreported(await ReadUnreportedAsync(connection, head, ct));
        if (!_ledger.MustLookUp) return;
        await UsageStore.Execute(connection, "select usage.make_totals_whole($1)", ct, _shard);
        _ledger.Whole();
    }

    private async Task PerformAsync(NpgsqlConnection connection, CommitPlan plan, DateTimeOffset now, CancellationToken ct)
    {
        await using var commands = new NpgsqlBatch(connection);
        if (plan.Batch is { } batch) await AddBatchAsync(connection, commands, batch, now, ct);
        TotalsUpdate.AddTo(commands, plan.Totals);
        if (plan.Report is { } report) await AddReportAsync(connection, commands, report, now, ct);
        commands.BatchCommands.Add(Command(
            """
            update usage.shard set last_batch = $2, chain = $3, last_report = $4, reported_batch = $5, reported_chain = $6,
              report_cut_at = case when $7 then clock_timestamp() else report_cut_at end where shard = $1
            """,
            _shard, plan.Head.Batch, plan.Head.Chain, plan.Head.Report, plan.Head.ReportedBatch, plan.Head.ReportedChain, plan.Report is not null));
        await commands.ExecuteNonQueryAsync(ct);
    }

    private HashSet<int> MissingDays(IReadOnlyList<UsageRow> rows)
    {
        var missing = new HashSet<int>();
        foreach (var row in rows)
        {
            var day = Partitions.DayOf(row.Generation.Id);
            if (!partitions.Has(day)) missing.Add(day);
        }
        return missing;
    }

    /// <returns>where the shard stands, and how long ago its last report was cut, by the database's clock; null if none was</returns>
    private async Task<(ShardHead Head, TimeSpan? SinceCut)> ReadHeadAsync(NpgsqlConnection connection, string locking, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            $"select epoch, last_batch, chain, last_report, reported_batch, reported_chain, clock_timestamp() - report_cut_at from usage.shard where shard = $1 {locking}", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = _shard });
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new StoreMismatchException($"usage.shard has no row {_shard}");
        tenure.Check(reader.GetInt64(0));
        var head = new ShardHead(reader.GetInt64(1), (byte[])reader[2], reader.GetInt64(3), reader.GetInt64(4), (byte[])reader[5]);
        return (head, reader.IsDBNull(6) ? null : reader.GetTimeSpan(6));
    }

    private async Task<List<KeyValuePair<LineKey, long>>> ReadUnreportedAsync(NpgsqlConnection connection, ShardHead head, CancellationToken ct)
    {
        var lines = new List<KeyValuePair<LineKey, long>>();
        if (head.Batch == head.ReportedBatch) return lines;
        await using var command = new NpgsqlCommand("""
            select subscription, period, period_end, plan, k.kind, sum(k.tokens)::bigint
            from usage.ledger_row, lateral (values ('input', input), ('cached_input', cached_input), ('cache_creation', cache_creation),
              ('output', output), ('reasoning', reasoning), ('overrun', overrun)) k(kind, tokens)
            where shard = $1 and batch > $2 and k.tokens <> 0 group by subscription, period, period_end, plan, k.kind having sum(k.tokens) <> 0
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = _shard });
        command.Parameters.Add(new NpgsqlParameter { Value = head.ReportedBatch });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            lines.Add(new(
                new LineKey(reader.GetGuid(0), reader.GetGuid(1), reader.GetFieldValue<DateTimeOffset>(2), reader.GetGuid(3), TokenNames.ParseKind(reader.GetString(4))),
                reader.GetInt64(5)));
        return lines;
    }

    /// <summary>The content of those rows that are in the table, by key.</summary>
    private static async Task<Dictionary<(Guid, long), long>> ReadStoredAsync(NpgsqlConnection connection, IReadOnlyList<UsageRow> rows, CancellationToken ct)
    {
        var stored = new Dictionary<(Guid, long), long>();
        await using var command = new NpgsqlCommand("""
            select e.generation, e.sequence, e.content from unnest($1::uuid[], $2::bigint[]) k(generation, sequence) join usage.token_event e using (generation, sequence)
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Generation.Id).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Sequence).ToArray() });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) stored[(reader.GetGuid(0), reader.GetInt64(1))] = reader.GetInt64(2);
        return stored;
    }

    private async Task AddBatchAsync(NpgsqlConnection connection, NpgsqlBatch commands, PlannedBatch batch, DateTimeOffset now, CancellationToken ct)
    {
        if (batch.Rows.Count > 0)
        {
            await _copy.WriteAsync(connection, _shard, batch.Number, batch.Rows, batch.Leaves, ct);
            TotalsUpdate.AddTo(commands, batch.Sums);
        }
        AddCorrections(commands, batch);
        ThresholdOutbox.Add(commands, _shard, batch.Rows);
        commands.BatchCommands.Add(Command(
            "insert into usage.batch (shard, number, row_count, root, previous_chain, chain, committed_at) values ($1, $2, $3, $4, $5, $6, $7)",
            _shard, batch.Number, (long)batch.Leaves.Length, batch.Root, batch.PreviousChain, batch.Chain, now));
    }

    private async Task AddReportAsync(NpgsqlConnection connection, NpgsqlBatch commands, PlannedReport report, DateTimeOffset now, CancellationToken ct)
    {
        commands.BatchCommands.Add(Command(
            "insert into usage.report (shard, number, first_batch, last_batch, previous_chain, chain, recorded_at) values ($1, $2, $3, $4, $5, $6, $7)",
            _shard, report.Number, report.FirstBatch, report.LastBatch, report.PreviousChain, report.Chain, now));
        await using var copy = await connection.BeginBinaryImportAsync(
            "copy usage.report_line (shard, number, subscription, period, period_end, plan, kind, tokens) from stdin (format binary)", ct);
        foreach (var (line, tokens) in report.Lines)
        {
            await copy.StartRowAsync(ct);
            await copy.WriteAsync(_shard, NpgsqlDbType.Integer, ct);
            await copy.WriteAsync(report.Number, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(line.Subscription, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(line.Period, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(line.PeriodEnd, NpgsqlDbType.TimestampTz, ct);
            await copy.WriteAsync(line.Plan, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(line.Kind.Name(), NpgsqlDbType.Text, ct);
            await copy.WriteAsync(tokens, NpgsqlDbType.Bigint, ct);
        }
        await copy.CompleteAsync(ct);
    }

    private static NpgsqlBatchCommand Command(string sql, params object[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }
}
