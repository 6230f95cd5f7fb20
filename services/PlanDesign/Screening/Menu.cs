using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>Who gets which cap at which price, and what that earns: the bookkeeping shared by exact and rounded menus.</summary>
internal sealed record Menu(double Revenue, double ServingCost, Tier[] Tiers, int[] CapTokensByType, double[] PriceByType)
{
    public double Profit => Revenue - ServingCost;

    public static Menu Of(MarketTables tables, int[] capTokensByType, double[] priceByType)
    {
        var types = tables.Types;
        var tiers =
            from type in Enumerable.Range(0, capTokensByType.Length)
            where capTokensByType[type] > 0
            group type by capTokensByType[type] into takers
            orderby takers.Key descending
            select new Tier(takers.Key, priceByType[takers.First()], takers.Sum(i => types.Weights[i]),
                types.FromRatesPerSecond[takers.First()], types.ToRatesPerSecond[takers.Last()])
            {
                ServingCostPerConversation = tables.ServingCost[takers.Key],
                ExpectedTokensPerConversation = tables.ExpectedTokens[takers.Key],
            };
        return Of(types, [.. tiers], capTokensByType, priceByType);
    }

    /// <summary>A free tier is on the menu whether anybody makes do with it or not.</summary>
    /// <param name="fee">What a period of it is billed, in minor units; null where prices are exact.</param>
    public Menu WithFreeTier(MarketTables tables, int cap, long? fee = null) => cap == 0 || Tiers.Any(t => t.CapTokens == cap) ? this : this with
    {
        Tiers = [.. Tiers, new Tier(cap, 0, 0, tables.Types.ToRatesPerSecond[^1], tables.Types.ToRatesPerSecond[^1])
        {
            ServingCostPerConversation = tables.ServingCost[cap],
            ExpectedTokensPerConversation = tables.ExpectedTokens[cap],
            PriceMinorUnitsPerPeriod = fee,
        }],
    };

    /// <summary>
    /// The same from tiers whose shares were found otherwise, such as at the cutoffs of a density. Shares that sum to a little more than 1, as rounding leaves
    /// weights, earn what they are counted to; who takes the plan is no more than everybody.
    /// </summary>
    public static Menu Of(TypeGrid types, Tier[] tiers, int[] capTokensByType, double[] priceByType) => new(
        tiers.Sum(t => t.Share * t.PricePerConversation),
        tiers.Sum(t => t.Share * t.ServingCostPerConversation),
        [.. tiers.Select(t => t.Share > 1 ? t with { Share = 1 } : t)],
        types.HasUnservedType ? [.. capTokensByType, 0] : capTokensByType,
        types.HasUnservedType ? [.. priceByType, 0] : priceByType);
}
