namespace PlanDesign.Screening.Certificates;

/// <summary>
/// What the types of the market would rather do than what the menu means for them, over all pairs of types and plans. Money per
/// conversation.
/// </summary>
internal static class MenuViolations
{
    /// <returns>
    /// Incentive: the most that any type gains by another plan than its own (or by buying where it is meant not to). Participation:
    /// the most that any type loses by buying its own plan instead of nothing. Both at least 0.
    /// </returns>
    public static (double Incentive, double Participation) Of(
        CheckerTables tables, IReadOnlyList<Tier> tiers, IReadOnlyList<int> capTokensByType, IReadOnlyList<double> priceByType)
    {
        var (incentive, participation) = (0.0, 0.0);
        int[] caps = [.. capTokensByType.Concat(tiers.Select(t => t.CapTokens)).Where(c => c > 0).Distinct().Order()];
        if (caps.Length == 0) return (0, 0);
        var (at, value, row) = (caps.Select((cap, k) => (cap, k)).ToDictionary(t => t.cap, t => t.k), new double[caps.Length], new double[tables.Cost.Length]);
        var offers = tiers.Select(t => (Index: at[t.CapTokens], Price: t.PricePerConversation)).ToArray();
        for (var i = 0; i < tables.Rates.Length; i++)
        {
            tables.FillValueAt(i, caps, value, row);
            var own = (capTokensByType[i] == 0 ? 0 : value[at[capTokensByType[i]]]) - priceByType[i];
            participation = Math.Max(participation, -own);
            foreach (var (index, price) in offers) incentive = Math.Max(incentive, value[index] - price - own);
        }
        return (incentive, participation);
    }
}
