using System.Numerics;
using PlanDesign.Screening.Rounding;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// An upper bound on every menu in whole minor units over given caps, from the certificate's own tables. A menu is a path of steps (cutoff j, cap m → m',
/// q units), q in (⌊V-step of j+1⌋, ⌊V-step of j⌋], that earns W_j (q·u − ΔC) each; rules on prices leave a budget for the steps after the first. The
/// budget is priced at λ ≥ 0 (Lagrange): the best path at steps worth (W_j·u − λ)·q, and λ for every unit of budget, is no less than the best menu for any
/// λ. Without such rules λ = 0 and the bound is the optimum itself, by a recursion from the most patient cutoff to the most urgent, against the
/// direction in which menus are searched for. O(KNM²).
/// </summary>
internal sealed class WholeUnitBound
{
    private readonly CheckerTables _tables;
    private readonly int[] _caps;
    private readonly double _unit;
    private readonly PriceRules _rules;
    private readonly bool _mustServe;
    private readonly bool _limited;
    private readonly int _layers;
    private readonly double[] _weightUpTo;
    private readonly double[] _cost;
    private readonly double[] _usable;
    private readonly double[][]? _values;

    /// <param name="caps">Ascending, from the cap that everybody has for nothing, 0 or a free tier.</param>
    /// <param name="values">V in units by type at these caps (<see cref="Values"/>), where they are asked for again and again; null to compute each when it is needed.</param>
    public WholeUnitBound(CheckerTables tables, int[] caps, double unit, int? plansMax, PriceRules rules, bool mustServe, double[][]? values = null)
    {
        _values = values;
        (_tables, _caps, _unit, _rules, _mustServe) = (tables, caps, unit, rules, mustServe);
        (_limited, _layers) = (plansMax is not null, plansMax is { } k ? Math.Min(k, Math.Max(1, caps.Length - 1)) : 1);
        _weightUpTo = new double[tables.Rates.Length];
        for (var (i, sum) = (0, 0.0); i < _weightUpTo.Length; i++) _weightUpTo[i] = sum += tables.Weights[i];
        _cost = [.. caps.Select(cap => tables.Cost[cap])];
        _usable = PriceRules.Usable(ValueInUnits(0));
    }

    /// <summary>What the free tier costs everybody, which no step earns.</summary>
    public double OfBase => -_weightUpTo[^1] * _cost[0];

    /// <summary>
    /// A bound that costs nothing: everybody who pays the cheapest price of these rules pays as much as the dearest may be. What serving costs is left out.
    /// </summary>
    public double AtMost()
    {
        // With value at the cap the longest cap is not the one that is worth most.
        if (_rules.FirstMax is not { } first || _rules.RatioMax is not { } ratio || _tables.HasValueAtCap) return double.PositiveInfinity;
        var (served, dearest) = (-1, Math.Min(ratio * first + 1, _rules.Max ?? double.PositiveInfinity));
        for (var (low, high) = (0, _weightUpTo.Length - 1); low <= high;)
        {
            var middle = (low + high) / 2;
            var worth = ValueInUnits(middle);
            // The longest cap is worth the less the more urgent a customer is.
            if (worth[^1] - worth[0] + PriceStep.FloorTolerance >= _rules.Min) (served, low) = (middle, middle + 1);
            else high = middle - 1;
        }
        return served < 0 ? 0 : _weightUpTo[served] * dearest * _unit + _weightUpTo[^1] * _cost[0];
    }

    /// <summary>More than this nobody would pay for any cap, in units.</summary>
    public double Dearest => _usable[0];

    /// <summary>Layers of what remains: a plan is one layer, and without limit there is one.</summary>
    public int Layers => _layers;

    /// <summary>The bound at λ, money per conversation and unit of budget.</summary>
    /// <param name="remaining">
    /// Filled, where given, for each cutoff j with the most that steps with cutoffs up to j can add from a cap on: at k·caps + n for k more plans
    /// (0 … K−1), or at n without limit.
    /// </param>
    public double At(double lambda, double[][]? remaining, CancellationToken cancellation)
    {
        var (columns, best) = (_caps.Length, _mustServe ? double.NegativeInfinity : 0.0);
        var after = new double[_layers * columns];
        var (own, urgent, end) = (ValueInUnits(0), Array.Empty<double>(), new double[columns]);
        for (var j = 0; j < _weightUpTo.Length; j++)
        {
            cancellation.ThrowIfCancellationRequested();
            urgent = j + 1 < _weightUpTo.Length ? ValueInUnits(j + 1) : [];
            if (!_mustServe || urgent.Length == 0) best = Math.Max(best, BestFirst(j, lambda, own, urgent, after.AsSpan((_layers - 1) * columns)));
            var weight = _weightUpTo[j];
            var slope = weight * _unit - lambda;
            // Where a unit of budget is dearer than it earns, as few as keep the next type out; the most urgent cannot be kept out.
            var (steps, shift) = slope >= 0 ? (own, 0.0) : (urgent, urgent.Length == 0 ? 0 : slope);
            for (var k = _layers - 1; k >= (_limited ? 1 : 0); k--)
            {
                var fewer = after.AsSpan((_limited ? k - 1 : k) * columns, columns);
                for (var n = 0; n < columns; n++) end[n] = fewer[n] - weight * _cost[n];
                var layer = after.AsSpan(k * columns, columns);
                for (var m = 1; m < columns - 1; m++)
                {
                    var gain = weight * _cost[m] + shift + (steps.Length == 0 ? Most(end.AsSpan(m + 1)) : Best(end.AsSpan(m + 1), steps.AsSpan(m + 1), steps[m] - PriceStep.FloorTolerance, slope));
                    layer[m] = Math.Max(layer[m], gain);
                }
            }
            if (remaining is not null) remaining[j] = [.. after];
            own = urgent;
        }
        return best;
    }

