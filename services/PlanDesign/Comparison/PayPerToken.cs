using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// One price π for every token, the best there is. The user commits to the stop m that maximises V[i,m] − π·E[m], E[m] = Σ_{j&lt;m} S_j;
/// not to the first token worth less than π, which is wrong when the hazard rises. So she stops on the upper concave hull of (E, V), and
/// buys an edge of it when its slope is at least π. Between two slopes tokens do not change and revenue rises with π: the best π is the
/// slope of some edge, found by a sweep.
/// </summary>
internal static class PayPerToken
{
    private const int Bins = 1 << 16;

    /// <summary>An edge this little below the price, in parts of it, is the edge whose slope the price is.</summary>
    private const double SlopeTolerance = 1e-12;

    public static TariffOutcome Best(MarketTables tables, double costPerToken, CancellationToken cancellation)
    {
        var top = SteepestEdge(tables);
        if (top <= costPerToken) return TariffOutcome.Nothing;

        // Edges are N·M; rather than sort them all, count their tokens into bins of π and sort only the bins that can hold the best.
        var width = (top - costPerToken) / Bins;
        int Bin(double slope) => Math.Min(Bins - 1, (int)((slope - costPerToken) / width));
        var tokensInBin = new double[Bins];
        ForEachEdge(tables, (_, slope, tokens) =>
        {
            if (slope > costPerToken) tokensInBin[Bin(slope)] += tokens;
        }, cancellation);
        var tokensFrom = new double[Bins + 1];
        for (var b = Bins - 1; b >= 0; b--) tokensFrom[b] = tokensFrom[b + 1] + tokensInBin[b];
        var surelyEarned = Enumerable.Range(0, Bins).Max(b => b * width * tokensFrom[b]);

        var edges = new List<(double Slope, double Tokens, int Bin)>();
        ForEachEdge(tables, (_, slope, tokens) =>
        {
            if (slope <= costPerToken || (Bin(slope) + 1) * width * tokensFrom[Bin(slope)] < surelyEarned) return;
            edges.Add((slope, tokens, Bin(slope)));
        }, cancellation);
        edges.Sort((a, b) => b.Slope.CompareTo(a.Slope));
        var (price, most, within, bin) = (top, 0.0, 0.0, -1);
        foreach (var edge in edges)
        {
            if (edge.Bin != bin) (bin, within) = (edge.Bin, 0);
            within += edge.Tokens;
            var profit = (edge.Slope - costPerToken) * (tokensFrom[bin + 1] + within);
            if (profit > most) (price, most) = (edge.Slope, profit);
        }
        return At(tables, price, costPerToken, cancellation);
    }

    /// <summary>What the price earns: each type's purchases by her own stop.</summary>
    private static TariffOutcome At(MarketTables tables, double price, double costPerToken, CancellationToken cancellation)
    {
        var (tokens, share, last) = (0.0, 0.0, -1);
        ForEachEdge(tables, (type, slope, bought) =>
        {
            if (slope < price * (1 - SlopeTolerance)) return;
            tokens += bought;
            if (type != last) share += tables.Types.Weights[type];
            last = type;
        }, cancellation);
        return new((price - costPerToken) * tokens, price * tokens, costPerToken * tokens, share, tokens, price);
    }

    private static double SteepestEdge(MarketTables tables)
    {
        // Values fall with urgency, so the steepest edge of all is one of the most patient type's.
        var value = tables.NewRow();
        tables.FillValue(0, value);
        var steepest = 0.0;
        for (var m = 1; m < value.Length; m++)
            if (tables.ExpectedTokens[m] > 0) steepest = Math.Max(steepest, value[m] / tables.ExpectedTokens[m]);
        return steepest;
    }

    /// <summary>
    /// Calls back with type, slope (money per token) and tokens (weighted by the type's share) for every edge of every hull.
    /// </summary>
    private static void ForEachEdge(MarketTables tables, Action<int, double, double> edge, CancellationToken cancellation)
    {
        var (value, tokens, hull) = (tables.NewRow(), tables.ExpectedTokens, new int[tables.CapTokensMax + 1]);
        for (var i = 0; i < tables.Types.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            tables.FillValue(i, value);
            var count = 1;
            hull[0] = 0;
            for (var m = 1; m < value.Length; m++)
            {
                if (value[m] <= value[hull[count - 1]] || tokens[m] <= tokens[hull[count - 1]]) continue;
                while (count > 1 && Slope(hull[count - 2], hull[count - 1]) <= Slope(hull[count - 1], m)) count--;
                hull[count++] = m;
            }
            for (var n = 1; n < count; n++)
                edge(i, Slope(hull[n - 1], hull[n]), tables.Types.Weights[i] * (tokens[hull[n]] - tokens[hull[n - 1]]));
        }

        double Slope(int from, int to) => (value[to] - value[from]) / (tokens[to] - tokens[from]);
    }
}
