using Usage.Caps;
using Usage.Host.Ledger;

namespace Usage.Host.Owners;

/// <summary>What becomes of owners when their shard is no longer held here.</summary>
public sealed partial class OwnerDirectory
{
    /// <summary>
    /// Lets go of every owner of a tenure that is over. When this returns the last turn has been taken. The owners are still told what
    /// becomes durable, so that what they leave behind is exact.
    /// </summary>
    public IReadOnlyList<OwnerCell> Evict(Tenure tenure)
    {
        var evicted = new List<OwnerCell>();
        foreach (var cell in _cells.Values)
        {
            if (cell.Tenure != tenure) continue;
            lock (cell.Gate) Evict(cell);
            evicted.Add(cell);
        }
        return evicted;
    }

    /// <summary>What each owner still has out when it ends in good order, for its successor.</summary>
    public IReadOnlyList<SlabRequest> Remainders(IReadOnlyList<OwnerCell> evicted)
    {
        var now = TimeProvider.System.GetUtcNow();
        var remainders = new List<SlabRequest>(evicted.Count);
        foreach (var cell in evicted)
        {
            lock (cell.Gate)
                if (cell.Remainder(now) is { } left) remainders.Add(new SlabRequest(cell, left.Tokens, left.Until, left.Inherited));
        }
        return remainders;
    }

    /// <summary>Forgets the generations of a tenure that is over, and tells their runtimes to resume where their owners are now.</summary>
    public void Release(Tenure tenure)
    {
        foreach (var (id, generation) in _running)
        {
            var route = (Route)generation.Route!;
            if (route.Cell.Tenure != tenure) continue;
            _running.TryRemove(new KeyValuePair<Guid, Generation>(id, generation));
            lock (route.Cell.Gate)
                foreach (var listener in route.Listeners) tenure.Listen(listener);
        }
        tenure.Tell();
    }
}
