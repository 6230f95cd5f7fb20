using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Contracts.Usage.V1;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>
/// Usage's books as an auditor holds them who has read contracts/README.md and nothing else: layout, tree and chain are written down here
/// a second time, on purpose.
/// </summary>
public sealed record Books(IReadOnlyList<EventRow> Rows, IReadOnlyList<UsageReport> Reports)
{
    /// <summary>Reads every shard from its first batch, and recomputes every leaf, root and link. Numbers must have no gap (U5).</summary>
    public static async Task<Books> ReadAsync(UsageLedger.UsageLedgerClient ledger)
    {
        var (rows, reports) = (new List<EventRow>(), new List<UsageReport>());
        foreach (var head in (await ledger.GetHeadsAsync(new())).Heads)
        {
            var chains = new List<byte[]> { SHA256.HashData([]) };
            var roots = new List<byte[]>();
            await foreach (var batch in ledger.GetBatches(new() { Shard = head.Shard, FromNumber = 1, IncludeRows = true }).ResponseStream.ReadAllAsync())
            {
                Assert.Equal((chains.Count, batch.Rows.Count), (batch.Number, batch.RowCount));
                Assert.Equal(Enumerable.Range(0, batch.Rows.Count), batch.Rows.Select(r => r.Ordinal));
                var leaves = batch.Rows.Select(r => SHA256.HashData([0, .. Layout(r)])).ToArray();
                Assert.Equal(leaves, batch.Rows.Select(r => r.Leaf.ToByteArray()));
                Assert.Equal(Root(leaves), batch.Root.ToByteArray());
                Assert.Equal(chains[^1], batch.PreviousChain.ToByteArray());
                chains.Add(SHA256.HashData([2, .. chains[^1], .. BigEndian(batch.Number), .. batch.Root.Span]));
                Assert.Equal(chains[^1], batch.Chain.ToByteArray());
                roots.Add(batch.Root.ToByteArray());
                rows.AddRange(batch.Rows);
            }
            Assert.Equal(head.BatchNumber, chains.Count - 1);
            Assert.Equal(head.Chain.ToByteArray(), chains[^1]);

            var (number, through) = (0L, 0);
            await foreach (var report in ledger.GetReports(new() { Shard = head.Shard, FromNumber = 1 }).ResponseStream.ReadAllAsync())
            {
                Assert.Equal((++number, through + 1), (report.Number, report.FirstBatch));
                Assert.Equal(chains[through], report.PreviousChain.ToByteArray());
                Assert.Equal(roots[through..(int)report.LastBatch], report.Roots.Select(r => r.ToByteArray()));
                through = (int)report.LastBatch;
                Assert.Equal(chains[through], report.Chain.ToByteArray());
                reports.Add(report);
            }
            Assert.Equal((head.ReportNumber, head.BatchNumber), (number, through));
        }
        return new(rows, reports);
    }

    public IReadOnlyDictionary<(string, string, string, string), long> ByRows => Sum(
        from row in Rows
        from line in new (string Kind, long Tokens)[]
        {
            ("input", row.Tokens.Input), ("cached_input", row.Tokens.CachedInput), ("cache_creation", row.Tokens.CacheCreation),
            ("output", row.Tokens.Output), ("reasoning", row.Tokens.Reasoning), ("overrun", row.OverrunTokens),
        }
        where line.Tokens != 0
        select ((row.SubscriptionId, row.PeriodId, row.PlanId, line.Kind), line.Tokens));

    public IReadOnlyDictionary<(string, string, string, string), long> ByReports =>
        Sum(Reports.SelectMany(r => r.Lines).Select(l => ((l.SubscriptionId, l.PeriodId, l.PlanId, l.Kind), l.Tokens)));

    /// <summary>Tokens that are billed or included: all kinds but overrun.</summary>
    public long Tokens => Rows.Sum(r => r.Tokens.Input + r.Tokens.CachedInput + r.Tokens.CacheCreation + r.Tokens.Output + r.Tokens.Reasoning);

    private static SortedDictionary<(string, string, string, string), long> Sum(IEnumerable<((string, string, string, string) Key, long Tokens)> lines) =>
        new(lines.GroupBy(l => l.Key).ToDictionary(g => g.Key, g => g.Sum(l => l.Tokens)));

    private static byte[] Layout(EventRow row) =>
    [
        1, .. Id(row.GenerationId), .. BigEndian(row.Sequence), .. Id(row.SubscriptionId), .. Id(row.PeriodId), .. Id(row.PlanId), .. Text(row.Conversation), .. Text(row.Model),
        .. BigEndian(row.Tokens.Input), .. BigEndian(row.Tokens.CachedInput), .. BigEndian(row.Tokens.CacheCreation), .. BigEndian(row.Tokens.Output), .. BigEndian(row.Tokens.Reasoning),
        .. BigEndian(row.OverrunTokens), .. BigEndian(Microseconds(row.At)), .. BigEndian(Microseconds(row.ReceivedAt)),
    ];

    private static byte[] Id(string id) => Convert.FromHexString(id[(id.IndexOf('_') + 1)..]);

    private static long Microseconds(Google.Protobuf.WellKnownTypes.Timestamp at) => at.Seconds * 1_000_000 + at.Nanos / 1_000;

    private static byte[] Text(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        return [(byte)(utf8.Length >> 8), (byte)utf8.Length, .. utf8];
    }

    private static byte[] BigEndian(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }

    // RFC 6962, section 2.1: the left subtree takes the largest power of two that leaves something to the right.
    private static byte[] Root(ReadOnlySpan<byte[]> leaves)
    {
        if (leaves.Length == 0) return SHA256.HashData([]);
        if (leaves.Length == 1) return leaves[0];
        var left = 1;
        while (left * 2 < leaves.Length) left *= 2;
        return SHA256.HashData([1, .. Root(leaves[..left]), .. Root(leaves[left..])]);
    }
}
