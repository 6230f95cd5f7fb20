namespace Billing.Periods;

/// <summary>What of an applied report its neighbours must fit.</summary>
public sealed record ReportLink(long FirstBatch, long LastBatch, string PreviousChain, string Chain);

/// <summary>Whether a report is whole, and continues what was applied beside it, whatever the order in which they came.</summary>
public static class ReportChain
{
    private static readonly string Start = Convert.ToHexStringLower(MerkleTree.EmptyRoot);

    /// <summary>What is wrong with a report all by itself: it was damaged on its way, and the one that usage holds will be fetched.</summary>
    public static string? OwnFault(UsageReport r)
    {
        if (r.Number < 1 || r.LastBatch < r.FirstBatch || r.Roots.Count != r.LastBatch - r.FirstBatch + 1) return "its numbers do not fit its roots";
        try
        {
            var chain = Convert.FromHexString(r.PreviousChain);
            for (var i = 0; i < r.Roots.Count; i++) chain = MerkleTree.Chain(chain, r.FirstBatch + i, Convert.FromHexString(r.Roots[i]));
            return Convert.ToHexStringLower(chain) == r.Chain ? null : "its roots do not give its chain value";
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return "its hashes are not 64 hex digits";
        }
    }

    /// <summary>Why a report that is not in the books does not fit those that are; null if it fits.</summary>
    /// <param name="applied">by number: those before and after it, and one that had its number</param>
    public static string? Broken(UsageReport r, IReadOnlyDictionary<long, ReportLink> applied)
    {
        if (applied.ContainsKey(r.Number)) return $"report {r.Number} came again with another content";
        if (r.Number == 1 && (r.PreviousChain != Start || r.FirstBatch != 1)) return "report 1 does not start the chain";
        if (applied.TryGetValue(r.Number - 1, out var before) && (before.Chain != r.PreviousChain || before.LastBatch + 1 != r.FirstBatch))
            return $"report {r.Number} does not follow report {r.Number - 1} as it was applied";
        if (applied.TryGetValue(r.Number + 1, out var after) && (after.PreviousChain != r.Chain || r.LastBatch + 1 != after.FirstBatch))
            return $"report {r.Number + 1}, which was applied, does not follow report {r.Number}";
        return null;
    }
}
