using PlanDesign.Screening.Rounding;

namespace PlanDesign.Screening;

/// <summary>
/// Where single crossing fails, prices by steps keep neighbours from envying each other but not everybody: an urgent type may prefer a cap far away. The
/// menu then gets the highest prices at which nobody prefers another plan than her own, a shortest path over all pairs of plans, if there are such; and
/// else it earns what customers buy at the prices by steps. The better of the two stands.
/// </summary>
internal static class CrossedMenu
{
    /// <summary>Beyond so many plans the pairs are too many to try.</summary>
    private const int PlansMax = 200;

    public static Menu Of(MarketTables tables, Menu menu, int freeTier)
    {
        if (menu.Tiers.Length == 0) return menu;
        Tier[] tiers = [.. menu.Tiers.Where(t => t.Share > 0).OrderBy(t => t.CapTokens)];
        var planOf = menu.CapTokensByType.Take(tables.Types.Count).Select(cap => Array.FindIndex(tiers, t => t.CapTokens == cap)).ToArray();
        PlanOffer[] Offers(Func<int, double> price) => [.. tiers.Select((t, k) => new PlanOffer(t.CapTokens, price(k)))];
        var bought = RoundedMenu.OfTypes(tables, i => planOf[i], Offers(k => tiers[k].PricePerConversation)).WithFreeTier(tables, freeTier);
        if (freeTier > 0 || tiers.Length > PlansMax || BestPrices(tables, tiers, planOf) is not { } prices) return bought;
        var priced = RoundedMenu.OfTypes(tables, i => planOf[i], Offers(k => prices[k]));
        return priced.Profit >= bought.Profit ? priced : bought;
    }

    /// <summary>
    /// The highest p with p_k ≤ p_l + min over the types of plan k of V[i,m_k] − V[i,m_l], nothing at all being plan −1 with price 0, and who buys
    /// nothing preferring that; null if there are none.
    /// </summary>
    private static double[]? BestPrices(MarketTables tables, Tier[] tiers, int[] planOf)
    {
        // Place 0 is to buy nothing.
        var count = tiers.Length + 1;
        var (worth, row, apart) = (new double[count], tables.NewRow(), new double[count, count]);
        for (var k = 0; k < count; k++)
            for (var l = 0; l < count; l++) apart[k, l] = k == l ? 0 : double.PositiveInfinity;
        for (var i = 0; i < planOf.Length; i++)
        {
            tables.FillValue(i, row);
            for (var k = 1; k < count; k++) worth[k] = row[tiers[k - 1].CapTokens];
            for (var l = 0; l < count; l++) apart[planOf[i] + 1, l] = Math.Min(apart[planOf[i] + 1, l], worth[planOf[i] + 1] - worth[l]);
        }
        var prices = new double[count];
        for (var k = 1; k < count; k++) prices[k] = apart[k, 0];
        for (var round = 0; round <= count; round++)
        {
            var settled = true;
            for (var k = 0; k < count; k++)
                for (var l = 0; l < count; l++)
                    if (prices[l] + apart[k, l] < prices[k] - 1e-15 * tables.ValuePerAnswer)
                    {
                        (prices[k], settled) = (prices[l] + apart[k, l], false);
                        if (k == 0) return null;
                    }
            if (settled) return prices[1..];
        }
        return null;
    }
}
