using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>All you can use for one fee: the largest cap for everybody who pays, max over i of W_i (V[i,M] − C[M]).</summary>
internal static class FlatFee
{
    public static TariffOutcome Best(MarketTables tables)
    {
        var (value, best, cap) = (tables.NewRow(), TariffOutcome.Nothing, tables.CapTokensMax);
        var longest = new double[tables.Types.Count];
        for (var i = tables.Types.Count - 1; i >= 0; i--)
        {
            tables.FillValue(i, value);
            longest[i] = value[cap];
            var (share, fee, cost) = (tables.CumulativeWeights[i], value[cap], tables.ServingCost[cap]);
            if (share * (fee - cost) > best.Profit)
                best = new(share * (fee - cost), share * fee, share * cost, share, share * tables.ExpectedTokens[cap], fee, cap);
        }
        return best.Price is { } price ? best.WithSurplus(tables, [.. longest.Select(worth => Math.Max(0, worth - price))]) : best;
    }
}
