using Contracts.Usage.V1;
using Grpc.Core;
using Usage.Corrections;
using Usage.Metering;
using Verifier;

namespace Usage.Host.Tests;

/// <summary>What an auditor with nothing but the contract can recompute.</summary>
public static class LedgerChecks
{
    /// <summary>U4 and U5: numbers without gaps, roots and chains that recompute from the rows, reports that add up to the table, all of them published.</summary>
    /// <param name="rowsAreAllHere">false when partitions were detached: then the rows add up to less than the reports</param>
    public static async Task HoldAsync(UsageService service, bool rowsAreAllHere = true)
    {
        var heads = await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        var fromRows = new Dictionary<(string, string, string, string), long>();
        var fromReports = new Dictionary<(string, string, string, string), long>();
        foreach (var head in heads.Heads)
        {
            var batches = await BatchesAsync(service, head);
            foreach (var row in batches.SelectMany(b => b.Rows)) AddRow(fromRows, row);
            var (report, batch) = (0L, 0L);
            await foreach (var cut in service.Ledger.GetReports(new GetReportsRequest { Shard = head.Shard }).ResponseStream.ReadAllAsync())
            {
                Assert.Equal((++report, batch + 1), (cut.Number, cut.FirstBatch));
                batch = cut.LastBatch;
                Assert.Equal(batches.Where(b => b.Number >= cut.FirstBatch && b.Number <= cut.LastBatch).Select(b => b.Root), cut.Roots);
                Assert.Equal(batches.Single(b => b.Number == cut.LastBatch).Chain, cut.Chain);
                foreach (var line in cut.Lines) Add(fromReports, line.SubscriptionId, line.PeriodId, line.PlanId, line.Kind, line.Tokens);
            }
            Assert.Equal((head.ReportNumber, head.BatchNumber), (report, batch));
            await Eventually.True(() => Enumerable.Range(1, (int)head.ReportNumber).All(n => service.Reports.ContainsKey((head.Shard, n))), $"every report of shard {head.Shard} is published");
        }
        if (rowsAreAllHere) Assert.Equal(fromRows.Where(e => e.Value != 0).OrderBy(e => e.Key).ToList(), fromReports.Where(e => e.Value != 0).OrderBy(e => e.Key).ToList());
        Assert.Equal(0, await service.ScalarAsync<long>("select count(*) from (select generation, sequence from usage.token_event group by 1, 2 having count(*) > 1) t"));
        if (rowsAreAllHere) await HaveWholeTotalsAsync(service);
    }

    /// <summary>U3: with everything reported, the totals of generations and conversations are what their rows, and corrections of them, add up to.</summary>
    private static async Task HaveWholeTotalsAsync(UsageService service)
    {
        Assert.Equal(0, await service.ScalarAsync<long>("""
            select count(*) from (select generation, max(sequence) as last, sum(output) as output, sum(reasoning) as reasoning, sum(overrun) as overrun from usage.token_event group by 1) e
            full join usage.generation g using (generation) where (e.last, e.output, e.reasoning, e.overrun) is distinct from (g.last_sequence, g.output, g.reasoning, g.overrun)
            """));
        Assert.Equal(0, await service.ScalarAsync<long>("""
            select count(*) from (
              select subscription, conversation, sum(input) as input, sum(output) as output, sum(reasoning) as reasoning from (
                select subscription, conversation, input, output, reasoning from usage.token_event
                union all select subscription, conversation, input, output, reasoning from usage.correction where generation is not null) r group by 1, 2) e
            full join usage.conversation c using (subscription, conversation) where (e.input, e.output, e.reasoning) is distinct from (c.input, c.output, c.reasoning)
            """));
    }

    /// <summary>By code that shares nothing with the ledger: the row's fields give a leaf, the leaf a root, and the root stands in a report whose chain holds.</summary>
    public static void Proves(EventProof proof)
    {
        var (row, report) = (proof.Row, proof.Report);
        var leaf = Layout.LeafOfRow(new(
            row.GenerationId, row.Sequence, row.SubscriptionId, row.PeriodId, row.PlanId, row.Conversation, row.Model, row.Tokens.Input, row.Tokens.CachedInput, row.Tokens.CacheCreation,
            row.Tokens.Output, row.Tokens.Reasoning, row.OverrunTokens, row.At.ToDateTimeOffset(), row.ReceivedAt.ToDateTimeOffset(),
            row.Correction is { } c ? new(c.CorrectionId, c.Void, c.Author, c.Reason) : null));
        Assert.Equal(row.Leaf.ToByteArray(), leaf);
        var root = HashTree.RootOf(proof.RowCount, row.Ordinal, leaf, [.. proof.Path.Select(h => h.ToByteArray())]);
        Assert.Equal(report.Roots[(int)(row.Batch - report.FirstBatch)].ToByteArray(), root);
        var chain = report.PreviousChain.ToByteArray();
        for (var i = 0; i < report.Roots.Count; i++) chain = HashTree.Link(chain, report.FirstBatch + i, report.Roots[i].Span);
        Assert.Equal(report.Chain.ToByteArray(), chain);
    }

