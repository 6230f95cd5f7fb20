using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>The draws of urgency as shares of the same intervals of rates, so that a mixture of draws is a market too.</summary>
internal sealed record UrgencyWorlds(Market Market, MarketDraw Base, double[] Edges, double[][] Weights)
{
    public static UrgencyWorlds Of(EstimatedMarket estimate, int typesMax)
    {
        var market = estimate.Market!;
        if (market.Urgency is EmpiricalUrgency)
        {
            // Cutoffs move with lengths from draw to draw; with lengths held they are the estimate's, and only the shares are drawn.
            double[] cutoffs = [.. estimate.Plans.SelectMany(p => new[] { p.FromPerSecond, p.ToPerSecond }).Where(r => r > 0 && double.IsFinite(r)).Distinct().Order()];
            double[] rates = [0, .. cutoffs.Where((r, n) => n == 0 || r > cutoffs[n - 1] * (1 + 1e-8)), double.PositiveInfinity];
            return new(market, estimate.Base!, rates, [.. estimate.Draws.Select(d => Shares(d, rates, Rank(d, rates)))]);
        }
        var types = Math.Min(typesMax, market.TypeCount ?? MarketLimits.TypesDefault);
        double[] edges =
        [
            0,
            .. Enumerable.Range(1, types - 1).Select(i => market.Urgency.Quantile((double)i / types)).Where(r => r > 0).Distinct(),
            // Where the market has no upper end, or a draw reaches beyond that of the estimate, the last interval is not served.
            .. double.IsFinite(market.Urgency.Quantile(1)) ? [market.Urgency.Quantile(1)] : Array.Empty<double>(),
            double.PositiveInfinity,
        ];
        return new(market, estimate.Base!, edges, [.. estimate.Draws.Select(d => Shares(d, edges, edges))]);
    }

    public Market Mixture(double[] weights)
    {
        var shares = new double[Edges.Length - 1];
        for (var d = 0; d < weights.Length; d++)
            for (var c = 0; c < shares.Length; c++) shares[c] += weights[d] * Weights[d][c];
        var sum = shares.Sum();
        return Market with { Urgency = new EmpiricalUrgency(Edges[..^1], Edges[1..], [.. shares.Select(s => s / sum)]), TypeCount = null };
    }

    /// <summary>In every draw, everybody at the urgent end of her interval.</summary>
    public double[] Profits(IReadOnlyList<PlanOffer> offers)
    {
        var earned = new double[Edges.Length - 1];
        var surplus = new double[offers.Count];
        double[] costs = [.. offers.Select(o => Base.ServingCostPerToken * Base.Law.ExpectedTokens(o.CapTokens))];
        for (var c = 0; c < earned.Length && double.IsFinite(Edges[c + 1]) && offers.Count > 0; c++)
        {
            for (var k = 0; k < surplus.Length; k++)
                surplus[k] = Base.ValuePerAnswer * Base.Law.DiscountedAnswer(Edges[c + 1], offers[k].CapTokens) - offers[k].PricePerConversation;
            if (BestResponse.LongestOfTheBest(offers, surplus, BestResponse.TieTolerance * Base.ValuePerAnswer) is { } chosen)
                earned[c] = offers[chosen].PricePerConversation - costs[chosen];
        }
        return [.. Weights.Select(shares => shares.Zip(earned, (share, profit) => share * profit).Sum())];
    }

    private static double[] Shares(MarketDraw draw, double[] edges, double[] drawEdges)
    {
        var shares = new double[edges.Length - 1];
        for (var c = 0; c < shares.Length; c++) shares[c] = Math.Max(0, draw.Share(drawEdges[c], drawEdges[c + 1]));
        var sum = shares.Sum();
        return [.. shares.Select(s => s / sum)];
    }

    /// <summary>The draw's own cutoffs in place of the estimate's, rank by rank, where it has as many; else the estimate's.</summary>
    private static double[] Rank(MarketDraw draw, double[] edges)
    {
        var urgency = (EmpiricalUrgency)draw.Urgency;
        double[] own = [0, .. urgency.ToPerSecond.Concat(urgency.FromPerSecond).Where(r => r > 0 && double.IsFinite(r)).Distinct().Order(), double.PositiveInfinity];
        return own.Length == edges.Length ? own : edges;
    }
}
