using System.Numerics;
using System.Numerics.Tensors;
using PlanDesign.Screening.Rounding;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// What the best menu in whole minor units earns under rules on prices, found anew: every price of every step is tried, over the certificate's own tables, with a
/// state for every cap, number of plans and unit of budget left, from the most patient cutoff to the most urgent. No bound, no label and no order of
/// promise as in the search, so it does not err where that would; it takes caps² × units², and so only certifies where these are few.
/// </summary>
internal sealed class PricedMenus
{
    /// <summary>Units of budget times prices that are tried, a second or so on one core.</summary>
    public const double WorkMax = 2e9;

    private readonly CheckerTables _tables;
    private readonly int[] _caps;
    private readonly double _unit;
    private readonly PriceRules _rules;
    private readonly bool _mustServe;
    private readonly bool _limited;
    private readonly int _layers;
    private readonly double[] _cost;

    /// <summary>What the most patient would pay to come from each cap to the longest, in units: no menu can use a budget above it.</summary>
    private readonly int[] _usable;

    /// <summary>What steps with the cutoffs taken so far add at most: at k · caps + n by units of budget left, k more plans or any number.</summary>
    private double[][] _added = [];

    private PricedMenus(CheckerTables tables, int[] caps, double unit, int? plansMax, PriceRules rules, bool mustServe)
    {
        (_tables, _caps, _unit, _rules, _mustServe) = (tables, caps, unit, rules, mustServe);
        (_limited, _layers) = (plansMax is not null, plansMax is { } k ? Math.Min(k, Math.Max(1, caps.Length - 1)) : 1);
        _cost = [.. caps.Select(cap => tables.Cost[cap])];
        var value = ValueInUnits(0);
        var most = Math.Min(rules.Max is { } max ? max - rules.Min : int.MaxValue, rules.RatioMax is { } ratio ? (ratio - 1) * Math.Min(Step(value, 0, caps.Length - 1), rules.Max ?? int.MaxValue) + 1 : int.MaxValue);
        _usable = [.. caps.Select((_, n) => (int)Math.Clamp(most, 0, Math.Min(int.MaxValue / 2, Step(value, n, caps.Length - 1))))];
    }

    /// <summary>Money per conversation, beside what the cap that is free costs everybody; null where there is too much to try.</summary>
    /// <param name="caps">Ascending, from the cap that everybody has for nothing, 0 or a free tier.</param>
    public static double? Best(CheckerTables tables, int[] caps, double unit, int? plansMax, PriceRules rules, bool mustServe, CancellationToken cancellation)
    {
        var menus = new PricedMenus(tables, caps, unit, plansMax, rules, mustServe);
        return menus.Work() <= WorkMax ? menus.Best(cancellation) : null;
    }

    private double Work()
    {
        var (value, layers, pairs) = (ValueInUnits(0), _limited ? _layers - 1.0 : 1, _caps.Length * (double)_caps.Length / 2);
        var work = layers * pairs * _tables.Rates.Length + 4.0 * Step(value, 0, _caps.Length - 1) * _caps.Length;
        for (var m = 1; m < _caps.Length && work <= WorkMax; m++)
            for (var n = m + 1; n < _caps.Length; n++) work += layers * (Step(value, m, n) + 1.0) * (_usable[m] + 1);
        return work;
    }

    private double Best(CancellationToken cancellation)
    {
        var (best, served, own) = (_mustServe ? double.NegativeInfinity : 0.0, 0.0, ValueInUnits(0));
        // Nothing comes after the last plan, and nobody is at the cap that is free once there are steps.
        _added = [.. Enumerable.Range(0, _layers * _caps.Length).Select(at => new double[_limited && at < _caps.Length || at % _caps.Length == 0 ? 1 : _usable[at % _caps.Length] + 1])];
        for (var j = 0; j < _tables.Rates.Length; j++)
        {
            cancellation.ThrowIfCancellationRequested();
            var urgent = j + 1 < _tables.Rates.Length ? ValueInUnits(j + 1) : null;
            served += _tables.Weights[j];
            if (!_mustServe || urgent is null)
                for (var n = 1; n < _caps.Length; n++) best = Math.Max(best, BestFirst(n, served, own, urgent));
            // From many plans to few, and from short caps to long: what is read is still that of the cutoffs before.
            for (var k = _layers - 1; k >= (_limited ? 1 : 0); k--)
                for (var m = 1; m < _caps.Length; m++)
                    for (var n = m + 1; n < _caps.Length; n++) TakeSteps(k, m, n, served, own, urgent);
            if (urgent is not null) own = urgent;
        }
        return best;
    }

    private double BestFirst(int n, double served, double[] own, double[]? urgent)
    {
        var after = _added[(_layers - 1) * _caps.Length + n];
        var (low, high) = (Math.Max(_rules.Min, urgent is null ? 0 : Step(urgent, 0, n) + 1), Math.Min(Step(own, 0, n), _rules.Max ?? long.MaxValue));
        var best = double.NegativeInfinity;
        for (var q = low; q <= high; q++)
        {
            // A dearest price of ratio × q, and none above the ceiling.
            var left = _rules.RatioMax is { } ratio ? Math.Floor(ratio * q + PriceStep.FloorTolerance) - q : double.PositiveInfinity;
            if (_rules.Max is { } max) left = Math.Min(left, max - q);
            best = Math.Max(best, served * (q * _unit - (_cost[n] - _cost[0])) + after[(int)Math.Min(left, after.Length - 1)]);
        }
        return best;
    }

    private void TakeSteps(int k, int m, int n, double served, double[] own, double[]? urgent)
    {
        var (to, from) = (_added[k * _caps.Length + m], _added[(_limited ? k - 1 : k) * _caps.Length + n]);
        var (low, high) = (urgent is null ? 0 : Step(urgent, m, n) + 1, Math.Min(Step(own, m, n), to.Length - 1));
        for (var q = (int)low; q <= high; q++)
        {
            var gain = served * (q * _unit - (_cost[n] - _cost[m]));
            var whole = Math.Min(from.Length, to.Length - q);
            Raise(to.AsSpan(q, whole), from.AsSpan(0, whole), gain);
            // More than can be used is no more than all that can.
            TensorPrimitives.Max(to.AsSpan(q + whole), gain + from[^1], to.AsSpan(q + whole));
        }
    }

    private static void Raise(Span<double> to, ReadOnlySpan<double> from, double gain)
    {
        var (b, gains) = (0, new Vector<double>(gain));
        for (; b <= to.Length - Vector<double>.Count; b += Vector<double>.Count)
            Vector.Max(new Vector<double>(to[b..]), gains + new Vector<double>(from[b..])).CopyTo(to[b..]);
        for (; b < to.Length; b++) to[b] = Math.Max(to[b], gain + from[b]);
    }

    private static long Step(double[] value, int m, int n) => (long)Math.Floor(value[n] + PriceStep.FloorTolerance - value[m]);

    private double[] ValueInUnits(int type)
    {
        var row = _tables.Value(type);
        return [.. _caps.Select(cap => row[cap] / _unit)];
    }
}
