using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>Who gets which cap at which price, and what that earns: the bookkeeping shared by exact and rounded menus.</summary>
internal sealed record Menu(double Revenue, double ServingCost, Tier[] Tiers, int[] CapTokensByType, double[] PriceByType)
{
    public double Profit => Revenue - ServingCost;

    public static Menu Of(MarketTables tables, int[] capTokensByType, double[] priceByType)
    {
        var types = tables.Types;
        var tiers = new List<Tier>();
        for (var first = 0; first < capTokensByType.Length;)
        {
            var (cap, last, share) = (capTokensByType[first], first, 0.0);
            for (; last < capTokensByType.Length && capTokensByType[last] == cap; last++) share += types.Weights[last];
            if (cap > 0)
                tiers.Add(new Tier(cap, priceByType[first], share, types.FromRatesPerSecond[first], types.ToRatesPerSecond[last - 1])
                {
                    ServingCostPerConversation = tables.ServingCost[cap],
                    ExpectedTokensPerConversation = tables.ExpectedTokens[cap],
                });
            first = last;
        }
        return Of(types, [.. tiers], capTokensByType, priceByType);
    }

    /// <summary>The same from tiers whose shares were found otherwise, such as at the cutoffs of a density.</summary>
    public static Menu Of(TypeGrid types, Tier[] tiers, int[] capTokensByType, double[] priceByType) => new(
        tiers.Sum(t => t.Share * t.PricePerConversation),
        tiers.Sum(t => t.Share * t.ServingCostPerConversation),
        tiers,
        types.HasUnservedType ? [.. capTokensByType, 0] : capTokensByType,
        types.HasUnservedType ? [.. priceByType, 0] : priceByType);
}
