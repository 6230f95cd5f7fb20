using System.Runtime.CompilerServices;
using System.Text.Json;
using Billing.Audit;
using Billing.Periods;
using Npgsql;

namespace Billing.Host;

/// <summary>Reads an export out of one snapshot of the database, line by line.</summary>
public static class ExportReader
{
    public static async IAsyncEnumerable<string> Lines(NpgsqlConnection connection, [EnumeratorCancellation] CancellationToken ct)
    {
        var export = new ExportFormat();
        await using (var count = new NpgsqlCommand("""
            select (select count(*) from billing.mt_events), (select coalesce(max(seq_id), 0) from billing.mt_events), (select count(*) from billing.seal),
                   (select count(*) from billing.mt_doc_appliedreport), (select count(*) from billing.mt_doc_storedinvoice),
                   (select count(*) from billing.mt_doc_storedcreditnote)
            """, connection))
        await using (var reader = await count.ExecuteReaderAsync(ct))
        {
            await reader.ReadAsync(ct);
            yield return export.Manifest(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5));
        }

        // Each page right after its events, so that whoever verifies needs to remember one page, not the file.
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
            select (data ->> 'shard')::integer, (data ->> 'number')::bigint, (data ->> 'firstBatch')::bigint, (data ->> 'lastBatch')::bigint, data ->> 'previousChain',
                   array(select jsonb_array_elements_text(data -> 'roots')), data ->> 'chain',
                   data ->> 'recordedAt', (data ->> 'lineCount')::integer, nullif(data -> 'lines', 'null'::jsonb)::text
            from billing.mt_doc_appliedreport order by 1, 2
            """, connection))
        await using (var reader = await reports.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct))
                yield return export.Report(
                    reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetString(4), reader.GetFieldValue<string[]>(5), reader.GetString(6),
                    reader.GetString(7), reader.GetInt32(8), reader.IsDBNull(9) ? null : JsonSerializer.Deserialize<ReportedLine[]>(reader.GetString(9), JsonSerializerOptions.Web));

        await using (var invoices = new NpgsqlCommand("""
            select id, data ->> 'number', data ->> 'documentSha256', data ->> 'document' from billing.mt_doc_storedinvoice order by data ->> 'number' collate "C"
            """, connection))
        await using (var reader = await invoices.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct))
                yield return export.Invoice(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3));

        await using (var notes = new NpgsqlCommand("""
            select id, data ->> 'number', data ->> 'invoiceId', data ->> 'documentSha256', data ->> 'document' from billing.mt_doc_storedcreditnote order by data ->> 'number' collate "C"
            """, connection))
        await using (var reader = await notes.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct))
                yield return export.CreditNote(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4));
        yield return export.End();
    }
}
