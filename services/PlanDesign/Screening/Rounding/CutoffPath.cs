using System.Numerics;

namespace PlanDesign.Screening.Rounding;

/// <summary>
/// The best menu whose every price is whole in minor units u is a longest path: choose rising caps m → m' and falling cutoffs j, price the
/// step at u·⌊(V[j,m'] − V[j,m])/u⌋ and gain W_j·(price − (C[m'] − C[m])). Cutoffs from the most urgent type to the most patient, at most
/// one step each, for two steps with the same cutoff are worth no more than one. O(NM²) without limit, O(KNM²) with at most K plans, M caps
/// being tried. Steps are floored, never rounded to nearest: in the optimum every step is a tie for somebody, and half a unit more loses
/// whole types.
/// </summary>
internal sealed class CutoffPath
{
    /// <summary>Steps that may be tried, a few seconds on one core. Where all caps are more, only the caps of the exact menu are.</summary>
    public const long WorkMax = 4_000_000_000;

    private const ushort NoStep = ushort.MaxValue;

    /// <summary>Where the way back through all rows takes no more than this, no row is taken twice.</summary>
    private const long BytesKeptAnyway = 32L << 20;

    private readonly MarketTables _tables;
    private readonly MinorUnits _units;
    private readonly int[] _caps;
    private readonly int _layers;
    private readonly bool _limited;
    private readonly int _columns;
    private readonly int _block;
    private readonly double[][] _best;
    private readonly ushort[][] _from;
    private readonly Dictionary<int, double[][]> _checkpoints = [];

    private CutoffPath(MarketTables tables, int[] caps, MinorUnits units, int? plansMax)
    {
        (_tables, _caps, _units, _limited, _layers, _columns) = (tables, caps, units, plansMax is not null, plansMax ?? 1, caps.Length);
        _best = new double[_layers][];
        for (var k = 0; k < _layers; k++)
        {
            _best[k] = new double[_columns];
            Array.Fill(_best[k], double.NegativeInfinity);
            _best[k][0] = 0;
        }
        _block = BlockRows(tables.Types.Count, _layers, _columns);
        _from = [.. Enumerable.Range(0, _block).Select(_ => new ushort[_layers * _columns])];
    }

    public static bool CanSearch(int types, int caps, int? plansMax) =>
        caps < NoStep && (double)types * Math.Max(1, (plansMax ?? 2) - 1) * caps * caps / 2 <= WorkMax;

    /// <summary>Nothing (0 or the free tier) and the caps of the exact menu; if even these are too many, evenly thinned.</summary>
    public static int[] CapsToSearch(int[] menuCaps, int types, int? plansMax)
    {
        int[] caps = [.. menuCaps.Distinct().Order()];
        var every = 1;
        while (!CanSearch(types, caps.Length / every, plansMax)) every++;
        return every == 1 ? caps : [.. caps.Where((_, n) => n % every == 0)];
    }

    /// <summary>The steps of the best menu, smallest cap first; none if nothing earns anything in this unit.</summary>
    /// <param name="caps">The caps to try, in tokens, ascending from 0 or the free tier.</param>
    /// <param name="mustServe">Nobody may be left without a plan.</param>
    public static PriceStep[] Search(
        MarketTables tables, int[] caps, MinorUnits units, int? plansMax, bool mustServe, Action<double> progress, CancellationToken cancellation)
    {
        var path = new CutoffPath(tables, caps, units, plansMax);
        for (var j = tables.Types.Count - 1; j >= 0; j--)
        {
            cancellation.ThrowIfCancellationRequested();
            path.Checkpoint(j);
            path.Take(j, path._columns, path._layers, mustServe);
            progress((double)(tables.Types.Count - j) / tables.Types.Count);
        }
        return path.WayBack(mustServe, cancellation);
    }

    /// <summary>What the way back takes at most, in bytes: from every block of rows on, each taken again from its first.</summary>
    public static long PathBytes(int types, int caps, int? plansMax)
    {
        var (layers, block) = (plansMax ?? 1, BlockRows(types, plansMax ?? 1, caps));
        return (long)block * layers * caps * sizeof(ushort) + (block == types ? 0 : (types / block + 1L) * layers * caps * sizeof(double));
    }

    private static int BlockRows(int types, int layers, int columns) =>
        (long)types * layers * columns * sizeof(ushort) <= BytesKeptAnyway ? types : Math.Min(types, (int)Math.Ceiling(Math.Sqrt(4.0 * types)));

    private void Checkpoint(int j)
    {
        if (_block < _tables.Types.Count && (j == _tables.Types.Count - 1 || (j + 1) % _block == 0)) _checkpoints[j / _block] = [.. _best.Select(layer => (double[])layer.Clone())];
    }

