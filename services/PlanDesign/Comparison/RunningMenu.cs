using PlanDesign.Screening;
using PlanDesign.Screening.Rounding;

namespace PlanDesign.Comparison;

/// <summary>
/// A menu that is on sale already, whatever its prices: everybody buys what is best for her, ties to the longer cap, and the menu earns what those
/// choices earn. A market with a density is judged by the menu's cutoffs and G, as a new menu in minor units is, so that the same menu earns
/// the same; what customers keep is that of the types.
/// </summary>
public static class RunningMenu
{
    /// <param name="offers">In any order; caps beyond what the answer times support are worth no more than their end, and cost no more.</param>
    public static TariffOutcome Of(Market market, IReadOnlyList<PlanOffer> offers)
    {
        if (market.Check() is { } fault) throw new ArgumentException(fault.ToString(), nameof(market));
        return Of(market, new MarketTables(market, market.Grid()), offers);
    }

    internal static TariffOutcome Of(Market market, MarketTables tables, IReadOnlyList<PlanOffer> offers)
    {
        var (value, surplus) = (tables.NewRow(), new double[offers.Count]);
        var (revenue, tokens, share, surpluses) = (0.0, 0.0, 0.0, new double[tables.Types.Count]);
        var caps = offers.Select(o => Math.Min(o.CapTokens, tables.CapTokensMax)).ToArray();
        for (var i = 0; i < surpluses.Length; i++)
        {
            tables.FillValue(i, value);
            for (var k = 0; k < surplus.Length; k++) surplus[k] = value[caps[k]] - offers[k].PricePerConversation;
            if (BestResponse.LongestOfTheBest(offers, surplus, BestResponse.TieTolerance * tables.ValuePerAnswer) is not { } chosen) continue;
            var weight = tables.Types.Weights[i];
            revenue += weight * offers[chosen].PricePerConversation;
            tokens += weight * tables.ExpectedTokens[caps[chosen]];
            share += weight;
            surpluses[i] = Math.Max(0, surplus[chosen]);
        }
        if (market.Urgency.HasDensity && market.ValueAtCap <= 0)
        {
            // Of plans with the same cap only the cheapest is bought.
            PlanOffer[] ascending = [.. offers.Zip(caps, (offer, cap) => offer with { CapTokens = cap }).GroupBy(o => o.CapTokens).Select(same => same.MinBy(o => o.PricePerConversation)!).OrderBy(o => o.CapTokens)];
            var menu = DensityResponses.Of(market, tables, ascending);
            return new TariffOutcome(
                menu.Profit, menu.Revenue, menu.ServingCost, menu.Tiers.Sum(t => t.Share), menu.Tiers.Sum(t => t.Share * t.ExpectedTokensPerConversation)).WithSurplus(tables, surpluses);
        }
        var cost = tables.CostPerToken * tokens;
        return new TariffOutcome(revenue - cost, revenue, cost, share, tokens).WithSurplus(tables, surpluses);
    }
}
