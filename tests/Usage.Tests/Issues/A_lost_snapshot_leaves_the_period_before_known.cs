using Usage.Caps;

namespace Usage.Tests.Issues;

/// <summary>Of three snapshots the middle one was lost: usage received before the new period, by usage's own clock, went to the period before the last.</summary>
public sealed class A_lost_snapshot_leaves_the_period_before_known
{
    private static readonly TermPeriod April = new(Ids.DeriveGuid(OwnerScene.Apr1, "period"), 3, OwnerScene.Apr1, OwnerScene.Apr1.AddMonths(1));

    [Fact]
    public void The_period_that_the_lost_snapshot_would_have_begun_is_the_one_before()
    {
        var newer = OwnerScene.Terms(3) with { Current = OwnerScene.March, Next = April };
        var terms = newer.After(OwnerScene.Terms(1));
        Assert.Equal(OwnerScene.February, terms.Previous);
        Assert.Equal(OwnerScene.February.Id, terms.PeriodAt(OwnerScene.Mar1.AddTicks(-1)).Id);
    }

    [Fact]
    public void Of_periods_that_a_longer_gap_has_left_behind_the_last_one_known_is_the_one_before()
    {
        var newer = OwnerScene.Terms(4) with { Current = April, Next = April with { Start = April.End, End = April.End.AddMonths(1) } };
        Assert.Equal(OwnerScene.February, newer.After(OwnerScene.Terms(1)).Previous);
    }
}
