using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// A decentralised market for tokens: so many tokens per conversation of the whole market are sold in a uniform-price auction, with the
/// serving cost as the reserve price. The price is the one at which demand is met on average; whoever is indifferent at it is rationed.
/// </summary>
internal static class TokenMarket
{
    private const int PricesPerPass = 2048;
    private const int Passes = 5;

    /// <param name="capacityTokens">Expected tokens per conversation of the whole market, those of the menu it is compared with.</param>
    public static TariffOutcome Clearing(MarketTables tables, double capacityTokens, CancellationToken cancellation)
    {
        var costPerToken = tables.CostPerToken;
        var top = TokenDemand.HighestPrice(tables);
        if (top <= costPerToken || capacityTokens <= 0) return TariffOutcome.Nothing;
        // Demand is at least the capacity at the lower price and below it at the upper one.
        var (low, high) = (costPerToken, top * (1 + 1e-9));
        for (var pass = 0; pass < Passes && high - low > 1e-15 * top; pass++)
        {
            double[] prices = [.. Enumerable.Range(0, PricesPerPass + 1).Select(n => low + (high - low) * n / PricesPerPass)];
            var demand = new double[prices.Length];
            TokenDemand.ForEachType(tables, prices, (type, bought, _) =>
            {
                for (var p = 0; p < demand.Length; p++) demand[p] += tables.Types.Weights[type] * bought[p];
            }, cancellation);
            var last = Array.FindLastIndex(demand, d => d >= capacityTokens);
            if (last < 0) break;
            (low, high) = (prices[last], last + 1 < prices.Length ? prices[last + 1] : high);
        }

        var (wanted, share, surpluses) = (0.0, 0.0, new double[tables.Types.Count]);
        TokenDemand.ForEachType(tables, [low], (type, bought, surplus) =>
        {
            wanted += tables.Types.Weights[type] * bought[0];
            if (bought[0] > 0) share += tables.Types.Weights[type];
            surpluses[type] = surplus[0];
        }, cancellation);
        var tokens = Math.Min(wanted, capacityTokens);
        return new TariffOutcome((low - costPerToken) * tokens, low * tokens, costPerToken * tokens, share, tokens, low).WithSurplus(tables, surpluses);
    }
}
