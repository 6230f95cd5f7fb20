namespace Usage.Caps;

/// <summary>
/// The latest denials of one owner, by generation. A Start may be on its way twice: on a stream that broke, or passed on by another instance
/// that got no answer. Once one was denied its runtime has gone on, so none that was said before it may open the generation after all: it would
/// be recorded, and known to nobody.
/// </summary>
internal sealed class DeniedStarts
{
    /// <summary>More are forgotten, the oldest first: a copy that comes as late as that is rare, and what it costs is a prompt.</summary>
    private const int KeptMax = 1_024;

    private readonly Dictionary<Guid, (Attempt Attempt, Outcome Denial)> _denied = [];
    private readonly Queue<Guid> _order = new();

    public void Add(Guid generation, Attempt attempt, in Outcome denial)
    {
        if (!attempt.IsCounted) return;
        if (!_denied.ContainsKey(generation)) _order.Enqueue(generation);
        _denied[generation] = (attempt, denial);
        if (_order.Count > KeptMax) _denied.Remove(_order.Dequeue());
    }

    /// <summary>The denial of this attempt, or of a later one of the same asker.</summary>
    public Outcome? Of(Guid generation, Attempt attempt) => _denied.TryGetValue(generation, out var known) && attempt.IsNoLaterThan(known.Attempt) ? known.Denial : null;
}

/// <summary>Which saying of a Start this is.</summary>
/// <param name="Asker">who waits for the answer, as it named itself; who asks again after a denial, with the same id, is another one. 0 is nobody</param>
/// <param name="Number">how often it has said it, from 1</param>
public readonly record struct Attempt(ulong Asker, int Number)
{
    public bool IsCounted => Asker != 0 && Number > 0;
    public bool IsNoLaterThan(Attempt other) => IsCounted && Asker == other.Asker && Number <= other.Number;
}
