using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>
/// Who has been told that a subscription rests grants nothing more of it, for what was granted before may be used up and no more; and who has been told that it is
/// resumed denies nothing because it rested.
/// </summary>
internal sealed class PauseWatch
{
    private readonly Dictionary<(Hold Hold, Guid Subscription), SubscriptionTerms> _told = [];

    /// <summary>Pauses that came in the middle of generations.</summary>
    public int InTheMiddle { get; private set; }

    public void Told(Hold hold, Cell? cell, SubscriptionTerms terms)
    {
        if (_told.TryGetValue((hold, terms.Subscription), out var known) && known.Version >= terms.Version) return;
        _told[(hold, terms.Subscription)] = terms;
        if (terms.Paused && cell is { Owner.Generations: > 0 }) InTheMiddle++;
    }

    /// <param name="before">the most that anybody has granted it</param>
    public void Granted(Hold hold, RuntimeGeneration runtime, long before, in Answer answer)
    {
        if (answer.Number <= Math.Max(before, runtime.Generated) || !_told.TryGetValue((hold, runtime.Header.Subscription), out var told) || !told.Paused) return;
        // Its owner may have read of the resumption before its instance was told.
        if (hold.Cells.First(c => c.Owner.Subscription == runtime.Header.Subscription).Owner.Terms!.Version <= told.Version)
            throw new ViolationException($"{runtime.Name} is granted {answer.Number} after {before}, and {hold} has been told that its subscription is paused");
    }

    public void Denied(Hold hold, Cell cell, in Outcome denied)
    {
        if (denied.Why.Code != Reasons.SubscriptionPaused) return;
        if (_told.TryGetValue((hold, cell.Owner.Subscription), out var told) && told.Active && told.Version > cell.Owner.Terms!.Version)
            throw new ViolationException($"{hold} denies a Start as paused, and has been told of version {told.Version}, which is resumed");
    }
}
