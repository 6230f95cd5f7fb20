using System.Runtime.InteropServices;
using Usage.Caps;

namespace Usage.Metering;

/// <summary>Tokens and overrun of some rows.</summary>
public struct Sum
{
    public Tally Tokens { get; private set; }
    public long Overrun { get; private set; }
    /// <summary>The latest row of those summed.</summary>
    public UsageRow Last { get; private set; }

    public void Add(UsageRow row)
    {
        Tokens += row.Tokens;
        Overrun += row.OverrunTokens;
        Last = row;
    }

    /// <param name="last">the latest row of both, or one that is later still</param>
    public void Add(in Sum other, UsageRow last)
    {
        Tokens += other.Tokens;
        Overrun += other.Overrun;
        Last = last;
    }
}

/// <summary>What one commit adds to the totals of periods and windows, summed per key first, so that each total is updated once.</summary>
public sealed class CommitSums
{
    private readonly Dictionary<(Guid Subscription, Guid Period, Guid Plan), Sum> _periods = [];
    private readonly Dictionary<(Guid Subscription, OpenWindow Window), Sum> _windows = [];

    public IReadOnlyDictionary<(Guid Subscription, Guid Period, Guid Plan), Sum> Periods => _periods;
    public IReadOnlyDictionary<(Guid Subscription, OpenWindow Window), Sum> Windows => _windows;

    public void Of(IReadOnlyList<UsageRow> rows)
    {
        _periods.Clear();
        _windows.Clear();
        foreach (var row in rows)
        {
            var subscription = row.Generation.Header.Subscription;
            Slot(_periods, (subscription, row.Period.Id, row.Plan)).Add(row);
            if (row.FiveHours is { } fiveHours) Slot(_windows, (subscription, fiveHours)).Add(row);
            if (row.Week is { } week) Slot(_windows, (subscription, week)).Add(row);
        }
    }

    private static ref Sum Slot<TKey>(Dictionary<TKey, Sum> sums, TKey key)
        where TKey : notnull => ref CollectionsMarshal.GetValueRefOrAddDefault(sums, key, out _);
}
