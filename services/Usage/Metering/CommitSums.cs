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
}

/// <summary>What one commit adds to the totals, summed per key first, so that each total is updated once.</summary>
public sealed class CommitSums
{
    private readonly Dictionary<(Guid Subscription, Guid Period, Guid Plan), Sum> _periods = [];
    private readonly Dictionary<(Guid Subscription, OpenWindow Window), Sum> _windows = [];
    private readonly Dictionary<(Guid Subscription, string Conversation), Sum> _conversations = [];
    private readonly Dictionary<Guid, Sum> _generations = [];

    public IReadOnlyDictionary<(Guid Subscription, Guid Period, Guid Plan), Sum> Periods => _periods;
    public IReadOnlyDictionary<(Guid Subscription, OpenWindow Window), Sum> Windows => _windows;
    public IReadOnlyDictionary<(Guid Subscription, string Conversation), Sum> Conversations => _conversations;
    public IReadOnlyDictionary<Guid, Sum> Generations => _generations;

    public void Of(IReadOnlyList<UsageRow> rows)
    {
        _periods.Clear();
        _windows.Clear();
        _conversations.Clear();
        _generations.Clear();
        foreach (var row in rows)
        {
            var header = row.Generation.Header;
            Slot(_periods, (header.Subscription, row.Period.Id, row.Plan)).Add(row);
            if (row.FiveHours is { } fiveHours) Slot(_windows, (header.Subscription, fiveHours)).Add(row);
            if (row.Week is { } week) Slot(_windows, (header.Subscription, week)).Add(row);
            Slot(_conversations, (header.Subscription, header.Conversation)).Add(row);
            Slot(_generations, header.Id).Add(row);
        }
    }

    private static ref Sum Slot<TKey>(Dictionary<TKey, Sum> sums, TKey key)
        where TKey : notnull => ref CollectionsMarshal.GetValueRefOrAddDefault(sums, key, out _);
}
