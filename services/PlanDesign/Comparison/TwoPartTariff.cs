using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// A fee F for the conversation and a price π for every token of it. At a given π the fee is what some type j keeps, everybody more patient
/// pays it too, and the profit is W_j·F + (π − c)·Σ_{i≤j} w_i E_i. Between two prices a &lt; b nothing earns more than
/// max_j W_j u_j(a) + (b − c)·Σ_{i≤j} w_i E_i(a), for surplus and tokens fall in π: the most promising intervals are split first, until none can
/// beat the best by more than <see cref="Tolerance"/>. The price of pay per token is looked at first: whoever charges it without a fee earns no more
/// than with one. Where the search takes more passes than it may, <see cref="TariffOutcome.ProfitMax"/> says by how much another fee and price could be better.
/// </summary>
internal static class TwoPartTariff
{
    /// <summary>In parts of the value of an answer.</summary>
    public const double Tolerance = 1e-10;

    private const int PricesPerPass = 1024;
    private const int PassesMax = 40;

    /// <param name="payPerToken">The best price without a fee.</param>
    public static TariffOutcome Best(MarketTables tables, TariffOutcome payPerToken, CancellationToken cancellation)
    {
        var costPerToken = tables.CostPerToken;
        var top = TokenDemand.HighestPrice(tables);
        if (top <= costPerToken) return TariffOutcome.Nothing;
        var first = payPerToken.Price ?? top;
        // The most promising first, and of equal ones the cheapest.
        var open = new PriorityQueue<(double From, double To, double Bound), (double Bound, double From)>();
        var (best, bestPrice, bestCutoff) = (0.0, 0.0, -1);
        Open(costPerToken, first, double.PositiveInfinity);
        Open(first, top * (1 + 1e-9), double.PositiveInfinity);
        for (var pass = 0; pass < PassesMax && MostPromising() is not null; pass++)
        {
            // Those not split in this pass wait for a later one.
            var split = new List<(double From, double To)>();
            for (; split.Count < PricesPerPass / 2 && MostPromising() is { } next; open.Dequeue()) split.Add((next.From, next.To));
            var each = Math.Max(2, PricesPerPass / split.Count);
            (double From, double To)[] cells = [.. split.OrderBy(o => o.From).SelectMany(o => Enumerable.Range(0, each)
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
            for (var p = 0; p < cells.Length; p++)
                if (cells[p].To - cells[p].From > 1e-15 * top) Open(cells[p].From, cells[p].To, bound[p]);
        }
        return (best <= 0 ? TariffOutcome.Nothing : At(tables, bestPrice, bestCutoff, cancellation)) with { ProfitMax = MostPromising()?.Bound };

        void Open(double from, double to, double bound)
        {
            if (CanBeatTheBest(bound)) open.Enqueue((from, to, bound), (-bound, from));
        }
        (double From, double To, double Bound)? MostPromising() => open.TryPeek(out var next, out _) && CanBeatTheBest(next.Bound) ? next : null;
        bool CanBeatTheBest(double bound) => bound > best + Tolerance * tables.ValuePerAnswer;
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
