using Npgsql;
using NpgsqlTypes;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <param name="Rows">every row of the commit, in order: now in the table, whether this commit or an earlier one put it there</param>
/// <param name="Conflicts">rows whose key is taken by other content: not counted</param>
public sealed record ShardCommit(int Shard, IReadOnlyList<UsageRow> Rows, IReadOnlyList<UsageRow> Conflicts, bool ReportCut)
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
public sealed class LedgerCommit(Tenure tenure, UsageStore store, Partitions partitions, BusinessClock clock)
{
    private readonly int _shard = tenure.Shard;
    private readonly ReportLines _unreported = new();
    private readonly CommitSums _sums = new();
    private ShardHead? _head;
    private bool _outcomeUnknown = true;

    /// <summary>Batches wait for a report. Before the first commit nobody knows, so it is true.</summary>
    public bool HasUnreported => _head is null || _head.Batch > _head.ReportedBatch;

    /// <summary>As the table has it now: whoever asks for a head must not be told an old one by a process that has lost the shard.</summary>
    /// <exception cref="EpochLostException">Another process writes this shard now.</exception>
    public async Task<ShardHead> HeadAsync(CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        return await ReadHeadAsync(connection, "", ct);
    }

    public async Task<ShardCommit> WriteAsync(IReadOnlyList<UsageRow> rows, bool cut, CancellationToken ct)
    {
        await partitions.EnsureAsync(MissingDays(rows), ct);
        var (known, unknown) = (_head, _outcomeUnknown);
        // Until the commit is answered nobody knows whether it happened: then the tables are asked, and rows that are there are left out.
        (_head, _outcomeUnknown) = (null, true);

        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var head = await ReadHeadAsync(connection, "for no key update", ct);
        if (known is null || known.Batch != head.Batch || known.Report != head.Report) await ReadUnreportedAsync(connection, head, ct);

        IReadOnlyList<UsageRow> fresh = rows;
        List<UsageRow> conflicts = [];
        if (unknown && rows.Count > 0) fresh = await LeaveOutRepeats(connection, rows, conflicts, ct);
        var now = clock.Now;
        await using var batch = new NpgsqlBatch(connection);
        if (fresh.Count > 0) head = await AddBatchAsync(connection, batch, head, fresh, now, ct);
        var report = cut && head.Batch > head.ReportedBatch;
        if (report) head = await AddReportAsync(connection, batch, head, now, ct);
        if (batch.BatchCommands.Count > 0)
        {
            batch.BatchCommands.Add(Command(
                "update usage.shard set last_batch = $2, chain = $3, last_report = $4, reported_batch = $5, reported_chain = $6 where shard = $1",
                _shard, head.Batch, head.Chain, head.Report, head.ReportedBatch, head.ReportedChain));
            await batch.ExecuteNonQueryAsync(ct);
        }
        await transaction.CommitAsync(ct);

        (_head, _outcomeUnknown) = (head, false);
        if (report) _unreported.Clear();
        return new ShardCommit(_shard, [.. rows], conflicts, report);
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

    private async Task<ShardHead> ReadHeadAsync(NpgsqlConnection connection, string locking, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            $"select epoch, last_batch, chain, last_report, reported_batch, reported_chain from usage.shard where shard = $1 {locking}", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = _shard });
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new StoreMismatchException($"usage.shard has no row {_shard}");
        tenure.Check(reader.GetInt64(0));
        return new ShardHead(reader.GetInt64(1), (byte[])reader[2], reader.GetInt64(3), reader.GetInt64(4), (byte[])reader[5]);
    }

    private async Task ReadUnreportedAsync(NpgsqlConnection connection, ShardHead head, CancellationToken ct)
    {
        _unreported.Clear();
        if (head.Batch == head.ReportedBatch) return;
        await using var command = new NpgsqlCommand("""
            select subscription, period, period_end, plan, k.kind, sum(k.tokens)::bigint
            from usage.token_event, lateral (values ('input', input), ('cached_input', cached_input), ('cache_creation', cache_creation),
              ('output', output), ('reasoning', reasoning), ('overrun', overrun)) k(kind, tokens)
            where shard = $1 and batch > $2 and k.tokens <> 0 group by subscription, period, period_end, plan, k.kind
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = _shard });
        command.Parameters.Add(new NpgsqlParameter { Value = head.ReportedBatch });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            _unreported.Add(
                new LineKey(reader.GetGuid(0), reader.GetGuid(1), reader.GetFieldValue<DateTimeOffset>(2), reader.GetGuid(3), TokenNames.ParseKind(reader.GetString(4))),
                reader.GetInt64(5));
    }

    /// <summary>The rows that are not in the table yet. Those that are, with the same content, were committed by an attempt whose answer got lost.</summary>
    private static async Task<List<UsageRow>> LeaveOutRepeats(NpgsqlConnection connection, IReadOnlyList<UsageRow> rows, List<UsageRow> conflicts, CancellationToken ct)
    {
        var stored = new Dictionary<(Guid, long), long>();
        await using (var command = new NpgsqlCommand("""
            select e.generation, e.sequence, e.content from unnest($1::uuid[], $2::bigint[]) k(generation, sequence) join usage.token_event e using (generation, sequence)
            """, connection))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Generation.Id).ToArray() });
            command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Sequence).ToArray() });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) stored[(reader.GetGuid(0), reader.GetInt64(1))] = reader.GetInt64(2);
        }
        var fresh = new List<UsageRow>(rows.Count);
        foreach (var row in rows)
        {
            if (!stored.TryGetValue((row.Generation.Id, row.Sequence), out var content)) fresh.Add(row);
            else if (content != row.Content) conflicts.Add(row);
        }
        return fresh;
    }

    private async Task<ShardHead> AddBatchAsync(
        NpgsqlConnection connection, NpgsqlBatch batch, ShardHead head, IReadOnlyList<UsageRow> rows, DateTimeOffset now, CancellationToken ct)
    {
        var number = head.Batch + 1;
        var leaves = new byte[rows.Count][];
        for (var i = 0; i < leaves.Length; i++) leaves[i] = Leaf.Of(rows[i]);
        await EventCopy.WriteAsync(connection, _shard, number, rows, leaves, ct);
        _sums.Of(rows);
        _sums.AddTo(batch);
        foreach (var row in rows) _unreported.Add(row);

        var root = MerkleTree.Root(leaves);
        var chain = MerkleTree.Chain(head.Chain, number, root);
        batch.BatchCommands.Add(Command(
            "insert into usage.batch (shard, number, row_count, root, previous_chain, chain, committed_at) values ($1, $2, $3, $4, $5, $6, $7)",
            _shard, number, (long)rows.Count, root, head.Chain, chain, now));
        return head with { Batch = number, Chain = chain };
    }

    private async Task<ShardHead> AddReportAsync(NpgsqlConnection connection, NpgsqlBatch batch, ShardHead head, DateTimeOffset now, CancellationToken ct)
    {
        var number = head.Report + 1;
        batch.BatchCommands.Add(Command(
            "insert into usage.report (shard, number, first_batch, last_batch, previous_chain, chain, recorded_at) values ($1, $2, $3, $4, $5, $6, $7)",
            _shard, number, head.ReportedBatch + 1, head.Batch, head.ReportedChain, head.Chain, now));
        await using (var copy = await connection.BeginBinaryImportAsync(
            "copy usage.report_line (shard, number, subscription, period, period_end, plan, kind, tokens) from stdin (format binary)", ct))
        {
            foreach (var (line, tokens) in _unreported.Tokens)
            {
                await copy.StartRowAsync(ct);
                await copy.WriteAsync(_shard, NpgsqlDbType.Integer, ct);
                await copy.WriteAsync(number, NpgsqlDbType.Bigint, ct);
                await copy.WriteAsync(line.Subscription, NpgsqlDbType.Uuid, ct);
                await copy.WriteAsync(line.Period, NpgsqlDbType.Uuid, ct);
                await copy.WriteAsync(line.PeriodEnd, NpgsqlDbType.TimestampTz, ct);
                await copy.WriteAsync(line.Plan, NpgsqlDbType.Uuid, ct);
                await copy.WriteAsync(line.Kind.Name(), NpgsqlDbType.Text, ct);
                await copy.WriteAsync(tokens, NpgsqlDbType.Bigint, ct);
            }
            await copy.CompleteAsync(ct);
        }
        return head with { Report = number, ReportedBatch = head.Batch, ReportedChain = head.Chain };
    }

    private static NpgsqlBatchCommand Command(string sql, params object[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }
}