    /// <summary>The cutoff j, over the first so many caps and numbers of plans.</summary>
    private void Take(int j, int columns, int layers, bool mustServe)
    {
        var (weight, unit) = (_tables.CumulativeWeights[j], _units.UnitPerConversation);
        var (value, start) = (ValueInUnits(j), new double[_columns]);
        double[] cost = [.. _caps.Select(cap => _tables.ServingCost[cap])];
        var from = _from[j % _block];
        Array.Fill(from, NoStep);

        for (var k = layers - 1; k >= 0; k--)
        {
            var best = _best[k];
            // Without limit a path may be at any cap; with one, a path of k+1 steps comes from one of k, and of none only from cap 0.
            var reachable = _limited && k == 0 ? 1 : columns;
            var before = _limited && k > 0 ? _best[k - 1] : best;
            for (var m = 0; m < reachable; m++) start[m] = before[m] + weight * cost[m];
            // Descending, so that without limit no cap is reached twice by the same cutoff.
            for (var m = columns - 1; m > 0; m--)
            {
                var end = value[m] + PriceStep.FloorTolerance;
                var starts = Math.Min(m, reachable);
                var gain = BestStart(start.AsSpan(0, starts), value, end, weight * unit) - weight * cost[m];
                if (gain <= best[m]) continue;
                best[m] = gain;
                from[k * _columns + m] = (ushort)FirstStart(start.AsSpan(0, starts), value, end, weight * unit, gain + weight * cost[m]);
            }
        }
        // Once the most urgent type is passed by, nobody may still be without a plan.
        if (mustServe && j == _tables.Types.Count - 1)
            foreach (var layer in _best) layer[0] = double.NegativeInfinity;
    }

    private static double BestStart(ReadOnlySpan<double> start, ReadOnlySpan<double> value, double end, double weightedUnit)
    {
        var (m, best) = (0, double.NegativeInfinity);
        if (start.Length >= Vector<double>.Count)
        {
            var (ends, units, bests) = (new Vector<double>(end), new Vector<double>(weightedUnit), new Vector<double>(best));
            for (; m <= start.Length - Vector<double>.Count; m += Vector<double>.Count)
                bests = Vector.Max(bests, new Vector<double>(start[m..]) + units * Vector.Floor(ends - new Vector<double>(value[m..])));
            for (var lane = 0; lane < Vector<double>.Count; lane++) best = Math.Max(best, bests[lane]);
        }
        for (; m < start.Length; m++) best = Math.Max(best, start[m] + weightedUnit * Math.Floor(end - value[m]));
        return best;
    }

    private static int FirstStart(ReadOnlySpan<double> start, ReadOnlySpan<double> value, double end, double weightedUnit, double best)
    {
        // Recomputed with the same operations; the small allowance is for the cost added and taken away again.
        var allowance = 1e-14 * Math.Max(Math.Abs(best), weightedUnit);
        for (var m = 0; m < start.Length; m++)
            if (start[m] + weightedUnit * Math.Floor(end - value[m]) >= best - allowance) return m;
        return start.Length - 1;
    }

    private void TakeAgain(int block, int columns, int layers, bool mustServe, CancellationToken cancellation)
    {
        for (var k = 0; k < layers; k++) _checkpoints[block][k].CopyTo(_best[k], 0);
        for (var j = Math.Min(_tables.Types.Count, (block + 1) * _block) - 1; j >= block * _block; j--)
        {
            cancellation.ThrowIfCancellationRequested();
            Take(j, columns, layers, mustServe);
        }
    }

    private double[] ValueInUnits(int type)
    {
        var value = _tables.NewRow();
        _tables.FillValue(type, value);
        return [.. _caps.Select(cap => value[cap] / _units.UnitPerConversation)];
    }

    private PriceStep[] WayBack(bool mustServe, CancellationToken cancellation)
    {
        var (k, end) = (_layers - 1, 0);
        for (var m = 1; m < _columns; m++)
            if (_best[k][m] > _best[k][end]) end = m;
        var steps = new List<PriceStep>();
        for (var j = 0; j < _tables.Types.Count && end > 0; j++)
        {
            if (j > 0 && j % _block == 0) TakeAgain(j / _block, end + 1, k + 1, mustServe, cancellation);
            var start = _from[j % _block][k * _columns + end];
            if (start == NoStep) continue;
            var value = ValueInUnits(j);
            // The same operations as in the search, so that the price is the one that was found best.
            steps.Add(new(_caps[end], j, Math.Max(0, (long)Math.Floor(value[end] + PriceStep.FloorTolerance - value[start]))));
            end = start;
            if (_limited) k--;
        }
        steps.Reverse();
        return [.. steps];
    }
}
