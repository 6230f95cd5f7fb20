using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening.Rounding;

/// <summary>What was found under rules on prices.</summary>
/// <param name="Steps">Smallest cap first; none if no menu keeps the rules, or none earns anything.</param>
/// <param name="UpperBound">No menu over these types that keeps the rules earns more, money per conversation: by the certificate's bound alone, whatever the search found.</param>
/// <param name="IsBest">Whether the search ended: every other menu was ruled out by the bound, or one by one.</param>
internal sealed record PriceStatesFound(PriceStep[] Steps, double UpperBound, bool IsBest, InputFault? Fault = null);

/// <summary>
/// The best menu under rules on prices, which is not a longest path over caps: a ceiling makes steps worth selling below their marginal value, and a
/// largest ratio ties them to the cheapest price. It is a longest path with a resource: from the most urgent cutoff j to the most patient, a step
/// m → m' may cost any integer q in (V-step of j+1, V-step of j], sells to types 0 … j, gains W_j·(q·u − (C[m'] − C[m])) and takes q of the budget that
/// the rules leave after the first step (<see cref="PriceRules"/>). Labels (profit, budget left) are kept at each cap and number of plans unless another
/// has no less of both, or unless the certificate's bound on what can still be added does not reach the best menu found
/// (<see cref="WholeUnitBound"/>; Irnich and Desaulniers 2005 for such problems). A narrow search, over few caps and then
/// over caps around the menu that it found, leaves something out and finds a menu that rules most of the rest out. Exact where the complete search ends; where
/// labels are too many the best menu found stands, with the bound. Beyond the paper.
/// </summary>
internal sealed class PriceStates
{
    /// <summary>Steps of the last, complete search that are tried before it gives up, a few seconds on one core.</summary>
    public const long WorkMax = 200_000_000;

    private const int LabelsMax = 1_500_000;
    private const int LabelsOfNarrowSearch = 6;
    private const long WorkOfNarrowSearch = 20_000_000;
    private const long RemainingMax = 4_000_000;
    private const double BoundWorkMax = 1e9;
    private const double BoundWorkOfRangeMax = 6e7;
    private const int ThinnedCaps = 64;
    private const int LambdaEvaluations = 16;
    private const int RefinementsMax = 8;

    /// <summary>Labels with their paths, and what remains from every state on.</summary>
    public const long BytesMax = LabelsMax * 96L + 2 * RemainingMax * sizeof(double);

    /// <summary>In parts of the value of an answer: a menu better by less is rounding of the arithmetic.</summary>
    private const double Tolerance = 1e-11;

    private readonly MarketTables _tables;
    private readonly PriceRules _rules;
    private readonly WholeUnitBound _bound;
    private readonly int[] _caps;
    private readonly double _unit;
    private readonly double _lambda;
    private readonly double[][] _remaining;
    private readonly int _layers;
    private readonly bool _limited;
    private readonly bool _mustServe;
    private readonly long[] _usable;
    private readonly double _enough;
    private readonly List<Label>[] _labels;
    private readonly double[] _tops;
    private readonly bool _narrow;
    private double _best;
    private Node? _bestPath;
    private long _work;
    private long _workMax;
    private int _made;
    private bool _dropped;

    private sealed record Node(int CapTokens, int Cutoff, long Units, Node? Before);

    private readonly record struct Label(double Profit, long Budget, Node Path);

    private readonly record struct Best(double Profit, Node? Path);

    private PriceStates(MarketTables tables, WholeUnitBound bound, PriceRules rules, int[] caps, double unit, double lambda, double[][] remaining, bool limited, bool mustServe, Best best, bool narrow)
    {
        (_tables, _bound, _rules, _caps, _unit, _lambda, _remaining) = (tables, bound, rules, caps, unit, lambda, remaining);
        (_limited, _layers, _mustServe, _enough) = (limited, bound.Layers, mustServe, Tolerance * tables.ValuePerAnswer);
        _labels = [.. Enumerable.Range(0, _layers * caps.Length).Select(_ => new List<Label>())];
        _tops = new double[_labels.Length];
        (_best, _bestPath, _narrow) = (best.Profit, best.Path, narrow);
        _usable = [.. PriceRules.Usable(ValueInUnits(0)).Select(units => (long)units)];
    }

