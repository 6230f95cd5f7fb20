namespace PlanDesign.Screening;

/// <summary>
/// max Σ_i J[i, m_i] over caps that do not rise with urgency, any number of plans: D_i(m) = J[i,m] + max_{m' ≤ m} D_{i+1}(m'), from
/// the most urgent type to the most patient, O(NM). Exact for every distribution, no regularity assumed. Ties go to the smaller cap.
/// </summary>
internal sealed class UnlimitedPlans(int types, int capTokensMax)
{
    private readonly double[] _best = new double[capTokensMax + 1];
    private readonly BitRows _reachedAnew = new(types, capTokensMax + 1);

    /// <summary>D_i(m) of the type taken last: the potential that bounds every menu.</summary>
    public double[] Potential { get; } = new double[capTokensMax + 1];

    /// <summary>Once every type is taken: the best profit.</summary>
    public double Value => _best[^1];

    public void Take(int type, ReadOnlySpan<double> surplus)
    {
        var reachedAnew = _reachedAnew.Row(type);
        var (best, potential) = (_best, Potential);
        var running = double.NegativeInfinity;
        for (var m = 0; m < surplus.Length; m++)
        {
            potential[m] = surplus[m] + best[m];
            if (potential[m] > running)
            {
                running = potential[m];
                BitRows.Set(reachedAnew, m);
            }
            best[m] = running;
        }
    }

    public int[] CapTokensByType()
    {
        var caps = new int[types];
        var cap = capTokensMax;
        for (var i = 0; i < types; i++) caps[i] = cap = BitRows.LastSetUpTo(_reachedAnew.Row(i), cap);
        return caps;
    }
}
