using Contracts.Messages;
using Npgsql;

namespace Usage.Host.Ledger;

/// <summary>Reports as they were cut, from the tables.</summary>
public static class ReportReader
{
    public static async Task<List<UsageRecorded>> ReadAsync(
        NpgsqlConnection connection, int shard, bool unpublishedOnly, long from, long to, int reportsMax, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection);
        var which = $"select number, first_batch, last_batch, previous_chain, chain, recorded_at from usage.report where shard = $1 and number between $2 and $3 {(unpublishedOnly ? "and not published" : "")} order by number limit $4";
        Add(batch, $"{which}", shard, from, to, reportsMax);
        Add(batch, $"select b.number, b.root from ({which}) r join usage.batch b on b.shard = $1 and b.number between r.first_batch and r.last_batch order by b.number", shard, from, to, reportsMax);
        Add(batch, $"select l.number, l.subscription, l.period, l.period_end, l.plan, l.kind, l.tokens from ({which}) r join usage.report_line l on l.shard = $1 and l.number = r.number order by l.number, l.subscription, l.period, l.plan, l.kind", shard, from, to, reportsMax);
        await using var reader = await batch.ExecuteReaderAsync(ct);

        var heads = new List<(long Number, long First, long Last, string Previous, string Chain, DateTimeOffset RecordedAt)>();
        while (await reader.ReadAsync(ct))
            heads.Add((reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), Hex(reader, 3), Hex(reader, 4), reader.GetFieldValue<DateTimeOffset>(5)));
        await reader.NextResultAsync(ct);
        var roots = new Dictionary<long, string>();
        while (await reader.ReadAsync(ct)) roots[reader.GetInt64(0)] = Hex(reader, 1);
        await reader.NextResultAsync(ct);
        var lines = new Dictionary<long, List<RecordedLine>>();
        while (await reader.ReadAsync(ct))
        {
            var number = reader.GetInt64(0);
            if (!lines.TryGetValue(number, out var some)) lines[number] = some = [];
            some.Add(new RecordedLine(
                Ids.Format(Ids.Subscription, reader.GetGuid(1)), Ids.Format(Ids.Period, reader.GetGuid(2)), reader.GetFieldValue<DateTimeOffset>(3),
                Ids.Format(Ids.Plan, reader.GetGuid(4)), reader.GetString(5), reader.GetInt64(6)));
        }
        return [.. heads.Select(h => new UsageRecorded(
            shard, h.Number, h.First, h.Last, h.Previous, RootsOf(roots, h.First, h.Last), h.Chain, h.RecordedAt, lines.GetValueOrDefault(h.Number) ?? []))];
    }

    private static List<string> RootsOf(Dictionary<long, string> roots, long first, long last)
    {
        var some = new List<string>();
        for (var number = first; number <= last; number++) some.Add(roots[number]);
        return some;
    }

    private static string Hex(NpgsqlDataReader reader, int column) => Convert.ToHexStringLower((byte[])reader[column]);

    private static void Add(NpgsqlBatch batch, string sql, params object[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        batch.BatchCommands.Add(command);
    }
}
