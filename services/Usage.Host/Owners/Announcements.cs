using Usage.Caps;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Usage.Host.Owners;

/// <summary>Stores thresholds that were passed without a row to carry them: by a correction, or because a cap was lowered.</summary>
public sealed class Announcements(UsageStore store)
{
    /// <summary>If this process dies before it is done, whoever owns the subscription next finds them passed.</summary>
    /// <param name="cells">owners of this tenure</param>
    public async Task AnnounceAsync(Tenure tenure, IReadOnlyList<OwnerCell> cells)
    {
        var taken = new List<(OwnerCell Cell, IReadOnlyList<ThresholdCrossing> Crossings)>();
        foreach (var cell in cells)
            lock (cell.Gate)
                if (cell.Owner.HasCrossings) taken.Add((cell, cell.Owner.TakeCrossings()));
        if (taken.Count == 0) return;
        try
        {
            // They count rows that were decided before and are not committed yet: should those be lost, nothing was passed.
            await tenure.Writer.FlushAsync();
            await ThresholdOutbox.AddAsync(store, tenure.Shard, [.. taken.SelectMany(t => t.Crossings)]);
        }
        catch (Exception e) when (StoreFailure.Is(e))
        {
            foreach (var (cell, crossings) in taken)
                lock (cell.Gate) cell.Owner.GiveBack(crossings);
        }
        catch (RefusedException e) when (OwnerMoved.Is(e))
        {
            // Whoever owns them now reads what is committed, and notices.
        }
    }
}
