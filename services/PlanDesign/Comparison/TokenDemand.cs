using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>What one type does at each of many prices per token: the tokens it buys and the surplus it keeps before any fee.</summary>
internal delegate void DemandAtPrices(int type, ReadOnlySpan<double> tokens, ReadOnlySpan<double> surplus);

/// <summary>
/// One pass over the types, from the most patient, for a whole grid of prices at once: O(N(M + P)), so that a search over prices costs a
/// few table passes and keeps nothing of size N·M.
/// </summary>
internal static class TokenDemand
{
    /// <summary>An edge this little below the price, in parts of it, is the edge whose slope the price is.</summary>
    public const double SlopeTolerance = 1e-12;

    /// <param name="prices">Ascending, money per token.</param>
    public static void ForEachType(MarketTables tables, ReadOnlySpan<double> prices, DemandAtPrices demand, CancellationToken cancellation)
    {
        var hull = new StopHull(tables);
        var (tokens, surplus) = (new double[prices.Length], new double[prices.Length]);
        for (var i = 0; i < tables.Types.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            hull.Of(i);
            var n = 0;
            for (var p = prices.Length - 1; p >= 0; p--)
            {
                while (n < hull.Count && hull.Slope(n + 1) >= prices[p] * (1 - SlopeTolerance)) n++;
                (tokens[p], surplus[p]) = (hull.Tokens(n), Math.Max(0, hull.Value(n) - prices[p] * hull.Tokens(n)));
            }
            demand(i, tokens, surplus);
        }
    }

    /// <summary>Values fall with urgency, so the steepest edge of all is one of the most patient type's. Money per token.</summary>
    public static double HighestPrice(MarketTables tables)
    {
        var hull = new StopHull(tables);
        hull.Of(0);
        return hull.Count > 0 ? hull.Slope(1) : 0;
    }
}
