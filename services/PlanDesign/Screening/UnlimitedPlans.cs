using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

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
        var (m, running) = (0, double.NegativeInfinity);
        if (Vector256.IsHardwareAccelerated)
        {
            var maxima = new PrefixMaxima(running);
            ref var from = ref MemoryMarshal.GetReference(surplus);
            ref var stored = ref MemoryMarshal.GetArrayDataReference(best);
            ref var claimed = ref MemoryMarshal.GetArrayDataReference(potential);
            for (; m <= surplus.Length - 64; m += 64)
            {
                var word = 0UL;
                for (var n = 0; n < 64; n += PrefixMaxima.Lanes)
                {
                    var now = Vector256.LoadUnsafe(ref from, (nuint)(uint)(m + n)) + Vector256.LoadUnsafe(ref stored, (nuint)(uint)(m + n));
                    now.StoreUnsafe(ref claimed, (nuint)(uint)(m + n));
                    maxima.Take(now, out var before).StoreUnsafe(ref stored, (nuint)(uint)(m + n));
                    word |= (ulong)Vector256.GreaterThan(now, before).ExtractMostSignificantBits() << n;
                }
                reachedAnew[m >> 6] = word;
            }
            running = maxima.Last;
        }
        for (; m < surplus.Length; m++)
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
