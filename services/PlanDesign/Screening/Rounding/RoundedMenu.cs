namespace PlanDesign.Screening.Rounding;

/// <summary>
/// The menu that stands once its prices are whole: every type's best response is computed anew, the outside option included, ties to the
/// plan that the menu meant, and the menu earns what those responses earn. Plans that nobody takes are dropped.
/// </summary>
internal static class RoundedMenu
{
    public static Menu Of(Market market, MarketTables tables, MinorUnits units, PriceStep[] steps)
    {
        var offers = new PlanOffer[steps.Length];
        var fees = new long[steps.Length];
        for (var (k, fee) = (0, 0L); k < steps.Length; k++)
        {
            fees[k] = fee += steps[k].MinorUnitsPerPeriod;
            offers[k] = new(steps[k].CapTokens, fee * units.Unit / units.ConversationsPerPeriod);
        }
        var menu = market.Urgency.HasDensity && market.ValueAtCap <= 0 ? DensityResponses.Of(market, tables, offers) : OfTypes(tables, i => Array.FindLastIndex(steps, s => i <= s.CutoffType), offers);
        long FeeOf(Tier tier) => fees[Array.FindIndex(steps, s => s.CapTokens == tier.CapTokens)];
        return menu with { Tiers = [.. menu.Tiers.Select(t => t with { PriceMinorUnitsPerPeriod = FeeOf(t) })] };
    }

    /// <param name="meant">Which offer the menu means for a type; −1 for none.</param>
    /// <param name="offers">Caps ascending.</param>
    public static Menu OfTypes(MarketTables tables, Func<int, int> meant, PlanOffer[] offers)
    {
        var (value, surplus) = (tables.NewRow(), new double[offers.Length]);
        var (caps, prices) = (new int[tables.Types.Count], new double[tables.Types.Count]);
        var tolerance = BestResponse.TieTolerance * tables.ValuePerAnswer;
        for (var i = 0; i < caps.Length && offers.Length > 0; i++)
        {
            tables.FillValue(i, value.AsSpan(0, offers[^1].CapTokens + 1));
            for (var k = 0; k < offers.Length; k++) surplus[k] = value[offers[k].CapTokens] - offers[k].PricePerConversation;
            var own = meant(i);
            var keepsToIt = (own < 0 ? 0 : surplus[own]) >= Math.Max(0, surplus.Max()) - tolerance;
            var chosen = keepsToIt ? own : BestResponse.LongestOfTheBest(offers, surplus, tolerance) ?? -1;
            if (chosen >= 0) (caps[i], prices[i]) = (offers[chosen].CapTokens, offers[chosen].PricePerConversation);
        }
        return Menu.Of(tables, caps, prices);
    }
}