    private static async Task<List<Batch>> BatchesAsync(UsageService service, Head head)
    {
        var batches = new List<Batch>();
        var chain = MerkleTree.EmptyRoot;
        await foreach (var batch in service.Ledger.GetBatches(new GetBatchesRequest { Shard = head.Shard, IncludeRows = true }).ResponseStream.ReadAllAsync())
        {
            Assert.Equal((batches.Count + 1, batch.Rows.Count), (batch.Number, batch.RowCount));
            var leaves = batch.Rows.Select(LeafOf).ToList();
            Assert.Equal(batch.Rows.Select(r => r.Leaf.ToByteArray()), leaves);
            Assert.Equal(MerkleTree.Root(leaves), batch.Root.ToByteArray());
            Assert.Equal(chain, batch.PreviousChain.ToByteArray());
            chain = MerkleTree.Chain(chain, batch.Number, batch.Root.Span);
            Assert.Equal(chain, batch.Chain.ToByteArray());
            batches.Add(batch);
        }
        Assert.Equal(chain, head.Chain.ToByteArray());
        return batches;
    }

    private static byte[] LeafOf(EventRow row) => row.Kind switch
    {
        RowKind.Archived => row.Leaf.ToByteArray(),
        RowKind.Correction => LeafOfCorrection(row),
        _ => LeafOfChunk(row),
    };

    private static byte[] LeafOfCorrection(EventRow row) => Leaf.Of(new UsageCorrection(
        Ids.Parse(Ids.Correction, row.Correction.CorrectionId), Ids.Parse(Ids.Subscription, row.SubscriptionId), Ids.Parse(Ids.Period, row.PeriodId), default,
        Ids.Parse(Ids.Plan, row.PlanId), row.GenerationId.Length == 0 ? null : Ids.Parse(Ids.Generation, row.GenerationId), row.Conversation, row.Model,
        new Tally(row.Tokens.Input, row.Tokens.CachedInput, row.Tokens.CacheCreation, row.Tokens.Output, row.Tokens.Reasoning), row.OverrunTokens,
        row.Correction.Void, row.Correction.Author, row.Correction.Reason, row.ReceivedAt.ToDateTimeOffset(), []));

    private static byte[] LeafOfChunk(EventRow row) => Leaf.Of(
        Ids.Parse(Ids.Generation, row.GenerationId), row.Sequence, Ids.Parse(Ids.Subscription, row.SubscriptionId), Ids.Parse(Ids.Period, row.PeriodId), Ids.Parse(Ids.Plan, row.PlanId),
        row.Conversation, row.Model, new Tally(row.Tokens.Input, row.Tokens.CachedInput, row.Tokens.CacheCreation, row.Tokens.Output, row.Tokens.Reasoning), row.OverrunTokens,
        row.At.ToDateTimeOffset(), row.ReceivedAt.ToDateTimeOffset());

    private static void AddRow(Dictionary<(string, string, string, string), long> sums, EventRow row)
    {
        if (row.Kind == RowKind.Archived) return;
        (string Kind, long Tokens)[] kinds =
        [
            ("input", row.Tokens.Input), ("cached_input", row.Tokens.CachedInput), ("cache_creation", row.Tokens.CacheCreation),
            ("output", row.Tokens.Output), ("reasoning", row.Tokens.Reasoning), ("overrun", row.OverrunTokens),
        ];
        foreach (var (kind, tokens) in kinds)
            if (tokens != 0) Add(sums, row.SubscriptionId, row.PeriodId, row.PlanId, kind, tokens);
    }

    private static void Add(Dictionary<(string, string, string, string), long> sums, string subscription, string period, string plan, string kind, long tokens) =>
        sums[(subscription, period, plan, kind)] = sums.GetValueOrDefault((subscription, period, plan, kind)) + tokens;
}