    public static PriceStatesFound Search(
        MarketTables tables, CheckerTables checker, CapRules capRules, MenuConstraints constraints, MinorUnits units, int? plansMax, int[] exactCaps,
        Action<double> progress, CancellationToken cancellation)
    {
        var (unit, all) = (units.UnitPerConversation, capRules.Caps(tables.CapTokensMax));
        var any = PriceRules.Of(constraints, unit);
        var caps = Affordable(all, exactCaps, tables.Types.Count, plansMax, any.RatioMax is null ? BoundWorkMax : BoundWorkOfRangeMax);
        var enough = Tolerance * tables.ValuePerAnswer;
        WholeUnitBound Bound(PriceRules rules, int[] over, double[][]? values = null) => new(checker, over, unit, plansMax, rules, capRules.MustServe, values);

        // The most promising cheapest prices first: a good menu makes the bound rule out most of the rest.
        var thinned = CutoffPath.Thinned(caps, ThinnedCaps);
        var ofThinned = WholeUnitBound.Values(checker, thinned, unit);
        var ranges = any.Ranges((long)Bound(any, all).Dearest).Select(rules =>
        {
            var bound = Bound(rules, thinned, ofThinned);
            var lambda = bound.AtMost() <= 0 ? 0 : bound.BestLambda(LambdaEvaluations, cancellation);
            return new Range(rules, lambda, Math.Min(bound.AtMost(), bound.At(lambda, null, cancellation)));
        }).OrderByDescending(r => r.Promise).ToArray();

        var (best, work) = (new Best(capRules.MustServe ? double.NegativeInfinity : 0, null), WorkMax);
        // A menu over few caps, and then again and again over caps around its own: quick, and leaves something out.
        Narrow(thinned, ofThinned);
        for (var n = 0; n < RefinementsMax && best.Path is not null && thinned.Length < caps.Length; n++)
        {
            var (before, around) = (best.Profit, Around(best.Path, caps));
            Narrow(around, WholeUnitBound.Values(checker, around, unit));
            if (best.Profit <= before + enough) break;
        }
        // Then the search that leaves nothing out, as long as its work lasts.
        var (ofCaps, upper, bounded) = (WholeUnitBound.Values(checker, caps, unit), double.NegativeInfinity, capRules.MustServe ? double.NegativeInfinity : 0);
        for (var n = 0; n < ranges.Length; n++)
        {
            progress((double)n / ranges.Length);
            var (most, left) = SearchRange(ranges[n], caps, ofCaps, narrow: false, Math.Max(WorkMax / 50, work / 2));
            (upper, bounded) = (Math.Max(upper, left), Math.Max(bounded, most));
        }
        // What was not searched to its end may still be below a menu that was found later.
        var complete = upper <= best.Profit + enough;
        progress(1);
        var steps = new List<PriceStep>();
        for (var node = best.Path; node is not null; node = node.Before) steps.Add(new(node.CapTokens, node.Cutoff, node.Units));
        steps.Reverse();
        if (capRules.MustServe && steps.Count == 0)
            return new([], 0, complete, new("constraints.nobodyExcluded", tables.HasValueAtCap
                ? "cannot be kept, as far as was found: with value at the cap not every menu is looked at, and none of those within the rules on prices serves everybody"
                : "cannot be kept: no menu within the rules on prices serves everybody" + (constraints.PriceRatioMax is null ? "" : ", and under priceRatioMax no plan is for nothing: give that away as freeTierCapTokens")));
        // What holds for some caps does not for all of them, so those are bounded by themselves.
        if (caps.Length < all.Length)
            return new([.. steps], UpperBound(checker, capRules, constraints, units, plansMax, tables.CapTokensMax, cancellation), IsBest: false);
        return new([.. steps], bounded + Bound(any, [all[0]]).OfBase, complete);

        void Narrow(int[] over, double[][] values)
        {
            foreach (var range in ranges) SearchRange(range, over, values, narrow: true, WorkOfNarrowSearch);
        }

        // What no menu of the range over these caps exceeds, and what none that was not searched exceeds: −∞ if the best menu found is at least that.
        (double Most, double Left) SearchRange(Range range, int[] over, double[][] values, bool narrow, long workMax)
        {
            var bound = Bound(range.Rules, over, values);
            if (bound.AtMost() <= best.Profit + enough) return (bound.AtMost(), double.NegativeInfinity);
            var remaining = new double[tables.Types.Count][];
            var most = Math.Min(bound.AtMost(), bound.At(range.Lambda, remaining, cancellation));
            if (most <= best.Profit + enough) return (most, double.NegativeInfinity);
            if (!narrow && work <= 0) return (most, most);
            var states = new PriceStates(tables, bound, range.Rules, over, unit, range.Lambda, remaining, plansMax is not null, capRules.MustServe, best, narrow) { _workMax = workMax };
            var ended = states.Run(cancellation) && !states._dropped;
            best = new(states._best, states._bestPath);
            if (!narrow) work -= states._work;
            return (most, ended || most <= best.Profit + enough ? double.NegativeInfinity : most);
        }
    }

