using Billing.Periods;

namespace Billing.Tests.Periods;

public sealed class ReportChainTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly UsageReport First = After(1, MerkleTree.EmptyRoot, 1, batches: 2), Second = After(2, Convert.FromHexString(First.Chain), 3, batches: 1), Third = After(3, Convert.FromHexString(Second.Chain), 4, batches: 3);

    [Fact]
    public void B6_reports_that_follow_each_other_fit_in_any_order()
    {
        Assert.All([First, Second, Third], report => Assert.Null(ReportChain.OwnFault(report)));
        Assert.Null(ReportChain.Broken(First, Applied()));
        Assert.Null(ReportChain.Broken(Second, Applied(First)));
        Assert.Null(ReportChain.Broken(Second, Applied(Third)));
        Assert.Null(ReportChain.Broken(Third, Applied()));
    }

    [Fact]
    public void A_report_that_was_altered_on_its_way_does_not_give_its_chain_value()
    {
        Assert.NotNull(ReportChain.OwnFault(Second with { Roots = First.Roots }));
        Assert.NotNull(ReportChain.OwnFault(Second with { Roots = new([First.Roots[0]]) }));
        Assert.NotNull(ReportChain.OwnFault(Second with { PreviousChain = "no hash" }));
    }

    [Fact]
    public void A_report_that_belongs_to_another_history_is_told_from_its_neighbours()
    {
        var other = After(2, MerkleTree.EmptyRoot, 3, batches: 1);
        Assert.Null(ReportChain.OwnFault(other));
        Assert.Equal("report 2 does not follow report 1 as it was applied", ReportChain.Broken(other, Applied(First)));
        Assert.Equal("report 3, which was applied, does not follow report 2", ReportChain.Broken(other, Applied(Third)));
        Assert.Equal("report 2 came again with another content", ReportChain.Broken(other, Applied(First, Second)));
        Assert.Equal("report 1 does not start the chain", ReportChain.Broken(After(1, Convert.FromHexString(First.Chain), 1, batches: 1), Applied()));
    }

    private static Dictionary<long, ReportLink> Applied(params UsageReport[] reports) =>
        reports.ToDictionary(r => r.Number, r => new ReportLink(r.FirstBatch, r.LastBatch, r.PreviousChain, r.Chain));

    private static UsageReport After(long number, byte[] previous, long firstBatch, int batches)
    {
        var (chain, roots) = (previous, new List<string>());
        for (var batch = firstBatch; batch < firstBatch + batches; batch++)
        {
            var root = MerkleTree.Leaf([(byte)batch]);
            chain = MerkleTree.Chain(chain, batch, root);
            roots.Add(Convert.ToHexStringLower(root));
        }
        return new UsageReport(0, number, firstBatch, firstBatch + batches - 1, Convert.ToHexStringLower(previous), roots.ToValueList(), Convert.ToHexStringLower(chain), Jan1, new([]));
    }
}
