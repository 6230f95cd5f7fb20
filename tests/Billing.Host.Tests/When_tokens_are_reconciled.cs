using Contracts.Billing.V1;
using Contracts.Messages;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_tokens_are_reconciled
{
    private static async Task<(BillingApp App, Subscription One)> TwoReports()
    {
        var app = await BillingApp.StartAsync(new() { ["Billing:GapPollSeconds"] = "3600" });
        var one = await app.Subscribe(Metered, "one");
        await app.Publish(app.Usage.Record(1, Jan1, Line(one, "output", 600), Line(one, "input", 7)));
        await app.Publish(app.Usage.Record(1, Jan1.AddDays(1), Line(one, "output", 1_000)));
        await app.Applied(1, 2);
        return (app, one);
    }

    private static async Task<(List<ReconcileDifference> Differences, ReconcileSummary Summary)> Reconcile(BillingApp app)
    {
        var parts = await app.Audit.Reconcile(new()).ResponseStream.ReadAllAsync().ToListAsync();
        return ([.. parts.Where(p => p.Difference is not null).Select(p => p.Difference)], parts[^1].Summary);
    }

    [Fact]
    public async Task The_newest_report_is_not_on_its_way_while_it_is_parked_or_its_shard_is_stopped()
    {
        var (app, one) = await TwoReports();
        await using var _ = app;
        Assert.Empty((await Reconcile(app)).Differences);
        var stranger = Line(one, "output", 5) with { PeriodId = Ids.Derive(Ids.Period, Jan1, "nobody") };
        await app.Publish(app.Usage.Record(1, Jan1.AddDays(2), stranger));
        await Eventually.True(async () => (await app.Operations.ListParkedMessagesAsync(new())).Messages.Count == 1, "it is parked");
        var (differences, summary) = await Reconcile(app);
        var parked = Assert.Single(differences);
        Assert.Equal(("report_parked", 1, 3, 5, 0), (parked.Reason, parked.Shard, parked.ReportNumber, parked.RecordedTokens, summary.WaitingReports));
        Assert.Contains("period_unknown", parked.Detail, StringComparison.Ordinal);
        Assert.Contains("billing parked replay UsageRecorded/1/3", parked.Detail, StringComparison.Ordinal);

        // One that was recorded and not sent is on its way; of a shard that is stopped it is not.
        app.Usage.FillsGaps = false;
        app.Usage.Record(1, Jan1.AddDays(2), Line(one, "output", 9));
        Assert.Equal(1, (await Reconcile(app)).Summary.WaitingReports);
        await app.Sql<object>("update billing.usage_shard set stopped = 'its chain is broken' where shard = 1");
        (differences, summary) = await Reconcile(app);
        Assert.Equal(["report_parked", "shard_stopped"], differences.Select(d => d.Reason));
        Assert.Equal(0, summary.WaitingReports);
        Assert.Equal((1, 4, 9), (differences[1].Shard, differences[1].ReportNumber, differences[1].RecordedTokens));
        Assert.Contains("its chain is broken", differences[1].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Usage_that_was_rewritten_is_named_even_where_its_sums_agree()
    {
        var (app, one) = await TwoReports();
        await using var _ = app;
        var (batches, reports) = (new List<Batch>(), new List<UsageRecorded>());
        app.Usage.Rewrite(1, b => batches.AddRange(b.Select(x => x.Clone())), r => { reports.Add(r); return r; });

        // Tokens moved from one row to a conversation that nobody had: the sums are as they were.
        await Expect(["leaf_differs"], b => b[0].Rows[0].Conversation = "another");
        await Expect(["leaf_differs"], b => b[0].Rows[0].At.Seconds++);
        // With its leaf made to fit.
        await Expect(["root_differs"], b => Reworded(b[0].Rows[0]));
        // And the root.
        await Expect(["root_differs"], b => Rooted(b[0], Reworded(b[0].Rows[0])));
        // And the report's own: its chain value is what billing knows.
        await Expect(["chain_differs"], b => Rooted(b[0], Reworded(b[0].Rows[0])), (r, b) => r.Number == 1 ? r with { Roots = [.. b.Take(2).Select(x => Hex(x.Root.Span))] } : r);
        await Expect(["report_differs", "chain_differs"], b => Rooted(b[0], Reworded(b[0].Rows[0])), (r, b) => Chained(r, r.Number == 1 ? [.. b.Take(2)] : null));

        // Tokens that changed.
        var found = await Expect(["leaf_differs", "rows_differ"], b => b[0].Rows[0].Tokens.Output = 599);
        Assert.Equal((one.SubscriptionId, "output", 599, 600), (found[1].SubscriptionId, found[1].Kind, found[1].RecordedTokens, found[1].FoundTokens));
        // A row that is known by its leaf alone is not counted, and proved all the same.
        await Expect([], b => Archived(b[0]));
        var archived = (await Reconcile(app)).Summary;
        Assert.Equal((2, 1, 607), (archived.ArchivedRows, archived.ReportsWithoutRows, archived.TokensWithoutRows));
        await Expect(["root_differs"], b => { Archived(b[0]); b[0].Rows[0].Leaf = b[0].Rows[1].Leaf; });
        await Expect(["report_differs"], _ => { }, (r, _) => r.Number == 2 ? r with { Lines = [r.Lines[0] with { Tokens = 1_001 }] } : r, besides: ["rows_differ"]);

        // A report that is in nobody's books though a later one is.
        await Expect([], _ => { });
        await app.Sql<object>("delete from billing.mt_doc_appliedreport where id = '1/1'; delete from billing.mt_events where type = 'usage_applied' and data ->> 'report' = '1'");
        Assert.Equal([("report_missing", 1L)], (await Reconcile(app)).Differences.Select(d => (d.Reason, d.ReportNumber)));

        async Task<List<ReconcileDifference>> Expect(string[] reasons, Action<List<Batch>> change, Func<UsageRecorded, IReadOnlyList<Batch>, UsageRecorded>? report = null, string[]? besides = null)
        {
            List<Batch> changed = [.. batches.Select(b => b.Clone())];
            change(changed);
            app.Usage.Rewrite(1, b => { b.Clear(); b.AddRange(changed); }, r => report?.Invoke(reports.Single(o => o.Number == r.Number), changed) ?? reports.Single(o => o.Number == r.Number));
            var differences = (await Reconcile(app)).Differences;
            Assert.Equal(reasons.Concat(besides ?? []).Order(), differences.Select(d => d.Reason).Order());
            return differences;
        }
    }

    /// <summary>A kept leaf proves that there was a row; how many tokens it had, nobody can compare any more.</summary>
    [Fact]
    public async Task Rows_that_were_removed_from_days_that_are_not_detached_do_not_pass_for_archived_ones()
    {
        var (app, _) = await TwoReports();
        await using var __ = app;
        app.Usage.Rewrite(1, b => Archived(b[0]));
        app.Usage.DetachedRows = 2;
        Assert.Empty((await Reconcile(app)).Differences);
        app.Usage.DetachedRows = 1;
        var removed = Assert.Single((await Reconcile(app)).Differences);
        Assert.Equal(("rows_missing", "2 rows are known by their leaves only, and usage detached 1: 1 were removed from days that are not detached"), (removed.Reason, removed.Detail));
    }

    private static EventRow Reworded(EventRow row)
    {
        row.Conversation = "another";
        row.Leaf = UsageLedgerServer.LeafOf(row);
        return row;
    }

    private static void Rooted(Batch batch, EventRow _) => batch.Root = ByteString.CopyFrom(MerkleTree.Root([.. batch.Rows.Select(r => r.Leaf.ToByteArray())]));

    private static void Archived(Batch batch)
    {
        for (var i = 0; i < batch.Rows.Count; i++)
            batch.Rows[i] = new EventRow { Batch = batch.Number, Ordinal = i, Kind = RowKind.Archived, Leaf = batch.Rows[i].Leaf };
    }

    /// <summary>The report with these roots, and a chain value that fits them.</summary>
    private static UsageRecorded Chained(UsageRecorded report, IReadOnlyList<Batch>? batches)
    {
        if (batches is null) return report;
        var chain = Convert.FromHexString(report.PreviousChain);
        foreach (var batch in batches) chain = MerkleTree.Chain(chain, batch.Number, batch.Root.Span);
        return report with { Roots = [.. batches.Select(b => Hex(b.Root.Span))], Chain = Hex(chain) };
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
}
