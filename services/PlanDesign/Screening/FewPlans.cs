namespace PlanDesign.Screening;

/// <summary>
/// The same with at most K plans (cap 0 is not a plan), a layer for each number k of plans still to open, O(KNM):
/// D_i^k(m) = J[i,m] + max(D_{i+1}^k(m), D_{i+1}^k(0), max_{0&lt;m'&lt;m} D_{i+1}^{k−1}(m')), and the best profit is
/// max(0, max_{m>0} D_1^{K−1}(m)), for serving nobody earns 0. Ties go to the smaller cap.
/// </summary>
/// <param name="mustServe">Nobody may be left with cap 0.</param>
internal sealed class FewPlans(int types, int capTokensMax, int plansMax, bool mustServe = false)
{
    private readonly BitRows _serveNoMore = new(types * plansMax, capTokensMax + 1);
    private readonly BitRows _openNext = new(types * plansMax, capTokensMax + 1);
    private readonly BitRows _reachedAnew = new(types * plansMax, capTokensMax + 1);

    /// <summary>D_i^k(m) of the type taken last, at k·(M+1) + m for k = 0 … K−1.</summary>
    public double[] Potential { get; } = new double[plansMax * (capTokensMax + 1)];

    /// <summary>Once every type is taken: the best profit.</summary>
    public double Value { get; private set; }

    /// <summary>Once every type is taken: the best profit with at most <paramref name="plans"/> ≤ K plans.</summary>
    public double ValueWith(int plans)
    {
        var best = 0.0;
        foreach (var potential in Layer(plans - 1)[1..]) best = Math.Max(best, potential);
        return best;
    }

    public void Take(int type, ReadOnlySpan<double> surplus)
    {
        // From the top layer down: a layer reads the one below it as the type before left it.
        for (var k = plansMax - 1; k >= 0; k--)
        {
            var layer = Layer(k);
            var fewer = k > 0 ? Layer(k - 1) : [];
            var serveNoMore = Row(_serveNoMore, type, k);
            var openNext = Row(_openNext, type, k);
            var reachedAnew = Row(_reachedAnew, type, k);
            layer[0] = mustServe ? double.NegativeInfinity : 0;
            var mayStop = !mustServe || type == types - 1;
            var (bestFewer, running) = (double.NegativeInfinity, double.NegativeInfinity);
            for (var m = 1; m < layer.Length; m++)
            {
                var next = layer[m];
                if (bestFewer >= next)
                {
                    next = bestFewer;
                    BitRows.Set(openNext, m);
                }
                if (mayStop && next <= 0)
                {
                    next = 0;
                    BitRows.Set(serveNoMore, m);
                }
                if (k > 0) bestFewer = Math.Max(bestFewer, fewer[m]);
                layer[m] = surplus[m] + next;
                if (layer[m] > running)
                {
                    running = layer[m];
                    BitRows.Set(reachedAnew, m);
                }
            }
            if (k == plansMax - 1) Value = mustServe ? running : Math.Max(0, running);
        }
    }

    public int[] CapTokensByType()
    {
        var caps = new int[types];
        if (!mustServe && Value <= 0) return caps;
        var k = plansMax - 1;
        var cap = BitRows.LastSetUpTo(Row(_reachedAnew, 0, k), capTokensMax);
        for (var i = 0; ; i++)
        {
            caps[i] = cap;
            if (i == types - 1 || BitRows.IsSet(Row(_serveNoMore, i, k), cap)) return caps;
            if (!BitRows.IsSet(Row(_openNext, i, k), cap)) continue;
            k--;
            cap = BitRows.LastSetUpTo(Row(_reachedAnew, i + 1, k), cap - 1);
        }
    }

    private Span<double> Layer(int k) => Potential.AsSpan(k * (capTokensMax + 1), capTokensMax + 1);

    private Span<ulong> Row(BitRows rows, int type, int k) => rows.Row(type * plansMax + k);
}
