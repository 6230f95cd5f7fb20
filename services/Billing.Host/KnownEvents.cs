using Billing.Audit;

namespace Billing.Host;

/// <summary>
/// Which events were known at a point in history. Of every stream it is a beginning: what stands behind an event that was not known yet was not
/// known either, even where it speaks of an earlier time, as late usage does.
/// </summary>
internal sealed class KnownEvents(HistoryPoint point)
{
    private readonly HashSet<string> _ended = [];

    /// <param name="e">the events of a stream in their order</param>
    public bool Has(string stream, long sequence, object e)
    {
        if (_ended.Contains(stream)) return false;
        if (point == default || point.Knows(sequence, BusinessTimes.Of(e))) return true;
        _ended.Add(stream);
        return false;
    }
}
