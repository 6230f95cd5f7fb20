using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;

namespace Bench.Books;

/// <summary>
/// The rows that closing a month wrote, inserted by one INSERT each into tables with the same columns, keys and indexes, in transactions of as many invoices as billing's: events, their streams,
/// documents, standings, the subscription's view and both work lists. No reading, no rating, no hashing, no view to keep: what is left is the price of writing.
/// </summary>
public static class PlainInserts
{
    private static readonly (string Table, string Where)[] Tables =
    [
        ("mt_events", "where seq_id > $1 order by seq_id"), ("mt_streams", "where id in (select stream_id from billing.mt_events where seq_id > $1) order by id"),
        ("mt_doc_storedinvoice", "where $1 > 0 order by id"), ("mt_doc_invoicestandingview", "where $1 > 0 order by id"), ("mt_doc_subscriptionview", "where $1 > 0 order by id"),
        ("mt_doc_periodtoclose", "where $1 > 0 order by id"), ("mt_doc_periodtoinvoice", "where $1 > 0 order by id"),
    ];

    /// <param name="after">the sequence of the last event before the close</param>
    public static async Task<TimeSpan> RunAsync(string connectionString, long after, int invoices, int invoicesAtOnce, CancellationToken ct)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        var work = new List<(string Sql, List<object?[]> Rows)>();
        foreach (var (table, where) in Tables)
        {
            await using (var copy = source.CreateCommand($"create table billing.plain_{table} (like billing.{table} including all)")) await copy.ExecuteNonQueryAsync(ct);
            work.Add(await Rows(source, table, where, after, ct));
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var begin = Stopwatch.GetTimestamp();
        var batches = (invoices + invoicesAtOnce - 1) / invoicesAtOnce;
        for (var n = 0; n < batches; n++)
        {
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await using var batch = new NpgsqlBatch(connection, transaction);
            foreach (var (sql, rows) in work)
                for (var i = rows.Count * n / batches; i < rows.Count * (n + 1) / batches; i++)
                {
                    var command = new NpgsqlBatchCommand(sql);
                    foreach (var value in rows[i]) command.Parameters.Add(value is string ? new() { Value = value, NpgsqlDbType = NpgsqlDbType.Text } : new() { Value = value ?? DBNull.Value });
                    batch.BatchCommands.Add(command);
                }
            await batch.ExecuteNonQueryAsync(ct);
            await transaction.CommitAsync(ct);
        }
        return Stopwatch.GetElapsedTime(begin);
    }

    private static async Task<(string Sql, List<object?[]> Rows)> Rows(NpgsqlDataSource source, string table, string where, long after, CancellationToken ct)
    {
        var columns = new List<(string Name, string Type)>();
        await using (var command = source.CreateCommand("select attname, atttypid::regtype::text from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum"))
        {
            command.Parameters.Add(new() { Value = $"billing.{table}" });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) columns.Add((reader.GetString(0), reader.GetString(1)));
        }
        var rows = new List<object?[]>();
        await using (var command = source.CreateCommand($"select {string.Join(", ", columns.Select(c => c.Type == "jsonb" ? $"{c.Name}::text" : c.Name))} from billing.{table} {where}"))
        {
            command.CommandTimeout = 0;
            command.Parameters.Add(new() { Value = after });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                var row = new object?[columns.Count];
                for (var i = 0; i < row.Length; i++) row[i] = reader.IsDBNull(i) ? null : reader.GetValue(i);
                rows.Add(row);
            }
        }
        return ($"insert into billing.plain_{table} ({string.Join(", ", columns.Select(c => c.Name))}) values ({string.Join(", ", columns.Select((c, i) => $"${i + 1}::{c.Type}"))})", rows);
    }
}
