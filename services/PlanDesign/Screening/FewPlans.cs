using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PlanDesign.Screening;

/// <summary>
/// The same with at most K plans (cap 0 is not a plan), a layer for each number k of plans still to open, O(KNM):
/// D_i^k(m) = J[i,m] + max(D_{i+1}^k(m), D_{i+1}^k(0), max_{0&lt;m'&lt;m} D_{i+1}^{k−1}(m')), and the best profit is
/// max(0, max_{m>0} D_1^{K−1}(m)), for serving nobody earns 0. Ties go to the smaller cap.
/// </summary>
/// <param name="mustServe">Nobody may be left with cap 0.</param>
/// <param name="blockRows">How many rows the way back remembers at once; null for what <see cref="Checkpoints"/> says, 0 where only values will be asked for.</param>
internal sealed class FewPlans(int types, int capTokensMax, int plansMax, bool mustServe = false, int? blockRows = null)
{
    private const int BitsPerCell = 3;

    private readonly Dictionary<int, double[]> _checkpoints = [];
    private readonly PathBits _bits = new(Block(types, capTokensMax, plansMax, blockRows), plansMax, capTokensMax + 1);

    /// <summary>max_{0&lt;m'≤m} D_i^k(m') of the type taken last, which the layer above opens a plan from.</summary>
    private readonly double[] _maxima = FirstMaxima(plansMax, capTokensMax + 1);

    /// <summary>D_i^k(m) of the type taken last, at k·(M+1) + m for k = 0 … K−1.</summary>
    public double[] Potential { get; } = new double[plansMax * (capTokensMax + 1)];

    /// <summary>Once every type is taken: the best profit.</summary>
    public double Value { get; private set; }

    /// <summary>Once every type is taken: the best profit with at most <paramref name="plans"/> ≤ K plans.</summary>
    public double ValueWith(int plans)
    {
        var best = mustServe ? double.NegativeInfinity : 0.0;
        foreach (var potential in Layer(plans - 1)[1..]) best = Math.Max(best, potential);
        return best;
    }

    /// <summary>What a programme of this size keeps to find its way, in bytes.</summary>
    public static long PathBytes(int types, int capTokensMax, int plansMax)
    {
        var cells = (long)plansMax * (capTokensMax + 1);
        return Checkpoints.Bytes(types, cells, BitsPerCell * cells);
    }

    public void Take(int type, ReadOnlySpan<double> surplus)
    {
        if (blockRows != 0 && _bits.Rows < types && (type == types - 1 || (type + 1) % _bits.Rows == 0)) _checkpoints[type / _bits.Rows] = [.. Potential];
        _bits.Clear(type);
        // Serving nobody more urgent is worth 0, where that is allowed.
        var stopping = mustServe && type < types - 1 ? double.NegativeInfinity : 0.0;
        // From the top layer down: a layer reads the one below it as the type before left it.
        for (var k = plansMax - 1; k >= 0; k--)
        {
            var layer = Layer(k);
            var fewer = k > 0 ? _maxima.AsSpan((k - 1) * (capTokensMax + 1), capTokensMax + 1) : [];
            var maxima = _maxima.AsSpan(k * (capTokensMax + 1), capTokensMax + 1);
            var serveNoMore = _bits.ServeNoMore(type, k);
            var openNext = _bits.OpenNext(type, k);
            var reachedAnew = _bits.ReachedAnew(type, k);
            layer[0] = mustServe ? double.NegativeInfinity : 0;
            var running = double.NegativeInfinity;
            for (var m = 1; m < layer.Length; m++)
            {
                if (m == 64 && Vector256.IsHardwareAccelerated)
                {
                    m = TakeWords(surplus, layer, fewer, maxima, serveNoMore, openNext, reachedAnew, stopping, ref running);
                    if (m == layer.Length) break;
                }
                var next = layer[m];
                if (k > 0 && fewer[m - 1] >= next)
                {
                    next = fewer[m - 1];
                    BitRows.Set(openNext, m);
                }
                if (next <= stopping)
                {
                    next = stopping;
                    BitRows.Set(serveNoMore, m);
                }
                layer[m] = surplus[m] + next;
                if (layer[m] > running)
                {
                    running = layer[m];
                    BitRows.Set(reachedAnew, m);
                }
                maxima[m] = running;
            }
            if (k == plansMax - 1) Value = mustServe ? running : Math.Max(0, running);
        }
    }

