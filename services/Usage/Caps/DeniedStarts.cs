namespace Usage.Caps;

/// <summary>
/// The latest denials of one owner. A Start may be on its way twice: on a stream that broke, or passed on by another instance that got no answer.
/// Once one was denied its runtime has gone on, so none that was said before it may open the generation after all: it would be recorded, and known
/// to nobody.
/// </summary>
internal sealed class DeniedStarts(TimeSpan keptFor)
{
    /// <summary>More are forgotten, the oldest first: what a copy costs that comes as late as that is a prompt.</summary>
    private const int KeptMax = 1_024;

    /// <summary>A copy may wait as long as the database is away.</summary>
    public const int LeasesKept = 10;

    private readonly record struct Denial(int Attempt, string Reason, DateTimeOffset At);

    private readonly Dictionary<(Guid Generation, ulong Asker), Denial> _denied = [];
    private readonly Queue<((Guid, ulong) Key, DateTimeOffset At)> _order = new();

    public void Add(Guid generation, Attempt attempt, string reason, DateTimeOffset at)
    {
        if (!attempt.IsCounted) return;
        var key = (generation, attempt.Asker);
        _denied[key] = new(attempt.Number, reason, at);
        _order.Enqueue((key, at));
        while (_order.Count > KeptMax || _order.Peek().At < at - keptFor)
        {
            var (oldest, then) = _order.Dequeue();
            // One that was denied again since stands further back as well.
            if (_denied.TryGetValue(oldest, out var known) && known.At == then) _denied.Remove(oldest);
        }
    }

    /// <summary>Why this attempt, or a later one of the same asker, was denied; null if none was.</summary>
    public Refusal? Of(Guid generation, Attempt attempt) =>
        attempt.IsCounted && _denied.TryGetValue((generation, attempt.Asker), out var known) && attempt.Number <= known.Attempt
            ? new Refusal(known.Reason, "this Start, or one that was said after it, was denied already; start again, with another asker, if it is still wanted")
            : null;
}

/// <summary>Which saying of a Start this is.</summary>
/// <param name="Asker">who waits for the answer, as it named itself; who asks again after a denial, with the same id, is another one. 0 is nobody</param>
/// <param name="Number">how often it has said it, from 1</param>
public readonly record struct Attempt(ulong Asker, int Number)
{
    public bool IsCounted => Asker != 0 && Number > 0;
}
