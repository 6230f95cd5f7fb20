using System.Runtime.CompilerServices;
using System.Text.Json;
using Billing.Audit;
using Billing.Periods;
using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Grpc.Core;
using Npgsql;
using UsageReport = Contracts.Usage.V1.UsageReport;

namespace Billing.Host;

/// <summary>
/// Follows every token from usage's rows to billing's invoices: rows = batches = reports = events of periods = lines of invoices. Each step is compared
/// with the one before it and a difference names its place. Usage is asked how far it is before billing's snapshot is taken, and reports that
/// billing has not applied by then are on their way, not lost, as long as nothing after them is applied, they are not parked and their shard is not stopped.
/// </summary>
internal sealed partial class Reconciliation(UsageLedger.UsageLedgerClient usage, NpgsqlConnection books, EventRows events, GetHeadsResponse asked, bool withRows)
{
    private readonly TokenTally _applied = new();
    private readonly ReconcileSummary _summary = new();
    private readonly Dictionary<long, ReconcileDifference> _unreadable = [];

    public async IAsyncEnumerable<ReconcilePart> Run([EnumeratorCancellation] CancellationToken ct)
    {
        // Periods first: there every event is read, and what cannot be read is left out of what its reports are compared with. What is held of them is what does not agree.
        var periods = await Periods(ct).ToListAsync(ct);
        foreach (var difference in _unreadable.Values) yield return Said(difference);
        await foreach (var difference in Reports(ct)) yield return Said(difference);
        foreach (var difference in periods) yield return Said(difference);
        yield return new() { Summary = _summary };
    }

    private ReconcilePart Said(ReconcileDifference difference)
    {
        _summary.Differences++;
        return new() { Difference = difference };
    }

    /// <summary>Both sides in the order of shard and number, side by side: neither is ever held whole.</summary>
    private async IAsyncEnumerable<ReconcileDifference> Reports([EnumeratorCancellation] CancellationToken ct)
    {
        var obstacles = await ReportObstacles.ReadAsync(books, ct);
        await using var booked = Booked(ct).GetAsyncEnumerator(ct);
        var more = await booked.MoveNextAsync();
        foreach (var head in asked.Heads.OrderBy(h => h.Shard))
        {
            for (; more && booked.Current.Shard < head.Shard; more = await booked.MoveNextAsync())
                foreach (var d in Unknown(booked.Current)) yield return d;
            if (head.ReportNumber == 0) continue;
            using var batches = usage.GetBatches(new() { Shard = head.Shard, FromNumber = 1, ToNumber = head.BatchNumber, IncludeRows = withRows }, cancellationToken: ct);
            using var call = usage.GetReports(new() { Shard = head.Shard, FromNumber = 1, ToNumber = head.ReportNumber }, cancellationToken: ct);
            var waiting = new List<ReconcileDifference>();
            var previous = MerkleTree.EmptyRoot;
            await foreach (var report in call.ResponseStream.ReadAllAsync(ct))
            {
                _summary.Reports++;
                var recorded = new TokenTally();
                foreach (var l in report.Lines) recorded.Add(new(l.SubscriptionId, l.PeriodId, l.PlanId, l.Kind), l.Tokens);
                _summary.RecordedTokens += recorded.Total;
                await foreach (var d in Batches(report, recorded, batches, previous, ct)) yield return d;
                previous = report.Chain.ToByteArray();

                for (; more && booked.Current.Shard == head.Shard && booked.Current.Number < report.Number; more = await booked.MoveNextAsync())
                    foreach (var d in Unknown(booked.Current)) yield return d;
                if (!more || booked.Current.Shard != head.Shard || booked.Current.Number != report.Number)
                {
                    if (obstacles.Parked(report.Shard, report.Number) is { } parked) yield return Of("report_parked", report.Shard, report.Number, default, recorded.Total, 0, parked);
                    else waiting.Add(Of("report_missing", report.Shard, report.Number, default, recorded.Total, 0, $"report {report.Number} of shard {report.Shard} was recorded by usage and is not in the books, though a later one is"));
                    continue;
                }
                foreach (var d in waiting) yield return d;
                waiting.Clear();
                foreach (var d in Compare(report, recorded, booked.Current)) yield return d;
                more = await booked.MoveNextAsync();
            }
            if (obstacles.Stopped(head.Shard) is not { } stopped) _summary.WaitingReports += waiting.Count;
            else
                yield return Of("shard_stopped", head.Shard, waiting.FirstOrDefault()?.ReportNumber ?? 0, default, waiting.Sum(d => d.RecordedTokens), 0,
                    $"shard {head.Shard} is stopped and {waiting.Count} of its reports wait: {stopped}");
        }
        for (; more; more = await booked.MoveNextAsync())
            foreach (var d in Unknown(booked.Current)) yield return d;
        if (await RemovedRows(ct) is { } removed) yield return removed;
    }

