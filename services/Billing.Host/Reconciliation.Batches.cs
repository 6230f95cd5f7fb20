using System.Runtime.CompilerServices;
using Billing.Audit;
using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Verifier;
using UsageReport = Contracts.Usage.V1.UsageReport;

namespace Billing.Host;

/// <summary>
/// Usage's own books: leaves from the fields of rows, roots from leaves, chain values from roots, tokens of reports from rows. Whoever rewrote a part of them so that the
/// sums still agree is found here.
/// </summary>
internal sealed partial class Reconciliation
{
    /// <param name="previous">the chain value of the report before</param>
    private async IAsyncEnumerable<ReconcileDifference> Batches(
        UsageReport report, TokenTally reported, AsyncServerStreamingCall<Batch> batches, byte[] previous, [EnumeratorCancellation] CancellationToken ct)
    {
        if (ChainFault(report, previous) is { } fault) yield return Of("chain_differs", report.Shard, report.Number, default, 0, 0, fault);
        var (rows, archived) = (new TokenTally(), false);
        for (var i = 0; i < report.Roots.Count; i++)
        {
            if (!await batches.ResponseStream.MoveNext(ct))
            {
                yield return Of("root_differs", report.Shard, report.Number, default, 0, 0, $"usage does not have batch {report.FirstBatch + i} of shard {report.Shard}, which its report {report.Number} names");
                yield break;
            }
            var batch = batches.ResponseStream.Current;
            _summary.Batches++;
            if (batch.Root != report.Roots[i] || batch.Number != report.FirstBatch + i)
                yield return Of("root_differs", report.Shard, report.Number, default, 0, 0, $"the root of batch {batch.Number} of shard {report.Shard} is not the one that report {report.Number} named");
            if (!withRows) continue;
            var leaves = new byte[batch.Rows.Count][];
            for (var n = 0; n < leaves.Length; n++)
            {
                leaves[n] = LeafOf(batch.Rows[n]);
                if (batch.Rows[n].Leaf.Span.SequenceEqual(leaves[n])) continue;
                yield return LeafDiffers(report, batch.Rows[n]);
                // That was said; the leaves beside the rows must give the root all the same.
                leaves[n] = batch.Rows[n].Leaf.ToByteArray();
            }
            if (!HashTree.Root(leaves).AsSpan().SequenceEqual(batch.Root.Span))
                yield return Of("root_differs", report.Shard, report.Number, default, 0, 0, $"the rows of batch {batch.Number} of shard {report.Shard} do not give its root");
            _summary.Rows += batch.Rows.Count;
            _summary.ArchivedRows += batch.Rows.Count(r => r.Kind == RowKind.Archived);
            archived |= batch.Rows.Any(r => r.Kind == RowKind.Archived);
            foreach (var row in batch.Rows) Count(row, rows);
        }
        if (!withRows || archived)
        {
            _summary.ReportsWithoutRows++;
            _summary.TokensWithoutRows += reported.Total;
            yield break;
        }
        foreach (var key in rows.DifferencesTo(reported))
            yield return Of("rows_differ", report.Shard, report.Number, key, rows[key], reported[key],
                $"the rows of report {report.Number} of shard {report.Shard} are {rows[key]} {key.Kind} tokens, and the report says {reported[key]}");
    }

    /// <summary>A leaf proves that there was a row, and not how many tokens it had: whoever removes rows and leaves their leaves must not pass for the housekeeping that does.</summary>
    private async Task<ReconcileDifference?> RemovedRows(CancellationToken ct)
    {
        if (asked.Detached is not { } known || _summary.ArchivedRows <= known.Rows) return null;
        // A day may have been detached since usage was asked.
        var detached = Math.Max(known.Rows, (await usage.GetHeadsAsync(new() { WithDetachedRows = true }, cancellationToken: ct)).Detached.Rows);
        return _summary.ArchivedRows <= detached
            ? null
            : Of("rows_missing", 0, 0, default, 0, 0, $"{_summary.ArchivedRows} rows are known by their leaves only, and usage detached {detached}: {_summary.ArchivedRows - detached} were removed from days that are not detached");
    }

    private static string? ChainFault(UsageReport report, byte[] previous)
    {
        if (!report.PreviousChain.Span.SequenceEqual(previous)) return $"report {report.Number} of shard {report.Shard} does not follow the one before it";
        var chain = previous;
        for (var i = 0; i < report.Roots.Count; i++) chain = HashTree.Link(chain, report.FirstBatch + i, report.Roots[i].Span);
        return report.Chain.Span.SequenceEqual(chain) ? null : $"the roots of report {report.Number} of shard {report.Shard} do not give its chain value";
    }

    private static ReconcileDifference LeafDiffers(UsageReport report, EventRow row) => Of(
        "leaf_differs", report.Shard, report.Number, new(row.SubscriptionId, row.PeriodId, row.PlanId, ""), 0, 0,
        $"row {row.Ordinal} of batch {row.Batch} of shard {report.Shard} (sequence {row.Sequence} of {row.GenerationId}) does not have the leaf of its fields: it was rewritten");

    private static byte[] LeafOf(EventRow row)
    {
        if (row.Kind == RowKind.Archived) return row.Leaf.ToByteArray();
        var t = row.Tokens ?? new();
        return Layout.LeafOfRow(new(
            row.GenerationId, row.Sequence, row.SubscriptionId, row.PeriodId, row.PlanId, row.Conversation, row.Model,
            t.Input, t.CachedInput, t.CacheCreation, t.Output, t.Reasoning, row.OverrunTokens, row.At.ToDateTimeOffset(), row.ReceivedAt.ToDateTimeOffset(),
            row.Kind == RowKind.Correction ? new(row.Correction.CorrectionId, row.Correction.Void, row.Correction.Author, row.Correction.Reason) : null));
    }

    private static void Count(EventRow row, TokenTally into)
    {
        if (row.Kind == RowKind.Archived) return;
        var t = row.Tokens ?? new();
        Add(TokenKind.Input, t.Input);
        Add(TokenKind.CachedInput, t.CachedInput);
        Add(TokenKind.CacheCreation, t.CacheCreation);
        Add(TokenKind.Output, t.Output);
        Add(TokenKind.Reasoning, t.Reasoning);
        Add(TokenKind.Overrun, row.OverrunTokens);

        void Add(TokenKind kind, long tokens)
        {
            if (tokens != 0) into.Add(new(row.SubscriptionId, row.PeriodId, row.PlanId, kind.Name()), tokens);
        }
    }
}
