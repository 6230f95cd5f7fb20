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
        for (var i = 0; i < tables.Rates.Length; i++)
        {
            var value = tables.Value(i);
            var own = value[capTokensByType[i]] - priceByType[i];
            participation = Math.Max(participation, -own);
            foreach (var tier in tiers) incentive = Math.Max(incentive, value[tier.CapTokens] - tier.PricePerConversation - own);
        }
        return (incentive, participation);
    }
}