    /// <summary>What no menu over these types that keeps the rules earns more than, by one price of the budget; infinite where that would take too long.</summary>
    public static double UpperBound(
        CheckerTables checker, CapRules capRules, MenuConstraints constraints, MinorUnits units, int? plansMax, int capTokensMax, CancellationToken cancellation)
    {
        var (all, rules) = (capRules.Caps(capTokensMax), PriceRules.Of(constraints, units.UnitPerConversation));
        if (BoundWork(all.Length, checker.Rates.Length, plansMax) > 4 * BoundWorkMax) return double.PositiveInfinity;
        WholeUnitBound Bound(int[] caps) => new(checker, caps, units.UnitPerConversation, plansMax, rules, capRules.MustServe);
        return Bound(all).At(Bound(CutoffPath.Thinned(all, ThinnedCaps)).BestLambda(LambdaEvaluations, cancellation), null, cancellation) + Bound([all[0]]).OfBase;
    }

    private sealed record Range(PriceRules Rules, double Lambda, double Promise);

    /// <summary>Caps near those of a menu, the closer the more of them.</summary>
    private static int[] Around(Node? path, int[] caps)
    {
        var around = new SortedSet<int> { 0, caps.Length - 1 };
        for (var node = path; node is not null; node = node.Before)
        {
            var own = Array.BinarySearch(caps, node.CapTokens);
            own = own < 0 ? ~own : own;
            around.Add(Math.Min(own, caps.Length - 1));
            for (var distance = 1; distance <= caps.Length / 16 + 1; distance *= 2)
            {
                around.Add(Math.Clamp(own - distance, 0, caps.Length - 1));
                around.Add(Math.Clamp(own + distance, 0, caps.Length - 1));
            }
        }
        return [.. around.Select(n => caps[n])];
    }

    /// <summary>All caps, or where they are too many those of the exact menu and others evenly between them.</summary>
    private static int[] Affordable(int[] all, int[] exactCaps, int types, int? plansMax, double workMax)
    {
        bool Fits(int caps) => BoundWork(caps, types, plansMax) <= workMax && (long)types * caps * (plansMax ?? 1) <= RemainingMax;
        var count = all.Length;
        if (Fits(count)) return all;
        while (count > 2 && !Fits(count)) count = count * 3 / 4;
        int[] exact = [.. exactCaps.Where(c => c > all[0]).Distinct()];
        int[] even = CutoffPath.Thinned(all, Math.Max(2, count - exact.Length));
        return even.Length + exact.Length <= count ? [.. even.Concat(exact).Distinct().Order()] : even;
    }

    private static double BoundWork(int caps, int types, int? plansMax) => (double)types * Math.Max(1, (plansMax ?? 2) - 1) * caps * caps / 2;

    /// <returns>Whether it came to its end.</returns>
    private bool Run(CancellationToken cancellation)
    {
        var last = _tables.Types.Count - 1;
        double[] own = ValueInUnits(last), urgent = [];
        var found = new List<(int State, Label Label)>();
        for (var j = last; j >= 0; j--)
        {
            cancellation.ThrowIfCancellationRequested();
            found.Clear();
            Prune(j);
            if (!_mustServe || j == last) Begin(j, own, urgent, found);
            for (var state = 0; state < _labels.Length && !IsTooMuch; state++)
                if (_labels[state].Count > 0) Extend(j, state, own, urgent, found);
            foreach (var (state, label) in found) Keep(state, label, _narrow ? LabelsOfNarrowSearch : int.MaxValue);
            if (IsTooMuch) return false;
            urgent = own;
            if (j > 0) own = ValueInUnits(j - 1);
        }
        return true;
    }

    private bool IsTooMuch => _work > _workMax || _made > LabelsMax;

    /// <summary>Labels that can no longer become the best menu with cutoffs up to j.</summary>
    private void Prune(int j)
    {
        for (var state = 0; state < _labels.Length; state++)
        {
            var labels = _labels[state];
            if (labels.Count == 0) continue;
            var more = More(j, state);
            labels.RemoveAll(l => l.Profit + _lambda * l.Budget + more <= _best + _enough);
            _tops[state] = labels.Count == 0 ? double.NegativeInfinity : labels.Max(l => l.Profit + _lambda * l.Budget);
        }
    }

