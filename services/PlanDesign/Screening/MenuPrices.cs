namespace PlanDesign.Screening;

/// <summary>
/// What makes every type choose the cap meant for it. The most urgent type served keeps no surplus, and each step to a longer cap costs
/// what it is worth to the most urgent type that takes it: p_i = p_{i+1} + V[i,m_i] − V[i,m_{i+1}], which is U_N = 0,
/// U_i = U_{i+1} + V[i,m_{i+1}] − V[i+1,m_{i+1}], p_i = V[i,m_i] − U_i written so that equal caps have equal prices to the last bit.
/// </summary>
internal static class MenuPrices
{
    public static double[] ByType(MarketTables tables, int[] capTokensByType, int freeTier = 0)
    {
        var prices = new double[capTokensByType.Length];
        var value = tables.NewRow();
        var (price, cap) = (0.0, freeTier);
        for (var i = prices.Length - 1; i >= 0; i--)
        {
            if (capTokensByType[i] != cap)
            {
                tables.FillValue(i, value.AsSpan(0, capTokensByType[i] + 1));
                price += value[capTokensByType[i]] - value[cap];
                cap = capTokensByType[i];
            }
            prices[i] = price;
        }
        return prices;
    }
}