    private IEnumerable<ReconcileDifference> Compare(UsageReport report, TokenTally recorded, BookedReport booked)
    {
        _summary.AppliedTokens += booked.Tokens.Total;
        if (booked.Chain != Convert.ToHexStringLower(report.Chain.Span))
            yield return Of("report_differs", report.Shard, report.Number, default, 0, 0, booked.Chain is null
                ? $"report {report.Number} of shard {report.Shard} has events and is not noted as applied"
                : $"the chain of report {report.Number} of shard {report.Shard} is not the one that was applied");
        // Events know the period, and the period its subscription: the plan and the kind must be the same.
        var byPeriod = new TokenTally();
        foreach (var l in report.Lines) byPeriod.Add(new("", l.PeriodId, l.PlanId, l.Kind), l.Tokens);
        foreach (var key in byPeriod.DifferencesTo(booked.Tokens))
            yield return Of("report_differs", report.Shard, report.Number,
                key with { SubscriptionId = report.Lines.FirstOrDefault(l => l.PeriodId == key.PeriodId)?.SubscriptionId ?? "" }, byPeriod[key], booked.Tokens[key],
                $"report {report.Number} of shard {report.Shard} says {byPeriod[key]} {key.Kind} tokens, and its events {booked.Tokens[key]}");
    }

    private IEnumerable<ReconcileDifference> Unknown(BookedReport booked)
    {
        _summary.AppliedTokens += booked.Tokens.Total;
        yield return Of("report_unknown", booked.Shard, booked.Number, default, 0, booked.Tokens.Total, $"report {booked.Number} of shard {booked.Shard} is in the books, and usage does not have it");
    }

    /// <param name="Chain">as applied; null where it is not noted</param>
    private sealed record BookedReport(int Shard, long Number, string? Chain, TokenTally Tokens);