    /// <summary>The least bound over λ, which is convex in it, by golden section.</summary>
    public double BestLambda(int evaluations, CancellationToken cancellation)
    {
        if (!_rules.HasBudget) return 0;
        var golden = (Math.Sqrt(5) - 1) / 2;
        var (low, high) = (0.0, _unit * _weightUpTo[^1]);
        var (a, b) = (high - golden * (high - low), low + golden * (high - low));
        var (atA, atB) = (At(a, null, cancellation), At(b, null, cancellation));
        for (var n = 2; n < evaluations; n++)
        {
            if (atA <= atB)
            {
                (high, b, atB) = (b, a, atA);
                atA = At(a = high - golden * (high - low), null, cancellation);
            }
            else
            {
                (low, a, atA) = (a, b, atB);
                atB = At(b = low + golden * (high - low), null, cancellation);
            }
        }
        return atA <= atB ? a : b;
    }

    /// <summary>The most that a first step with cutoff j earns with what may follow.</summary>
    private double BestFirst(int j, double lambda, double[] own, double[] urgent, ReadOnlySpan<double> after)
    {
        var best = double.NegativeInfinity;
        for (var n = 1; n < _caps.Length; n++) best = Math.Max(best, First(j, n, lambda, own, urgent) + (_limited && _layers == 1 ? 0 : after[n]));
        return best;
    }

    /// <summary>
    /// The most of W_j (q·u − ΔC) + λ·(budget after q) over the prices q that end at cutoff j: concave in q, so at an end or where another rule
    /// begins to bind. −∞ if no price does.
    /// </summary>
    public double First(int j, int n, double lambda, double[] own, double[] urgent)
    {
        var low = Math.Max(_rules.Min, urgent.Length == 0 ? 0 : Math.Floor(urgent[n] + PriceStep.FloorTolerance - urgent[0]) + 1);
        var high = Math.Min(Math.Min(_rules.Max ?? double.PositiveInfinity, _rules.FirstMax ?? double.PositiveInfinity), Math.Floor(own[n] + PriceStep.FloorTolerance - own[0]));
        if (low > high) return double.NegativeInfinity;
        var most = Math.Max(Earned(low), Earned(high));
        if (lambda > 0)
        {
            if (_rules.Max is { } max) most = Math.Max(most, Earned(Math.Clamp(max - _usable[n], low, high)));
            if (_rules.RatioMax is { } ratio)
            {
                if (_rules.Max is { } ceiling) most = Math.Max(most, Earned(Math.Clamp(ceiling / ratio, low, high)));
                if (ratio > 1) most = Math.Max(most, Earned(Math.Clamp(_usable[n] / (ratio - 1), low, high)));
            }
        }
        return most;

        double Earned(double q)
        {
            var budget = _usable[n];
            if (_rules.Max is { } max) budget = Math.Min(budget, max - q);
            if (_rules.RatioMax is { } ratio) budget = Math.Min(budget, (ratio - 1) * q + PriceStep.FloorTolerance);
            return _weightUpTo[j] * (q * _unit - (_cost[n] - _cost[0])) + (_rules.HasBudget ? lambda * budget : 0);
        }
    }

    /// <summary>V in units, of every type at these caps.</summary>
    public static double[][] Values(CheckerTables tables, int[] caps, double unit) =>
        [.. Enumerable.Range(0, tables.Rates.Length).Select(type => ValueInUnits(tables, caps, unit, type))];

    private double[] ValueInUnits(int type) => _values?[type] ?? ValueInUnits(_tables, _caps, _unit, type);

    private static double[] ValueInUnits(CheckerTables tables, int[] caps, double unit, int type)
    {
        var row = tables.Value(type);
        return [.. caps.Select(cap => row[cap] / unit)];
    }

    private static double Most(ReadOnlySpan<double> end)
    {
        var most = double.NegativeInfinity;
        foreach (var e in end) most = Math.Max(most, e);
        return most;
    }

    /// <summary>max over n of end[n] + slope·⌊value[n] − start⌋.</summary>
    private static double Best(ReadOnlySpan<double> end, ReadOnlySpan<double> value, double start, double slope)
    {
        var (n, best) = (0, double.NegativeInfinity);
        if (end.Length >= Vector<double>.Count)
        {
            var (starts, slopes, bests) = (new Vector<double>(start), new Vector<double>(slope), new Vector<double>(best));
            for (; n <= end.Length - Vector<double>.Count; n += Vector<double>.Count)
                bests = Vector.Max(bests, new Vector<double>(end[n..]) + slopes * Vector.Floor(new Vector<double>(value[n..]) - starts));
            for (var lane = 0; lane < Vector<double>.Count; lane++) best = Math.Max(best, bests[lane]);
        }
        for (; n < end.Length; n++) best = Math.Max(best, end[n] + slope * Math.Floor(value[n] - start));
        return best;
    }
}
