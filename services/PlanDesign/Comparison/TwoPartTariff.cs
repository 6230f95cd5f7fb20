using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// A fee F for the conversation and a price π for every token of it. At a given π the fee is what some type j keeps, everybody more patient
/// pays it too, and the profit is W_j·F + (π − c)·Σ_{i≤j} w_i E_i. Between two prices a &lt; b nothing earns more than
/// max_j W_j u_j(a) + (b − c)·Σ_{i≤j} w_i E_i(a), for surplus and tokens fall in π: intervals are split until none can beat the best by
/// more than <see cref="Tolerance"/>.
/// </summary>
internal static class TwoPartTariff
{
    /// <summary>In parts of the value of an answer.</summary>
    public const double Tolerance = 1e-10;

    private const int PricesPerPass = 1024;
    private const int PassesMax = 40;

    public static TariffOutcome Best(MarketTables tables, CancellationToken cancellation)
    {
        var costPerToken = tables.CostPerToken;
        var top = TokenDemand.HighestPrice(tables);
        if (top <= costPerToken) return TariffOutcome.Nothing;
        var open = new List<(double From, double To)> { (costPerToken, top * (1 + 1e-9)) };
        var (best, bestPrice, bestCutoff) = (0.0, 0.0, -1);
        for (var pass = 0; pass < PassesMax && open.Count > 0; pass++)
        {
            var each = Math.Max(2, PricesPerPass / open.Count);
            (double From, double To)[] cells = [.. open.SelectMany(o => Enumerable.Range(0, each)
                .Select(n => (o.From + (o.To - o.From) * n / each, o.From + (o.To - o.From) * (n + 1) / each)))];
            double[] prices = [.. cells.Select(c => c.From)];
            var (tokens, bound) = (new double[prices.Length], new double[prices.Length]);
            TokenDemand.ForEachType(tables, prices, (type, bought, surplus) =>
            {
                var (weight, share) = (tables.Types.Weights[type], tables.CumulativeWeights[type]);
                for (var p = 0; p < tokens.Length; p++)
                {
                    // Who buys nothing pays no fee, and everybody less patient does the same.
                    if (bought[p] <= 0) continue;
                    tokens[p] += weight * bought[p];
                    var profit = share * surplus[p] + (prices[p] - costPerToken) * tokens[p];
                    bound[p] = Math.Max(bound[p], share * surplus[p] + (cells[p].To - costPerToken) * tokens[p]);
                    if (profit > best) (best, bestPrice, bestCutoff) = (profit, prices[p], type);
                }
            }, cancellation);
            open = [.. cells.Where((c, p) => bound[p] > best + Tolerance * tables.ValuePerAnswer && c.To - c.From > 1e-15 * top)
                .OrderByDescending(c => c.To).Take(PricesPerPass).Reverse()];
        }
        return best <= 0 ? TariffOutcome.Nothing : At(tables, bestPrice, bestCutoff, cancellation);
    }

    private static TariffOutcome At(MarketTables tables, double price, int cutoff, CancellationToken cancellation)
    {
        var costPerToken = tables.CostPerToken;
        var (tokens, surpluses) = (0.0, new double[tables.Types.Count]);
        TokenDemand.ForEachType(tables, [price], (type, bought, surplus) =>
        {
            surpluses[type] = surplus[0];
            if (type <= cutoff) tokens += tables.Types.Weights[type] * bought[0];
        }, cancellation);
        var (share, fee) = (tables.CumulativeWeights[cutoff], surpluses[cutoff]);
        return new TariffOutcome(share * fee + (price - costPerToken) * tokens, share * fee + price * tokens, costPerToken * tokens, share, tokens, price)
        {
            Fee = fee,
        }.WithSurplus(tables, [.. surpluses.Select((s, i) => i <= cutoff ? Math.Max(0, s - fee) : 0)]);
    }
}
