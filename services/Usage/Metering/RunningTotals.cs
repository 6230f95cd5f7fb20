using System.Runtime.InteropServices;

namespace Usage.Metering;

/// <summary>Whose totals lack rows that are committed.</summary>
public sealed record TotalsBehind(IReadOnlySet<(Guid Subscription, Guid Generation)> Generations, IReadOnlySet<(Guid Subscription, string Conversation)> Conversations)
{
    public static TotalsBehind None { get; } = new(new HashSet<(Guid, Guid)>(), new HashSet<(Guid, string)>());
}

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
    // Since the last report: what a conversation's total says of its latest row is of whichever generation that row is.
    private readonly Dictionary<(Guid Subscription, string Conversation), UsageRow> _latest = [];
    private readonly HashSet<Guid> _due = [];
    private volatile TotalsBehind _behind = TotalsBehind.None;

    /// <summary>What this commit adds to the totals of generations.</summary>
    public IReadOnlyDictionary<Guid, Sum> Generations => _generations;
    /// <summary>Likewise to those of their conversations.</summary>
    public IReadOnlyDictionary<(Guid Subscription, string Conversation), Sum> Conversations => _conversations;

    /// <summary>As of the last commit. Asked by anybody at any time.</summary>
    public TotalsBehind Behind => _behind;

    /// <summary>The totals in the table have all rows that are in it.</summary>
    internal void Whole()
    {
        _running.Clear();
        _latest.Clear();
        _due.Clear();
    }

    /// <param name="all">of what runs, too</param>
    internal void Add(IReadOnlyList<UsageRow> rows, bool all)
    {
        _generations.Clear();
        _conversations.Clear();
        foreach (var row in rows)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_running, row.Generation.Id, out _).Add(row);
            _latest[KeyOf(row)] = row;
            // What a row beyond its grant was by kind, the table of rows does not say: it could not be added from there.
            if (row.Sequence == 0 || row.Finish != Caps.FinishReason.None || row.OverrunTokens > 0) _due.Add(row.Generation.Id);
        }
        if (all)
        {
            foreach (var (generation, sum) in _running) Write(generation, sum);
            _running.Clear();
            _latest.Clear();
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
        _behind = _running.Count == 0
            ? TotalsBehind.None
            : new(_running.Values.Select(s => (s.Last.Generation.Header.Subscription, s.Last.Generation.Id)).ToHashSet(), _running.Values.Select(s => KeyOf(s.Last)).ToHashSet());
    }

    private void Write(Guid generation, in Sum sum)
    {
        _generations.Add(generation, sum);
        var conversation = KeyOf(sum.Last);
        CollectionsMarshal.GetValueRefOrAddDefault(_conversations, conversation, out _).Add(sum, _latest[conversation]);
    }

    private static (Guid Subscription, string Conversation) KeyOf(UsageRow row) => (row.Generation.Header.Subscription, row.Generation.Header.Conversation);
}
