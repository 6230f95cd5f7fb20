using System.Runtime.CompilerServices;
using System.Text.Json;
using Billing.Audit;
using Billing.Periods;
using Npgsql;

namespace Billing.Host;

/// <summary>Reads an export out of one snapshot of the database, line by line.</summary>
public static class ExportReader
{
    private const int DocumentsAtOnce = 500;

    public static async IAsyncEnumerable<string> Lines(NpgsqlConnection connection, [EnumeratorCancellation] CancellationToken ct)
    {
        var export = new ExportFormat();
        await using (var count = new NpgsqlCommand("""
            select (select count(*) from billing.mt_events), (select coalesce(max(seq_id), 0) from billing.mt_events), (select count(*) from billing.seal),
                   (select count(*) from billing.mt_doc_appliedreport), (select count(*) from billing.mt_doc_storedinvoice),
                   (select count(*) from billing.mt_doc_storedcreditnote)
            """, connection) { CommandTimeout = 0 })
        await using (var reader = await count.ExecuteReaderAsync(ct))
        {
            await reader.ReadAsync(ct);
            yield return export.Manifest(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5));
        }

        // Each page right after its events, so that whoever verifies needs to remember the leaves of one page; of all events he keeps their ids, and to which period they brought which report.
        long through = 0;
        for (long page = 0; await SealReader.Page(connection, page, ct) is { } next; page = next.Number)
        {
            var to = next.ToSequence;
            await foreach (var e in SealReader.Events(connection, through, to, ct)) yield return export.Event(e);
            yield return export.Page(next);
            through = to;
        }
        await foreach (var e in SealReader.Events(connection, through, long.MaxValue, ct)) yield return export.Event(e);

        await using (var reports = new NpgsqlCommand("""
            select (data ->> 'shard')::integer, (data ->> 'number')::bigint, (data ->> 'firstBatch')::bigint, (data ->> 'lastBatch')::bigint, coalesce(data ->> 'previousChain', ''),
                   array(select jsonb_array_elements_text(data -> 'roots')), coalesce(data ->> 'chain', ''),
                   coalesce(data ->> 'recordedAt', ''), (data ->> 'lineCount')::integer, nullif(data -> 'lines', 'null'::jsonb)::text
            from billing.mt_doc_appliedreport order by 1, 2
            """, connection) { CommandTimeout = 0 })
        await using (var reader = await reports.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct))
                yield return export.Report(
                    reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetString(4), reader.GetFieldValue<string[]>(5), reader.GetString(6),
                    reader.GetString(7), reader.GetInt32(8), reader.IsDBNull(9) ? null : JsonSerializer.Deserialize<ReportedLine[]>(reader.GetString(9), JsonSerializerOptions.Web));

        // What a row does not have is empty: the verifier names such a document, and the others are there.
        await foreach (var i in Documents(connection, "mt_doc_storedinvoice", ["number", "documentSha256", "document"], ct)) yield return export.Invoice(i[0], i[1], i[2], i[3]);
        await foreach (var n in Documents(connection, "mt_doc_storedcreditnote", ["number", "invoiceId", "documentSha256", "document"], ct)) yield return export.CreditNote(n[0], n[1], n[2], n[3], n[4]);
        yield return export.End();
    }

    /// <summary>The id of each document and these values of it, by number. PostgreSQL sorts ids and numbers only, and the documents are fetched by their ids.</summary>
    private static async IAsyncEnumerable<string[]> Documents(NpgsqlConnection connection, string table, string[] names, [EnumeratorCancellation] CancellationToken ct)
    {
        var ids = new List<string>();
        await using (var command = new NpgsqlCommand($"select id from billing.{table} order by data ->> 'number' collate \"C\", id", connection) { CommandTimeout = 0 })
        await using (var reader = await command.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct)) ids.Add(reader.GetString(0));
        var values = string.Concat(names.Select(name => $", coalesce(data ->> '{name}', '')"));
        foreach (var some in ids.Chunk(DocumentsAtOnce))
        {
            await using var command = new NpgsqlCommand($"select d.id{values} from unnest($1) with ordinality as asked(id, place) join billing.{table} d using (id) order by place", connection)
            {
                CommandTimeout = 0, Parameters = { new() { Value = some } },
            };
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) yield return [.. Enumerable.Range(0, names.Length + 1).Select(reader.GetString)];
        }
    }
}