    private void Begin(int j, double[] own, double[] urgent, List<(int, Label)> found)
    {
        var weight = _tables.CumulativeWeights[j];
        for (var n = 1; n < _caps.Length; n++)
        {
            var state = (_layers - 1) * _caps.Length + n;
            var more = More(j - 1, state);
            if (_bound.First(j, n, _lambda, own, urgent) + more <= _best + _enough) continue;
            var low = Math.Max(_rules.Min, urgent.Length == 0 ? 0 : Steps(urgent, 0, n) + 1);
            var high = Math.Min(Math.Min(_rules.Max ?? long.MaxValue, _rules.FirstMax ?? long.MaxValue), Steps(own, 0, n));
            // The dearer the first step, the more the rest may cost too; only where nothing follows can less be better.
            for (var q = high; q >= low && !IsTooMuch; q = _narrow && q > low ? low : q - 1)
            {
                _work++;
                var (profit, budget) = (weight * (q * _unit - (Cost(n) - Cost(0))), _rules.BudgetAfter(q, _usable[n]));
                if (budget >= 0 && profit + _lambda * budget + more > _best + _enough) Found(state, new(profit, budget, new(_caps[n], j, q, null)), found);
            }
        }
    }

    private void Extend(int j, int state, double[] own, double[] urgent, List<(int, Label)> found)
    {
        var (plans, m) = Math.DivRem(state, _caps.Length);
        if (_limited && plans == 0) return;
        var (weight, top, labels) = (_tables.CumulativeWeights[j], _tops[state], _labels[state]);
        var slope = weight * _unit - _lambda;
        for (var n = m + 1; n < _caps.Length; n++)
        {
            _work++;
            var (low, high) = (urgent.Length == 0 ? 0 : Math.Max(0, Steps(urgent, m, n) + 1), Steps(own, m, n));
            if (low > high) continue;
            var target = (_limited ? plans - 1 : plans) * _caps.Length + n;
            var (cost, more) = (weight * (Cost(n) - Cost(m)), More(j - 1, target));
            var needed = _best + _enough - more + cost;
            if (top + slope * (slope >= 0 ? high : low) <= needed) continue;
            foreach (var label in labels)
            {
                var (most, worth) = (Math.Min(high, label.Budget), label.Profit + _lambda * label.Budget);
                // From the better end on, until what can be added no longer reaches the best. Of two steps the one that sells to more should be as dear as it may,
                // so but for one step every price is at an end, which is all that a narrow search looks at.
                for (long q = slope >= 0 ? most : low; q >= low && q <= most && !IsTooMuch; q = Next(q, low, most, slope >= 0))
                {
                    _work++;
                    if (worth + slope * q <= _best + _enough - more + cost) break;
                    Found(target, new(label.Profit + weight * q * _unit - cost, label.Budget - q, new(_caps[n], j, q, label.Path)), found);
                }
            }
        }
    }

    private long Next(long q, long low, long most, bool falling) => (_narrow, falling) switch
    {
        (false, true) => q - 1,
        (false, false) => q + 1,
        (true, true) => q > low ? low : low - 1,
        (true, false) => q < most ? most : most + 1,
    };

    private void Found(int state, Label label, List<(int, Label)> found)
    {
        found.Add((state, label));
        _made++;
        if (label.Profit > _best + _enough) (_best, _bestPath) = (label.Profit, label.Path);
    }

    private void Keep(int state, Label label, int labelsPerState)
    {
        var labels = _labels[state];
        _work += labels.Count;
        for (var n = 0; n < labels.Count; n++)
            if (labels[n].Profit >= label.Profit && labels[n].Budget >= label.Budget) return;
        labels.RemoveAll(l => l.Profit <= label.Profit && l.Budget <= label.Budget);
        labels.Add(label);
        if (labels.Count <= labelsPerState) return;
        labels.Remove(labels.MinBy(l => l.Profit + _lambda * l.Budget));
        _dropped = true;
    }

    /// <summary>What cutoffs up to j can add to a state, by the certificate's tables.</summary>
    private double More(int j, int state) => j < 0 || (_limited && state < _caps.Length) ? 0 : _remaining[j][state];

    private double Cost(int n) => _tables.ServingCost[_caps[n]];

    private static long Steps(double[] value, int m, int n) => (long)Math.Floor(value[n] + PriceStep.FloorTolerance - value[m]);

    private double[] ValueInUnits(int type)
    {
        var value = _tables.NewRow();
        _tables.FillValue(type, value);
        return [.. _caps.Select(cap => value[cap] / _unit)];
    }
}
