namespace PlanDesign.Screening.Rounding;

/// <summary>
/// How a market with a density answers a menu: judged by its cutoffs and G, not by atoms. Customers more patient than the root r of
/// V(r,m') − V(r,m) = p' − p take the longer cap m'; a plan whose cutoff is not above the next one's is best for nobody.
/// </summary>
internal static class DensityResponses
{
    private const int BisectionsMax = 200;
    private const double SearchRateMaxPerSecond = 1e12;

    /// <param name="offers">Caps ascending.</param>
    public static Menu Of(Market market, MarketTables tables, IReadOnlyList<PlanOffer> offers)
    {
        var row = tables.NewRow();
        var envelope = new List<(PlanOffer Offer, double CutoffRate)>();
        foreach (var offer in offers)
        {
            double cutoff;
            do
            {
                var below = envelope.Count == 0 ? new PlanOffer(0, 0) : envelope[^1].Offer;
                cutoff = Cutoff(market, tables, row, below, offer);
                if (envelope.Count == 0 || cutoff < envelope[^1].CutoffRate) break;
                envelope.RemoveAt(envelope.Count - 1);
            }
            while (true);
            if (market.Urgency.Cdf(cutoff) > 0) envelope.Add((offer, cutoff));
        }

        var tiers = new List<Tier>();
        var (mostPatient, sharePatient) = (market.Urgency.Quantile(0), 0.0);
        for (var k = envelope.Count - 1; k >= 0; k--)
        {
            var (offer, cutoff) = envelope[k];
            var share = market.Urgency.Cdf(cutoff);
            if (share <= sharePatient) continue;
            tiers.Add(new Tier(offer.CapTokens, offer.PricePerConversation, share - sharePatient, mostPatient, cutoff)
            {
                ServingCostPerConversation = tables.ServingCost[offer.CapTokens],
                ExpectedTokensPerConversation = tables.ExpectedTokens[offer.CapTokens],
            });
            (mostPatient, sharePatient) = (cutoff, share);
        }

        PlanOffer[] bought = [.. tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
        var choices = tables.Types.RatesPerSecond.Select(rate => BestResponse.Of(market, rate, bought).PlanIndex).ToArray();
        return Menu.Of(tables.Types, [.. tiers],
            [.. choices.Select(c => c is { } k ? bought[k].CapTokens : 0)],
            [.. choices.Select(c => c is { } k ? bought[k].PricePerConversation : 0)]);
    }

    /// <summary>
    /// The most urgent rate at which the step from one plan to the longer one is still worth its price: falling in the rate, so bisected.
    /// </summary>
    private static double Cutoff(Market market, MarketTables tables, double[] row, PlanOffer below, PlanOffer above)
    {
        bool Worth(double rate)
        {
            tables.FillValueAt(rate, row.AsSpan(0, above.CapTokens + 1));
            return row[above.CapTokens] - row[below.CapTokens] >= above.PricePerConversation - below.PricePerConversation;
        }

        var (low, high) = (market.Urgency.Quantile(0), Math.Min(market.Urgency.Quantile(1), SearchRateMaxPerSecond));
        if (!Worth(low)) return low;
        if (Worth(high)) return high;
        for (var n = 0; n < BisectionsMax; n++)
        {
            var middle = low + (high - low) / 2;
            if (middle <= low || middle >= high) break;
            if (Worth(middle)) low = middle;
            else high = middle;
        }
        return low;
    }
}