    /// <summary>The same, sixty-four caps at a time from the sixty-fifth on; returns the first cap that is left.</summary>
    private static int TakeWords(
        ReadOnlySpan<double> surplus, Span<double> layer, ReadOnlySpan<double> fewer, Span<double> maxima, Span<ulong> serveNoMore,
        Span<ulong> openNext, Span<ulong> reachedAnew, double stopping, ref double running)
    {
        var (best, stop, m) = (new PrefixMaxima(running), Vector256.Create(stopping), 64);
        ref var from = ref MemoryMarshal.GetReference(surplus);
        ref var own = ref MemoryMarshal.GetReference(layer);
        ref var below = ref MemoryMarshal.GetReference(fewer);
        ref var reached = ref MemoryMarshal.GetReference(maxima);
        for (; m <= layer.Length - 64; m += 64)
        {
            var (opened, stopped, anew) = (0UL, 0UL, 0UL);
            for (var n = 0; n < 64; n += PrefixMaxima.Lanes)
            {
                var at = (nuint)(uint)(m + n);
                var next = Vector256.LoadUnsafe(ref own, at);
                if (fewer.Length > 0)
                {
                    var opening = Vector256.LoadUnsafe(ref below, at - 1);
                    opened |= (ulong)Vector256.GreaterThanOrEqual(opening, next).ExtractMostSignificantBits() << n;
                    next = Vector256.MaxNative(next, opening);
                }
                stopped |= (ulong)Vector256.LessThanOrEqual(next, stop).ExtractMostSignificantBits() << n;
                var now = Vector256.LoadUnsafe(ref from, at) + Vector256.MaxNative(next, stop);
                now.StoreUnsafe(ref own, at);
                best.Take(now, out var before).StoreUnsafe(ref reached, at);
                anew |= (ulong)Vector256.GreaterThan(now, before).ExtractMostSignificantBits() << n;
            }
            (openNext[m >> 6], serveNoMore[m >> 6], reachedAnew[m >> 6]) = (opened, stopped, anew);
        }
        running = best.Last;
        return m;
    }

    public int[] CapTokensByType(RowsAgain rowsAgain) => CapTokensByType(plansMax, rowsAgain);

    /// <summary>Of the best menu of at most <paramref name="plans"/> ≤ K plans.</summary>
    public int[] CapTokensByType(int plans, RowsAgain rowsAgain)
    {
        var caps = new int[types];
        if (!mustServe && ValueWith(plans) <= 0) return caps;
        var (k, bits) = (plans - 1, _bits);
        var cap = BitRows.LastSetUpTo(bits.ReachedAnew(0, k), capTokensMax);
        for (var i = 0; ; i++)
        {
            caps[i] = cap;
            if (i == types - 1 || BitRows.IsSet(bits.ServeNoMore(i, k), cap)) return caps;
            var opens = BitRows.IsSet(bits.OpenNext(i, k), cap);
            if ((i + 1) % _bits.Rows == 0) bits = Again((i + 1) / _bits.Rows, cap, k, rowsAgain);
            if (!opens) continue;
            k--;
            cap = BitRows.LastSetUpTo(bits.ReachedAnew(i + 1, k), cap - 1);
        }
    }

    /// <summary>The bits of a block, for the caps and plans that the way still has.</summary>
    private PathBits Again(int block, int cap, int k, RowsAgain rowsAgain)
    {
        var first = block * _bits.Rows;
        var end = Math.Min(types, first + _bits.Rows);
        var rows = rowsAgain(end, Checkpoints.Columns(cap, capTokensMax + 1));
        var (columns, numbers) = (rows.Surplus.Length, _checkpoints[block]);
        var again = new FewPlans(types, columns - 1, k + 1, mustServe, _bits.Rows);
        for (var layer = 0; layer <= k; layer++)
        {
            numbers.AsSpan(layer * (capTokensMax + 1), columns).CopyTo(again.Layer(layer));
            var maxima = again._maxima.AsSpan(layer * columns, columns);
            var running = double.NegativeInfinity;
            for (var m = 1; m < columns && end < types; m++) maxima[m] = running = Math.Max(running, again.Layer(layer)[m]);
        }
        while (rows.Type > first && rows.MoveToMorePatient()) again.Take(rows.Type, rows.Surplus);
        return again._bits;
    }

    private static int Block(int types, int capTokensMax, int plansMax, int? blockRows)
    {
        var cells = (long)plansMax * (capTokensMax + 1);
        return Math.Max(1, blockRows ?? Checkpoints.BlockRows(types, cells, BitsPerCell * cells));
    }

    private static double[] FirstMaxima(int layers, int columns)
    {
        var maxima = new double[layers * columns];
        for (var k = 0; k < layers; k++) maxima[k * columns] = double.NegativeInfinity;
        return maxima;
    }

    private Span<double> Layer(int k) => Potential.AsSpan(k * (capTokensMax + 1), capTokensMax + 1);
}

/// <summary>Three bits for each cell of a block of rows: whether nobody more urgent is served, a plan is opened next, or a maximum is reached anew.</summary>
internal sealed class PathBits(int rows, int plansMax, int columns)
{
    private readonly BitRows _serveNoMore = new(rows * plansMax, columns);
    private readonly BitRows _openNext = new(rows * plansMax, columns);
    private readonly BitRows _reachedAnew = new(rows * plansMax, columns);

    public int Rows => rows;

    public Span<ulong> ServeNoMore(int type, int k) => _serveNoMore.Row(type % rows * plansMax + k);
    public Span<ulong> OpenNext(int type, int k) => _openNext.Row(type % rows * plansMax + k);
    public Span<ulong> ReachedAnew(int type, int k) => _reachedAnew.Row(type % rows * plansMax + k);

    public void Clear(int type)
    {
        for (var k = 0; k < plansMax; k++)
        {
            ServeNoMore(type, k).Clear();
            OpenNext(type, k).Clear();
            ReachedAnew(type, k).Clear();
        }
    }
}
