using Usage.Caps;
using Usage.Host.Ledger;

namespace Usage.Host.Owners;

/// <summary>What only time brings about, looked for every second.</summary>
public sealed partial class OwnerDirectory
{
    /// <summary>Ends leases that have run out, announces what no row has announced, and forgets owners that nothing needs: the tables know them.</summary>
    public void Sweep()
    {
        var forgotten = new List<Generation>();
        var announcing = new List<OwnerCell>();
        var (held, promised, slabWait) = (0L, 0L, TimeSpan.Zero);
        foreach (var cell in _cells.Values)
        {
            lock (cell.Gate)
            {
                if (cell.Tenure.IsOver) continue;
                var (now, lastTurn) = (NowOf(cell), cell.LastTurn);
                cell.Owner.Expire(now, cell.Outcomes);
                Deliver(cell);
                cell.LastTurn = lastTurn;
                held += cell.Owner.HeldTokens;
                promised += cell.Owner.SlabTokensAt(now.Real);
                if (now.Real - cell.Owner.SlabAskedAt is { } waits && waits > slabWait) slabWait = waits;
                if (cell.Owner.HasCrossings)
                {
                    cell.Pin();
                    announcing.Add(cell);
                }
                var isSilent = cell.ForgetSilent(now.Real, _limits.Lease, KeepsLookedAt, forgotten);
                foreach (var generation in forgotten) Forgotten(generation);
                forgotten.Clear();
                if (isSilent) Evict(cell);
            }
        }
        (HeldTokens, SlabTokens, SlabWait) = (held, promised, slabWait);
        foreach (var cells in announcing.GroupBy(c => c.Tenure)) _ = AnnounceAsync(cells.Key, [.. cells]);
    }

    private async Task AnnounceAsync(Tenure tenure, IReadOnlyList<OwnerCell> pinned)
    {
        try { await announcements.AnnounceAsync(tenure, pinned); }
        catch (Exception e) { log.LogError(e, "shard {Shard}: thresholds were not stored; they are when their owners are read next", tenure.Shard); }
        finally { foreach (var cell in pinned) Unpin(cell); }
    }
}
