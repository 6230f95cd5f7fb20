using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PlanDesign.Screening;

/// <summary>
/// max Σ_i J[i, m_i] over caps that do not rise with urgency, any number of plans: D_i(m) = J[i,m] + max_{m' ≤ m} D_{i+1}(m'), from
/// the most urgent type to the most patient, O(NM). Exact for every distribution, no regularity assumed. Ties go to the smaller cap.
/// </summary>
/// <param name="blockRows">How many rows the way back remembers at once; null for what <see cref="Checkpoints"/> says, 0 where only the value will be asked for.</param>
internal sealed class UnlimitedPlans(int types, int capTokensMax, int? blockRows = null)
{
    private readonly int _block = Block(types, capTokensMax, blockRows);
    private readonly Dictionary<int, double[]> _checkpoints = [];
    private readonly BitRows _reachedAnew = new(Block(types, capTokensMax, blockRows), capTokensMax + 1);
    private double[] _best = new double[capTokensMax + 1];

    /// <summary>D_i(m) of the type taken last: the potential that bounds every menu.</summary>
    public double[] Potential { get; } = new double[capTokensMax + 1];

    /// <summary>Once every type is taken: the best profit.</summary>
    public double Value => _best[^1];

    /// <summary>What a programme of this size keeps to find its way, in bytes.</summary>
    public static long PathBytes(int types, int capTokensMax) => Checkpoints.Bytes(types, capTokensMax + 1, capTokensMax + 1);

    public void Take(int type, ReadOnlySpan<double> surplus)
    {
        if (blockRows != 0 && _block < types && (type == types - 1 || (type + 1) % _block == 0)) _checkpoints[type / _block] = [.. _best];
        var reachedAnew = _reachedAnew.Row(type % _block);
        reachedAnew.Clear();
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

    public int[] CapTokensByType(RowsAgain rowsAgain)
    {
        var caps = new int[types];
        var (cap, taken) = (capTokensMax, this);
        for (var i = 0; i < types; i++)
        {
            if (i > 0 && i % _block == 0) taken = Again(i / _block, cap, rowsAgain);
            caps[i] = cap = BitRows.LastSetUpTo(taken._reachedAnew.Row(i % _block), cap);
        }
        return caps;
    }

    private UnlimitedPlans Again(int block, int cap, RowsAgain rowsAgain)
    {
        var (first, columns) = (block * _block, Checkpoints.Columns(cap, capTokensMax + 1));
        var rows = rowsAgain(Math.Min(types, first + _block), columns);
        var again = new UnlimitedPlans(types, rows.Surplus.Length - 1, _block) { _best = _checkpoints[block][..rows.Surplus.Length] };
        while (rows.Type > first && rows.MoveToMorePatient()) again.Take(rows.Type, rows.Surplus);
        return again;
    }

    private static int Block(int types, int capTokensMax, int? blockRows) => Math.Max(1, blockRows ?? Checkpoints.BlockRows(types, capTokensMax + 1, capTokensMax + 1));
}
