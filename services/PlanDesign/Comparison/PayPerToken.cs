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

    public static TariffOutcome Best(MarketTables tables, CancellationToken cancellation)
    {
        var (top, costPerToken) = (TokenDemand.HighestPrice(tables), tables.CostPerToken);
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
        return At(tables, price, cancellation);
    }

    /// <summary>What the price earns: each type's purchases by her own stop.</summary>
    private static TariffOutcome At(MarketTables tables, double price, CancellationToken cancellation)
    {
        var (tokens, share, surpluses) = (0.0, 0.0, new double[tables.Types.Count]);
        TokenDemand.ForEachType(tables, [price], (type, bought, surplus) =>
        {
            surpluses[type] = surplus[0];
            if (bought[0] <= 0) return;
            tokens += tables.Types.Weights[type] * bought[0];
            share += tables.Types.Weights[type];
        }, cancellation);
        return new TariffOutcome((price - tables.CostPerToken) * tokens, price * tokens, tables.CostPerToken * tokens, share, tokens, price)
            .WithSurplus(tables, surpluses);
    }

    /// <summary>
    /// Calls back with type, slope (money per token) and tokens (weighted by the type's share) for every edge of every hull.
    /// </summary>
    private static void ForEachEdge(MarketTables tables, Action<int, double, double> edge, CancellationToken cancellation)
    {
        var hull = new StopHull(tables);
        for (var i = 0; i < tables.Types.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            hull.Of(i);
            for (var n = 1; n <= hull.Count; n++) edge(i, hull.Slope(n), tables.Types.Weights[i] * (hull.Tokens(n) - hull.Tokens(n - 1)));
        }
    }
}
