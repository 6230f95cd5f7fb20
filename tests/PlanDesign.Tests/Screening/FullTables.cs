using PlanDesign.Screening.Rounding;

namespace PlanDesign.Screening;

/// <summary>The programmes with every predecessor of every state tried and remembered: O(N·K·M²) of time and O(N·K·M) of memory, and nothing to take again.</summary>
internal sealed class FullTables
{
    private const int GoesOn = 0, Nobody = -1;

    private readonly int[,,] _choice;
    private readonly double[][] _best;
    private readonly bool _mustServe;

    /// <param name="surplus">By type and cap.</param>
    /// <param name="plans">The most that is asked for: a layer of its own for every smaller number.</param>
    public FullTables(double[][] surplus, int plans, bool mustServe)
    {
        var (types, columns) = (surplus.Length, surplus[0].Length);
        double[][] after = [.. Enumerable.Range(0, plans).Select(_ => new double[columns])];
        (_choice, _mustServe) = (new int[types, plans, columns], mustServe);
        for (var i = types - 1; i >= 0; i--)
        {
            double[][] now = [.. Enumerable.Range(0, plans).Select(_ => new double[columns])];
            for (var k = 0; k < plans; k++)
                for (var m = 1; m < columns; m++)
                {
                    var next = after[k][m];
                    // The smallest of equals, which wins over the same cap again; nobody at all wins over both.
                    var shorter = k > 0 && m > 1 ? FirstOfTheMost(after[k - 1].AsSpan(0, m)) : 0;
                    if (shorter > 0 && after[k - 1][shorter] >= next) (next, _choice[i, k, m]) = (after[k - 1][shorter], shorter);
                    var nobody = mustServe && i < types - 1 ? double.NegativeInfinity : 0;
                    if (next <= nobody) (next, _choice[i, k, m]) = (nobody, Nobody);
                    now[k][m] = surplus[i][m] + next;
                }
            after = now;
        }
        _best = after;
    }

    /// <summary>Of the best menu of at most so many plans.</summary>
    public int[] CapTokensByType(int plans)
    {
        var (caps, layer) = (new int[_choice.GetLength(0)], plans - 1);
        var cap = FirstOfTheMost(_best[layer]);
        if (!_mustServe && _best[layer][cap] <= 0) return caps;
        for (var i = 0; i < caps.Length; i++)
        {
            caps[i] = cap;
            var next = _choice[i, layer, cap];
            if (next == Nobody) break;
            if (next != GoesOn) (cap, layer) = (next, layer - 1);
        }
        return caps;
    }

    private static int FirstOfTheMost(ReadOnlySpan<double> byCap)
    {
        var first = 1;
        for (var m = 2; m < byCap.Length; m++)
            if (byCap[m] > byCap[first]) first = m;
        return first;
    }

    /// <summary>The steps of the best menu in whole units of at most so many plans.</summary>
    public static PriceStep[] Steps(MarketTables tables, int[] caps, MinorUnits units, int plans, bool mustServe)
    {
        var (types, columns, unit) = (tables.Types.Count, caps.Length, units.UnitPerConversation);
        double[] cost = [.. caps.Select(cap => tables.ServingCost[cap])];
        var best = new double[plans, columns];
        for (var k = 0; k < plans; k++)
            for (var m = 1; m < columns; m++) best[k, m] = double.NegativeInfinity;
        var from = new int?[types, plans, columns];
        var value = new double[types][];
        for (var j = types - 1; j >= 0; j--)
        {
            var row = tables.NewRow();
            tables.FillValue(j, row);
            (value[j], var weight) = ([.. caps.Select(cap => row[cap] / unit)], tables.CumulativeWeights[j]);
            for (var k = plans - 1; k >= 0; k--)
                for (var m = columns - 1; m > 0; m--)
                {
                    double[] gains = [.. Enumerable.Range(0, k == 0 ? 1 : m).Select(n =>
                        (k == 0 ? best[0, n] : best[k - 1, n]) + weight * cost[n] + weight * unit * Math.Floor(value[j][m] + PriceStep.FloorTolerance - value[j][n]))];
                    var most = gains.Max();
                    if (most - weight * cost[m] <= best[k, m]) continue;
                    best[k, m] = most - weight * cost[m];
                    var gain = best[k, m] + weight * cost[m];
                    from[j, k, m] = Array.FindIndex(gains, g => g >= gain - 1e-14 * Math.Max(Math.Abs(gain), weight * unit));
                }
            for (var k = 0; k < plans && mustServe && j == types - 1; k++) best[k, 0] = double.NegativeInfinity;
        }
        var (end, layer, steps) = (Enumerable.Range(0, columns).MaxBy(m => best[plans - 1, m]), plans - 1, new List<PriceStep>());
        for (var j = 0; j < types && end > 0; j++)
        {
            if (from[j, layer, end] is not { } start) continue;
            steps.Add(new(caps[end], j, Math.Max(0, (long)Math.Floor(value[j][end] + PriceStep.FloorTolerance - value[j][start]))));
            (end, layer) = (start, layer - 1);
        }
        steps.Reverse();
        return [.. steps];
    }
}
