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
    /// <summary>Steps that may be tried, a few seconds on one core. Where all caps are more, only some caps are, see <see cref="CapsToSearch"/>.</summary>
    public const long WorkMax = 4_000_000_000;

    /// <summary>
    /// Caps at even distances that are tried beside those of the exact menu: in a coarse unit every cap of the exact menu may fall short of one unit, or of
    /// its cost, where a longer one does not.
    /// </summary>
    public const int EvenCaps = 512;

    /// <summary>So many of them, or a few less, are kept before any cap of the exact menu is left out.</summary>
    private const int EvenCapsMin = 2;

    private const ushort NoStep = ushort.MaxValue;

    /// <summary>Where the way back through all rows takes no more than this, no row is taken twice.</summary>
    private const long BytesKeptAnyway = 32L << 20;

    /// <summary>Of a state with at most K plans: what it earns, the cutoff of its last step, and the cap that this starts at.</summary>
    private const int BytesPerState = sizeof(double) + sizeof(int) + sizeof(ushort);

    private readonly MarketTables _tables;
    private readonly MinorUnits _units;
    private readonly int[] _caps;
    private readonly int _layers;
    private readonly bool _limited;
    private readonly int _columns;
    private readonly bool _mustServe;
    private readonly double[][] _best;

    /// <summary>Where steps start: without limit of every cutoff of a block of rows; with one, of the last step of every state.</summary>
    private readonly ushort[][] _from;

    /// <summary>With a limit: the cutoff of the last step of every state.</summary>
    private readonly int[] _cutoff;

    /// <summary>Rows from one checkpoint to the next: a block of them, or with a limit a part of all.</summary>
    private readonly int _every;
    private readonly Dictionary<int, Checkpoint> _checkpoints = [];

    private sealed record Checkpoint(double[][] Best, ushort[] From, int[] Cutoff);

    private CutoffPath(MarketTables tables, int[] caps, MinorUnits units, int? plansMax, bool mustServe, int? checkpoints)
    {
        (_tables, _caps, _units, _limited, _layers, _columns, _mustServe) = (tables, caps, units, plansMax is not null, plansMax ?? 1, caps.Length, mustServe);
        _best = [.. Enumerable.Range(0, _layers).Select(_ => new double[_columns])];
        _every = _limited ? Checkpoints.Every(tables.Types.Count, checkpoints ?? Checkpoints.OfFewPlans(tables.Types.Count)) : BlockRows(tables.Types.Count, _columns);
        _from = [.. Enumerable.Range(0, _limited ? 1 : _every).Select(_ => new ushort[_layers * _columns])];
        _cutoff = _limited ? new int[_layers * _columns] : [];
        Begin();
    }

    private void Begin()
    {
        foreach (var layer in _best)
        {
            Array.Fill(layer, double.NegativeInfinity);
            layer[0] = 0;
        }
    }

    public static bool CanSearch(int types, int caps, int? plansMax) => caps < NoStep && Work(types, caps, plansMax) <= WorkMax;

    /// <summary>Steps between all of so many caps.</summary>
    public static double Work(int types, int caps, int? plansMax) => (double)types * Math.Max(1, (plansMax ?? 2) - 1) * caps * caps / 2;

    /// <summary>
    /// The caps of the exact menu, and others evenly over all from the first (0 or the free tier) to the longest. If these are too many the others are thinned first, for with all
    /// caps of the exact menu nothing is lost against flooring its steps; and only if those alone are too many, they too.
    /// </summary>
    /// <param name="all">Ascending, more than can be searched.</param>
    public static int[] CapsToSearch(int[] all, int[] menuCaps, int types, int? plansMax)
    {
        int[] ofMenu = [.. menuCaps.Distinct().Order()];
        for (var (even, every) = (EvenCaps, 1); ; (even, every) = even > EvenCapsMin ? (even * 3 / 4, 1) : (even, every + 1))
        {
            int[] caps = [.. Thinned(all, even).Concat(ofMenu.Where((_, n) => n % every == 0)).Distinct().Order()];
            if (CanSearch(types, caps.Length - 1, plansMax)) return caps;
        }
    }

    /// <summary>At most so many of these caps, evenly, the first and the last among them.</summary>
    public static int[] Thinned(int[] caps, int count) => caps.Length <= count ? caps
        : [.. Enumerable.Range(0, count).Select(n => caps[(int)((long)n * (caps.Length - 1) / (count - 1))]).Distinct()];

    /// <summary>The steps of the best menu, smallest cap first; none if nothing earns anything in this unit.</summary>
    /// <param name="caps">The caps to try, in tokens, ascending from 0 or the free tier.</param>
    /// <param name="mustServe">Nobody may be left without a plan.</param>
    /// <param name="checkpoints">How many states of all caps and plans are kept for the way back, where plans are limited; null for what <see cref="Checkpoints"/> says.</param>
    public static PriceStep[] Search(
        MarketTables tables, int[] caps, MinorUnits units, int? plansMax, bool mustServe, Action<double> progress, CancellationToken cancellation,
        int? checkpoints = null)
    {
        var path = new CutoffPath(tables, caps, units, plansMax, mustServe, checkpoints);
        for (var j = tables.Types.Count - 1; j >= 0; j--)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!path._limited) path.KeepBlock(j);
            path.Take(j, path._columns, path._layers);
            if (path._limited && j > 0 && j % path._every == 0) path._checkpoints[j] = path.Keep();
            progress((double)(tables.Types.Count - j) / tables.Types.Count);
        }
        return path._limited ? path.WayBackOfFew(cancellation) : path.WayBack(cancellation);
    }

    /// <summary>What the way back takes at most, in bytes: states with a limit, whatever the types; without one a block of rows and the beginning of every other.</summary>
    public static long PathBytes(int types, int caps, int? plansMax)
    {
        if (plansMax is { } layers) return (long)layers * caps * BytesPerState * (1 + Checkpoints.OfFewPlans(types));
        var block = BlockRows(types, caps);
        return (long)block * caps * sizeof(ushort) + (block == types ? 0 : (types / block + 1L) * caps * sizeof(double));
    }

    private static int BlockRows(int types, int columns) =>
        (long)types * columns * sizeof(ushort) <= BytesKeptAnyway ? types : Math.Min(types, (int)Math.Ceiling(Math.Sqrt(4.0 * types)));

    private void KeepBlock(int j)
    {
        if (_every < _tables.Types.Count && (j == _tables.Types.Count - 1 || (j + 1) % _every == 0)) _checkpoints[j / _every] = Keep();
    }

    private Checkpoint Keep() => new([.. _best.Select(layer => (double[])layer.Clone())], _limited ? [.. _from[0]] : [], [.. _cutoff]);

    /// <summary>The cutoff j, over the first so many caps and numbers of plans.</summary>
    private void Take(int j, int columns, int layers)
    {
        var (weight, unit) = (_tables.CumulativeWeights[j], _units.UnitPerConversation);
        var (value, start) = (ValueInUnits(j), new double[_columns]);
        double[] cost = [.. _caps.Select(cap => _tables.ServingCost[cap])];
        var from = _limited ? _from[0] : _from[j % _every];
        if (!_limited) Array.Fill(from, NoStep);

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
                if (_limited) _cutoff[k * _columns + m] = j;
            }
        }
        // Once the most urgent type is passed by, nobody may still be without a plan.
        if (_mustServe && j == _tables.Types.Count - 1)
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

    private void TakeAgain(int block, int columns, CancellationToken cancellation)
    {
        _checkpoints[block].Best[0].CopyTo(_best[0], 0);
        TakeDownTo(block * _every, Math.Min(_tables.Types.Count, (block + 1) * _every), columns, 1, cancellation);
    }

    /// <summary>The states after cutoff j, for so many caps and plans.</summary>
    private void TakeStatesAgain(int j, int columns, int layers, CancellationToken cancellation)
    {
        var from = (j + _every - 1) / _every * _every;
        if (_checkpoints.TryGetValue(from, out var kept))
        {
            for (var k = 0; k < layers; k++) kept.Best[k].CopyTo(_best[k], 0);
            kept.From.CopyTo(_from[0], 0);
            kept.Cutoff.CopyTo(_cutoff, 0);
        }
        else
        {
            from = _tables.Types.Count;
            Begin();
        }
        TakeDownTo(j, from, columns, layers, cancellation);
    }

    private void TakeDownTo(int last, int from, int columns, int layers, CancellationToken cancellation)
    {
        for (var j = from - 1; j >= last; j--)
        {
            cancellation.ThrowIfCancellationRequested();
            Take(j, columns, layers);
        }
    }

    private double[] ValueInUnits(int type)
    {
        var value = _tables.NewRow();
        _tables.FillValue(type, value);
        return [.. _caps.Select(cap => value[cap] / _units.UnitPerConversation)];
    }

    private PriceStep[] WayBack(CancellationToken cancellation)
    {
        var (end, steps) = (BestEnd(0), new List<PriceStep>());
        for (var j = 0; j < _tables.Types.Count && end > 0; j++)
        {
            if (j > 0 && j % _every == 0) TakeAgain(j / _every, end + 1, cancellation);
            var start = _from[j % _every][end];
            if (start == NoStep) continue;
            steps.Add(Step(j, start, end));
            end = start;
        }
        steps.Reverse();
        return [.. steps];
    }

    /// <summary>From the last step of every state to the state that it started from, as that stood before the step's cutoff.</summary>
    private PriceStep[] WayBackOfFew(CancellationToken cancellation)
    {
        var (k, end, steps) = (_layers - 1, BestEnd(_layers - 1), new List<PriceStep>());
        while (end > 0)
        {
            var (cutoff, start) = (_cutoff[k * _columns + end], _from[0][k * _columns + end]);
            steps.Add(Step(cutoff, start, end));
            if (start > 0) TakeStatesAgain(cutoff + 1, start + 1, k, cancellation);
            (k, end) = (k - 1, start);
        }
        steps.Reverse();
        return [.. steps];
    }

    private int BestEnd(int k)
    {
        var end = 0;
        for (var m = 1; m < _columns; m++)
            if (_best[k][m] > _best[k][end]) end = m;
        return end;
    }

    /// <summary>The same operations as in the search, so that the price is the one that was found best.</summary>
    private PriceStep Step(int cutoff, int start, int end)
    {
        var value = ValueInUnits(cutoff);
        return new(_caps[end], cutoff, Math.Max(0, (long)Math.Floor(value[end] + PriceStep.FloorTolerance - value[start])));
    }
}
