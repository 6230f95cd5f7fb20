namespace PlanDesign.Screening;

/// <summary>
/// The same with at most K plans (cap 0 is not a plan), a layer for each number k of plans still to open, O(KNM):
/// D_i^k(m) = J[i,m] + max(D_{i+1}^k(m), D_{i+1}^k(0), max_{0&lt;m'&lt;m} D_{i+1}^{k−1}(m')), and the best profit is
/// max(0, max_{m>0} D_1^{K−1}(m)), for serving nobody earns 0. Ties go to the smaller cap. Memory is O(KM), whatever N.
/// </summary>
/// <param name="mustServe">Nobody may be left with cap 0.</param>
/// <param name="checkpoints">How many states of all caps and plans are kept for the way back, evenly over the types; null for what <see cref="Checkpoints"/> says.</param>
internal sealed class FewPlans(int types, int capTokensMax, int plansMax, bool mustServe = false, int? checkpoints = null)
{
    private readonly PlanStates _states = new(types, plansMax, capTokensMax + 1, mustServe);
    private readonly int _every = Checkpoints.Every(types, checkpoints ?? Checkpoints.OfFewPlans(types));
    private readonly Dictionary<int, PlanStates.Checkpoint> _kept = [];

    /// <summary>D_i^k(m) of the type taken last, at k·(M+1) + m for k = 0 … K−1.</summary>
    public double[] Potential => _states.Potential;

    /// <summary>Once every type is taken: the best profit.</summary>
    public double Value => _states.Value;

    /// <summary>Once every type is taken: the best profit with at most <paramref name="plans"/> ≤ K plans.</summary>
    public double ValueWith(int plans) => Math.Max(_states.Nothing, _states.Best(plans - 1, capTokensMax + 1).Profit);

    /// <summary>What a programme of this size keeps to find its way, in bytes.</summary>
    public static long PathBytes(int types, int capTokensMax, int plansMax)
    {
        var states = (long)plansMax * (capTokensMax + 1);
        // On the way back there is one programme more, of numbers, maxima and last types.
        return states * (PlanStates.Checkpoint.BytesPerState * Checkpoints.OfFewPlans(types) + sizeof(int) + 2 * sizeof(double) + sizeof(int));
    }

    public void Take(int type, ReadOnlySpan<double> surplus)
    {
        _states.Take(type, surplus);
        if (type > 0 && type % _every == 0) _kept[type] = _states.Keep();
    }

    public int[] CapTokensByType(RowsAgain rowsAgain) => CapTokensByType(plansMax, rowsAgain);

    /// <summary>Of the best menu of at most <paramref name="plans"/> ≤ K plans: a run of types with one cap, the next with a shorter one, until nobody more urgent is worth serving.</summary>
    public int[] CapTokensByType(int plans, RowsAgain rowsAgain)
    {
        var caps = new int[types];
        var (states, first, k, below) = (_states, 0, plans - 1, capTokensMax + 1);
        while (true)
        {
            var (cap, profit, last) = states.Best(k, below);
            if (profit <= _states.Nothing) return caps;
            caps.AsSpan(first, last + 1 - first).Fill(cap);
            if (last == types - 1 || k == 0 || cap == 1) return caps;
            (first, k, below) = (last + 1, k - 1, cap);
            states = StatesAt(first, k, below, rowsAgain);
        }
    }

    /// <summary>The states after a type, taken again from the checkpoint before it, for the caps and plans that the way still has.</summary>
    private PlanStates StatesAt(int type, int k, int below, RowsAgain rowsAgain)
    {
        var from = (type + _every - 1) / _every * _every;
        var kept = _kept.GetValueOrDefault(from);
        var rows = rowsAgain(kept is null ? types : from, Checkpoints.Columns(below - 1, capTokensMax + 1));
        var states = new PlanStates(types, k + 1, rows.Surplus.Length, mustServe);
        if (kept is not null) states.Restore(kept);
        while (rows.Type > type && rows.MoveToMorePatient()) states.Take(rows.Type, rows.Surplus);
        return states;
    }
}
