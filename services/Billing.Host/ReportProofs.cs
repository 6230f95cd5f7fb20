using System.Runtime.CompilerServices;
using System.Text.Json;
using Billing.Audit;
using Billing.Invoices;
using Contracts.Billing.V1;
using Google.Protobuf;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// The streams of the periods that reports were brought to, the documents of the invoices that have their tokens, and what ties the events to the head of the seals. Every event of a
/// period is shown, so that whoever checks can add up what the invoice says, and sees by the versions that nothing is left out; of an invoice's stream, what there is up to the event that made it final, and up to the one that
/// voided it where it demands nothing any more.
/// </summary>
/// <param name="rootsAtOnce">a message is no longer than clients take: 1.7 MB of roots by default</param>
internal sealed class ReportProofs(NpgsqlConnection books, int rootsAtOnce = 50_000)
{
    private const string EventColumns = "seq_id, stream_id, version, type, data::text";
    private SealPage? _page;

    /// <exception cref="RefusedException">report_not_applied, events_not_sealed</exception>
    public async IAsyncEnumerable<ReportProofPart> Run(IReadOnlyCollection<ReportOfPeriod> reports, [EnumeratorCancellation] CancellationToken ct)
    {
        string[] periods = [.. reports.Select(r => r.PeriodId).Distinct()];
        var events = await Events($"select {EventColumns} from billing.mt_events where stream_id = any($1)", periods, ct);
        foreach (var r in reports) await MustBeApplied(r, ct);
        // A period that is open goes on: what came since the last page is in no proof that is asked for now, unless it is what was asked for.
        var sealedThrough = (await SealReader.LastPage(books, ct))?.ToSequence ?? 0;
        events.RemoveAll(e => e.Sequence > sealedThrough && e.Type == "usage_applied" && !reports.Any(r => IsOf(e, r)));

        string[] invoiced = [.. periods, .. events.Where(e => e.Type == "late_usage_carried").Select(e => Read(e, d => d.GetProperty("intoPeriodId").GetString()!))];
        string[] invoiceIds = [.. invoiced.Distinct().Select(InvoiceIds.Of)];
        events.AddRange(await Events($"""
            select {EventColumns} from billing.mt_events e where stream_id = any($1)
            and version <= (select max(f.version) from billing.mt_events f where f.stream_id = e.stream_id and f.type in ('invoice_finalized', 'invoice_voided'))
            """, invoiceIds, ct));
        var firstPage = long.MaxValue;
        foreach (var e in events.OrderBy(e => e.Sequence))
        {
            var proven = await Prove(e, ct);
            firstPage = Math.Min(firstPage, proven.Page);
            yield return new() { Event = proven };
        }
        await foreach (var invoice in Invoices(invoiceIds, ct)) yield return new() { Invoice = invoice };
        await foreach (var seals in Seals(firstPage, ct)) yield return new() { Seals = seals };
    }

    private static bool IsOf(StoredEvent applied, ReportOfPeriod r) =>
        applied.Stream == r.PeriodId && Read(applied, d => d.GetProperty("shard").GetInt32() == r.Shard && d.GetProperty("report").GetInt64() == r.Number);

    private async Task MustBeApplied(ReportOfPeriod r, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select exists (select from billing.mt_doc_appliedreport where id = $1)", books) { CommandTimeout = 0, Parameters = { new() { Value = AppliedReport.IdOf(r.Shard, r.Number) } } };
        if (await command.ExecuteScalarAsync(ct) is not true)
            throw new Refusal("report_not_applied", $"report {r.Number} of shard {r.Shard} is not in the books: it is on its way, parked, or its shard is stopped").AsException();
    }

    private async Task<ProvenEvent> Prove(StoredEvent e, CancellationToken ct)
    {
        // Ascending, so that a page is read once.
        if (_page is null || _page.ToSequence < e.Sequence)
        {
            await using var command = new NpgsqlCommand("select page from billing.seal where to_sequence >= $1 order by page limit 1", books) { CommandTimeout = 0, Parameters = { new() { Value = e.Sequence } } };
            if (await command.ExecuteScalarAsync(ct) is not long number)
                throw new Refusal("events_not_sealed", $"{e.Name} is not sealed yet: ask again in a moment").AsException();
            _page = (await SealReader.Page(books, number - 1, ct))!;
        }
        var index = _page.Sequences.ToList().IndexOf(e.Sequence);
        if (index < 0) throw new Refusal("events_not_sealed", $"{e.Name} is in no page of seals: it was added after they were made").AsException();
        var proven = new ProvenEvent
        {
            Sequence = e.Sequence, Stream = e.Stream, Version = e.Version, Type = e.Type, Data = e.Data, Page = _page.Number, Index = index, LeafCount = _page.Leaves.Count,
        };
        proven.Path.AddRange(MerkleTree.InclusionProof(_page.Leaves, index).Select(h => ByteString.CopyFrom(h)));
        return proven;
    }

    private async IAsyncEnumerable<SealChain> Seals(long firstPage, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select previous_chain, root, chain from billing.seal where page >= $1 order by page", books) { CommandTimeout = 0, Parameters = { new() { Value = firstPage } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var seals = new SealChain { FirstPage = firstPage };
        while (await reader.ReadAsync(ct))
        {
            if (seals.Roots.Count == rootsAtOnce)
            {
                yield return seals;
                seals = new() { FirstPage = seals.FirstPage + rootsAtOnce };
            }
            if (seals.Roots.Count == 0) seals.PreviousChain = ByteString.CopyFrom((byte[])reader[0]);
            seals.Roots.Add(ByteString.CopyFrom((byte[])reader[1]));
            seals.Head = ByteString.CopyFrom((byte[])reader[2]);
        }
        yield return seals;
    }

    private async IAsyncEnumerable<ProvenInvoice> Invoices(string[] ids, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select id, data ->> 'number', data ->> 'document' from billing.mt_doc_storedinvoice where id = any($1) order by id", books) { CommandTimeout = 0, Parameters = { new() { Value = ids } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) yield return new() { InvoiceId = reader.GetString(0), Number = reader.GetString(1), Document = reader.GetString(2) };
    }

    private async Task<List<StoredEvent>> Events(string sql, string[] streams, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, books) { CommandTimeout = 0, Parameters = { new() { Value = streams } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var events = new List<StoredEvent>();
        while (await reader.ReadAsync(ct)) events.Add(new(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetString(3), reader.GetString(4)));
        return events;
    }

    private static T Read<T>(StoredEvent e, Func<JsonElement, T> read)
    {
        using var json = JsonDocument.Parse(e.Data);
        try
        {
            return read(json.RootElement);
        }
        catch (Exception x) when (CorruptStreamException.IsOfAFold(x))
        {
            throw CorruptStreamException.Unreadable(e.Name, x);
        }
    }
}