    private async IAsyncEnumerable<BookedReport> Booked([EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            with applied as (select (data ->> 'shard')::integer as shard, (data ->> 'number')::bigint as number, data ->> 'chain' as chain from billing.mt_doc_appliedreport),
            used as (
                select (data ->> 'shard')::integer as shard, (data ->> 'report')::bigint as number, stream_id, l ->> 'planId' as plan, l ->> 'kind' as kind, (l ->> 'tokens')::bigint as tokens
                from billing.mt_events cross join lateral jsonb_array_elements(data -> 'lines') l where type = 'usage_applied' and seq_id <> all($1))
            select shard, number, chain, stream_id, plan, kind, tokens from applied full join used using (shard, number) order by shard, number
            """, books) { CommandTimeout = 0, Parameters = { new() { Value = _unreadable.Keys.ToArray() } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        BookedReport? report = null;
        while (await reader.ReadAsync(ct))
        {
            var (shard, number) = (reader.GetInt32(0), reader.GetInt64(1));
            if (report is null || (report.Shard, report.Number) != (shard, number))
            {
                if (report is not null) yield return report;
                report = new(shard, number, reader.IsDBNull(2) ? null : reader.GetString(2), new());
            }
            if (reader.IsDBNull(3)) continue;
            report.Tokens.Add(new("", reader.GetString(3), reader.GetString(4), reader.GetString(5)), reader.GetInt64(6));
        }
        if (report is not null) yield return report;
    }

    /// <summary>What was applied to a period and closed, or carried, against what the lines of final invoices say of it, kind by kind.</summary>
    private async IAsyncEnumerable<ReconcileDifference> Periods([EnumeratorCancellation] CancellationToken ct)
    {
        var (final, invoiced, faults) = await Invoiced(ct);
        foreach (var fault in faults) yield return fault;
        await using var command = new NpgsqlCommand($"""
            select {EventRows.Columns} from billing.mt_events
            where type in ('usage_applied', 'period_closed', 'late_usage_carried') order by stream_id, version
            """, books) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var (period, due, open) = ("", new TokenTally(), new TokenTally());
        while (await reader.ReadAsync(ct))
        {
            var row = events.Read(reader);
            if (row.Stream != period)
            {
                foreach (var d in Settle(period, due, open, invoiced)) yield return d;
                (period, due, open) = (row.Stream, new(), new());
            }
            switch (row.Data)
            {
                case UsageApplied used:
                    foreach (var l in used.Lines) open.Add(new("", period, "", l.Kind.Name()), l.Tokens);
                    break;
                case PeriodClosed:
                    open = Close(open, due, final.ContainsKey(period));
                    break;
                case LateUsageCarried carried:
                    open = Close(open, due, final.ContainsKey(carried.IntoPeriodId));
                    break;
                case UnreadableEvent unreadable:
                    _unreadable[row.Sequence] = Of("event_unreadable", 0, 0, new(final.GetValueOrDefault(period, ""), period, "", ""), 0, 0, unreadable.Fault.Message);
                    break;
            }
        }
        foreach (var d in Settle(period, due, open, invoiced)) yield return d;

        IEnumerable<ReconcileDifference> Settle(string of, TokenTally expected, TokenTally left, Dictionary<string, TokenTally> lines)
        {
            _summary.OpenTokens += left.Total;
            lines.Remove(of, out var found);
            foreach (var key in expected.DifferencesTo(found ?? new()))
                yield return Of("invoice_differs", 0, 0, key with { SubscriptionId = final.GetValueOrDefault(of, "") }, expected[key], found?[key] ?? 0,
                    $"{expected[key]} {key.Kind} tokens of {of} are closed or carried, and final invoices have {found?[key] ?? 0}");
        }

        foreach (var (of, lines) in invoiced.Where(i => i.Value.Total != 0))
            foreach (var key in lines.DifferencesTo(new()))
                yield return Of("invoice_differs", 0, 0, key, 0, lines[key], $"final invoices have {lines[key]} {key.Kind} tokens of {of}, and no event brought them");
    }

    /// <summary>What stood open is demanded by an invoice, or will be by one that is not final yet.</summary>
    private TokenTally Close(TokenTally open, TokenTally due, bool isFinal)
    {
        if (!isFinal) _summary.OpenTokens += open.Total;
        else
            foreach (var key in open.DifferencesTo(new())) due.Add(key, open[key]);
        return new();
    }

    /// <returns>the subscription of every period that has a final invoice; by period, the tokens that lines say; and the documents that cannot be read, whose lines say none</returns>
    private async Task<(Dictionary<string, string> Final, Dictionary<string, TokenTally> Tokens, List<ReconcileDifference> Faults)> Invoiced(CancellationToken ct)
    {
        var (final, tokens, faults) = (new Dictionary<string, string>(), new Dictionary<string, TokenTally>(), new List<ReconcileDifference>());
        await using var command = new NpgsqlCommand("select data ->> 'periodId', data ->> 'subscriptionId', data ->> 'document', id, id in (select stream_id from billing.mt_events where type = 'invoice_voided') from billing.mt_doc_storedinvoice", books) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
            var (period, subscription, id) = (Text(0) ?? "", Text(1) ?? "", reader.GetString(3));
            final[period] = subscription;
            _summary.Invoices++;
            var lines = new List<(TallyKey Key, long Tokens)>();
            try
            {
                lines.AddRange(LinesOf(period, Text(2)));
            }
            catch (Exception e) when (e is JsonException || CorruptStreamException.IsOfAFold(e))
            {
                faults.Add(Of("document_unreadable", 0, 0, new(subscription, period, "", ""), 0, 0, $"the stored document of {id} cannot be read, so that it is not known which tokens it demands: {e.Message}"));
                continue;
            }
            foreach (var (key, count) in lines)
            {
                if (!tokens.TryGetValue(key.PeriodId, out var tally)) tokens[key.PeriodId] = tally = new();
                tally.Add(key, count);
                _summary.InvoicedTokens += count;
                if (reader.GetBoolean(4)) _summary.VoidedTokens += count;
            }
        }
        return (final, tokens, faults);
    }

    private static IEnumerable<(TallyKey Key, long Tokens)> LinesOf(string period, string? document)
    {
        using var json = JsonDocument.Parse(document ?? throw new JsonException("it is null"));
        foreach (var line in json.RootElement.GetProperty("lines").EnumerateArray())
        {
            if (line.GetProperty("kind").GetString() is not ("included" or "overage" or "overrun" or "adjustment")) continue;
            var about = line.TryGetProperty("aboutPeriodId", out var other) ? other.GetString() ?? throw new JsonException("aboutPeriodId is null") : period;
            yield return (new("", about, "", line.GetProperty("tokenKind").GetString() ?? throw new JsonException("tokenKind is null")), line.GetProperty("tokens").GetInt64());
        }
    }

    private static ReconcileDifference Of(string reason, int shard, long number, TallyKey key, long recorded, long found, string detail) => new()
    {
        Reason = reason, Shard = shard, ReportNumber = number, SubscriptionId = key.SubscriptionId ?? "", PeriodId = key.PeriodId ?? "", PlanId = key.PlanId ?? "", Kind = key.Kind ?? "",
        RecordedTokens = recorded, FoundTokens = found, Detail = detail,
    };
}
