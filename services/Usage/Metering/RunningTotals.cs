using System.Runtime.InteropServices;

namespace Usage.Metering;

/// <summary>
/// What is in the table of rows and not yet in the totals of its generation and its conversation. Totals are written with a generation's first row, with its end, with what is
/// beyond a grant, and with each report: once for many rows of one that runs, and not once for each commit. A generation's total says by its last sequence which of its rows it
/// has, and its conversation's has the same; whoever takes the shard, or does not know whether a commit happened, adds the others from the table first.
/// </summary>
public sealed class RunningTotals
{
    private readonly Dictionary<Guid, Sum> _running = [];
    private readonly Dictionary<Guid, Sum> _generations = [];
    private readonly Dictionary<(Guid Subscription, string Conversation), Sum> _conversations = [];
    private readonly HashSet<Guid> _due = [];
    private volatile HashSet<(Guid Subscription, string Conversation)> _behind = [];
    private long _rows;

    /// <summary>What this commit adds to the totals of generations.</summary>
    public IReadOnlyDictionary<Guid, Sum> Generations => _generations;
    /// <summary>Likewise to those of their conversations.</summary>
    public IReadOnlyDictionary<(Guid Subscription, string Conversation), Sum> Conversations => _conversations;

    /// <summary>Whether the total of the conversation lacks rows that are committed. Asked by anybody at any time.</summary>
    public bool IsBehind(Guid subscription, string conversation) => _behind.Contains((subscription, conversation));

    /// <summary>The totals in the table have all rows that are in it.</summary>
    internal void Whole()
    {
        _running.Clear();
        _due.Clear();
    }

    /// <param name="all">of what runs, too</param>
    internal void Add(IReadOnlyList<UsageRow> rows, bool all)
    {
        _generations.Clear();
        _conversations.Clear();
        foreach (var row in rows)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_running, row.Generation.Id, out _).Add(row, ++_rows);
            // What a row beyond its grant was by kind, the table of rows does not say: it could not be added from there.
            if (row.Sequence == 0 || row.Finish != Caps.FinishReason.None || row.OverrunTokens > 0) _due.Add(row.Generation.Id);
        }
        if (all)
        {
            foreach (var (generation, sum) in _running) Write(generation, sum);
            _running.Clear();
        }
        else
        {
            foreach (var generation in _due)
                if (_running.Remove(generation, out var sum)) Write(generation, sum);
        }
        _due.Clear();
    }

    /// <summary>What was added is committed.</summary>
    internal void Committed()
    {
        if (_running.Count > 0 || _behind.Count > 0) _behind = [.. _running.Values.Select(KeyOf)];
    }

    private void Write(Guid generation, in Sum sum)
    {
        _generations.Add(generation, sum);
        CollectionsMarshal.GetValueRefOrAddDefault(_conversations, KeyOf(sum), out _).Add(sum);
    }

    private static (Guid Subscription, string Conversation) KeyOf(Sum sum) => (sum.Last.Generation.Header.Subscription, sum.Last.Generation.Header.Conversation);
}
