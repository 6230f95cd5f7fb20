using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening.Rounding;

/// <summary>
/// The best menu under rules on prices, which is not a longest path over caps: a ceiling makes steps worth selling below their marginal value.
/// Exact over states (cap, price in whole units u): from the most urgent cutoff j to the most patient, a step m → m' may cost any integer in
/// (V-step of j+1, V-step of j], sells to types 0 … j and gains W_j·(price − (C[m'] − C[m])). A largest ratio fixes the cheapest price first and
/// tries each. Beyond the paper.
/// </summary>
internal sealed class PriceStates
{
    /// <summary>Steps that may be tried, some seconds on one core.</summary>
    public const double WorkMax = 3e9;

    private readonly MarketTables _tables;
    private readonly CapRules _rules;
    private readonly int[] _caps;
    private readonly long[][] _stepsFloor;
    private readonly double _unit;
    private readonly int _layers;
    private readonly bool _limited;

    private sealed record Node(int CapTokens, int Cutoff, long Units, Node? Before);

    private PriceStates(MarketTables tables, CapRules rules, double unit, int? plansMax)
    {
        (_tables, _rules, _unit) = (tables, rules, unit);
        _caps = rules.Caps(tables.CapTokensMax);
        (_limited, _layers) = (plansMax is not null, plansMax is { } k ? Math.Min(k, _caps.Length - 1) : 1);
        var value = tables.NewRow();
        _stepsFloor = new long[tables.Types.Count][];
        for (var i = 0; i < _stepsFloor.Length; i++)
        {
            tables.FillValue(i, value);
            var floors = _stepsFloor[i] = new long[_caps.Length * _caps.Length];
            for (var a = 0; a < _caps.Length; a++)
                for (var b = a + 1; b < _caps.Length; b++)
                    floors[a * _caps.Length + b] = (long)Math.Floor((value[_caps[b]] - value[_caps[a]]) / unit + PriceStep.FloorTolerance);
        }
    }

    /// <returns>Smallest cap first; none if no menu keeps the rules, or none earns anything.</returns>
    public static (PriceStep[] Steps, InputFault? Fault) Search(
        MarketTables tables, CapRules rules, MenuConstraints constraints, MinorUnits units, int? plansMax, CancellationToken cancellation)
    {
        var value = tables.NewRow();
        tables.FillValue(0, value);
        var unit = units.UnitPerConversation;
        var caps = rules.Caps(tables.CapTokensMax);
        var dearest = Math.Floor((value[caps[^1]] - value[caps[0]]) / unit + PriceStep.FloorTolerance);
        var ceiling = Math.Min(dearest, constraints.PriceMax is { } max ? Math.Floor(max / unit + PriceStep.FloorTolerance) : dearest);
        var floor = constraints.PriceMin is { } min ? Math.Ceiling(min / unit - PriceStep.FloorTolerance) : 0;
        var firsts = constraints.PriceRatioMax is null ? 1 : Math.Max(0, ceiling - Math.Max(1, floor) + 1);
        var work = firsts * (plansMax ?? 1) * caps.Length * caps.Length / 2.0 * (dearest + tables.Types.Count) * (ceiling + 1);
        if (work > WorkMax || (double)tables.Types.Count * caps.Length * caps.Length > 1e8)
            return ([], new("constraints", FormattableString.Invariant($"on prices would take {work:G3} steps over caps and prices, at most {WorkMax:G3}: ")
                + "restrict allowedCapTokens, use fewer types or a coarser minor unit"));
        var states = new PriceStates(tables, rules, unit, plansMax);
        var best = (Profit: rules.MustServe ? double.NegativeInfinity : 0.0, Path: (Node?)null);
        if (constraints.PriceRatioMax is { } ratio)
        {
            for (var first = (long)Math.Max(1, floor); first <= ceiling; first++)
                Keep(states.Best(first, first, (long)Math.Min(ceiling, Math.Floor(ratio * first + PriceStep.FloorTolerance)), cancellation));
        }
        else Keep(states.Best((long)floor, long.MaxValue, (long)ceiling, cancellation));
        var steps = new List<PriceStep>();
        for (var node = best.Path; node is not null; node = node.Before) steps.Add(new(node.CapTokens, node.Cutoff, node.Units));
        steps.Reverse();
        return rules.MustServe && steps.Count == 0
            ? ([], new("constraints", "cannot be kept together: no menu within these prices serves everybody"))
            : ([.. steps], null);

        void Keep((double Profit, Node? Path) found)
        {
            if (found.Profit > best.Profit) best = found;
        }
    }

    private (double Profit, Node? Path) Best(long firstMin, long firstMax, long ceiling, CancellationToken cancellation)
    {
        var (columns, prices) = (_caps.Length, ceiling + 1);
        var (profit, path) = (new double[_layers * columns][], new Node?[_layers * columns][]);
        for (var n = 0; n < profit.Length; n++)
        {
            (profit[n], path[n]) = (new double[prices], new Node?[prices]);
            Array.Fill(profit[n], double.NegativeInfinity);
        }
        var last = _tables.Types.Count - 1;
        for (var j = last; j >= 0; j--)
        {
            cancellation.ThrowIfCancellationRequested();
            var weight = _tables.CumulativeWeights[j];
            for (var k = _layers - 1; k >= 0; k--)
                for (var to = columns - 1; to > 0; to--)
                    for (var from = 0; from < to; from++)
                    {
                        if (_rules.MustServe && from == 0 && j < last) continue;
                        if (from > 0 && _limited && k == 0) break;
                        var steps = from * columns + to;
                        var (low, high) = (j == last ? 0 : _stepsFloor[j + 1][steps] + 1, _stepsFloor[j][steps]);
                        if (from == 0) (low, high) = (Math.Max(low, firstMin), Math.Min(high, firstMax));
                        var source = from == 0 ? -1 : (_limited ? k - 1 : k) * columns + from;
                        var cost = weight * (_tables.ServingCost[_caps[to]] - _tables.ServingCost[_caps[from]]);
                        var (target, nodes) = (profit[k * columns + to], path[k * columns + to]);
                        for (var q = low; q <= Math.Min(high, ceiling); q++)
                        {
                            var gain = weight * q * _unit - cost;
                            for (var p = 0L; p + q <= ceiling; p++)
                            {
                                if (source < 0 && p > 0) break;
                                var now = (source < 0 ? 0 : profit[source][p]) + gain;
                                if (now <= target[p + q]) continue;
                                target[p + q] = now;
                                nodes[p + q] = new(_caps[to], j, q, source < 0 ? null : path[source][p]);
                            }
                        }
                    }
        }
        var best = (Profit: double.NegativeInfinity, Path: (Node?)null);
        for (var n = 0; n < profit.Length; n++)
            for (var p = 0L; p < prices; p++)
                if (profit[n][p] > best.Profit) best = (profit[n][p], path[n][p]);
        return best;
    }
}
