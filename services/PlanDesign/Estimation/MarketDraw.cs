using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>What a fixed menu earns, money per conversation of the whole market.</summary>
internal readonly record struct Earnings(double Revenue, double ServingCost)
{
    public double Profit => Revenue - ServingCost;

    public static Earnings operator -(Earnings a, Earnings b) => new(a.Revenue - b.Revenue, a.ServingCost - b.ServingCost);
}

/// <summary>One market that the data allow: the estimate, or a bootstrap draw of it.</summary>
internal sealed record MarketDraw(LengthLaw Law, UrgencyModel Urgency, double ValuePerAnswer, double ServingCostPerToken)
{
    /// <summary>
    /// Everybody buys what is best for her. A law with a density is judged at the cutoffs of the menu; one known by intervals at their urgent
    /// ends, which is the worst case, ties to the longer cap.
    /// </summary>
    public Earnings Of(IReadOnlyList<PlanOffer> offers)
    {
        if (offers.Count == 0) return default;
        return Urgency.HasDensity ? AtCutoffs(offers) : AtUrgentEnds(offers);
    }

    private Earnings AtCutoffs(IReadOnlyList<PlanOffer> offers)
    {
        var (revenue, cost, envelope) = (0.0, 0.0, PlanEnvelope.Of(Law, ValuePerAnswer, offers));
        for (var k = 0; k < offers.Count; k++)
        {
            var share = Share(envelope[k].From, envelope[k].To);
            revenue += share * offers[k].PricePerConversation;
            cost += share * ServingCostPerToken * Law.ExpectedTokens(offers[k].CapTokens);
        }
        return new(revenue, cost);
    }

    private Earnings AtUrgentEnds(IReadOnlyList<PlanOffer> offers)
    {
        var (revenue, cost, surplus) = (0.0, 0.0, new double[offers.Count]);
        double[] costs = [.. offers.Select(o => ServingCostPerToken * Law.ExpectedTokens(o.CapTokens))];
        var types = Urgency.Types(0, CellEnd.Upper);
        for (var i = 0; i < types.Count; i++)
        {
            for (var k = 0; k < surplus.Length; k++)
                surplus[k] = ValuePerAnswer * Law.DiscountedAnswer(types.RatesPerSecond[i], offers[k].CapTokens) - offers[k].PricePerConversation;
            if (BestResponse.LongestOfTheBest(offers, surplus, BestResponse.TieTolerance * ValuePerAnswer) is not { } chosen) continue;
            revenue += types.Weights[i] * offers[chosen].PricePerConversation;
            cost += types.Weights[i] * costs[chosen];
        }
        return new(revenue, cost);
    }

    /// <summary>The part of customers with an urgency in (from, to], 1/second.</summary>
    public double Share(double from, double to)
    {
        // The least beyond the end, so that an interval of the same cutoff counts although it was found by another sum.
        const double nextTo = 1 + 1e-8;
        return to <= from ? 0 : (double.IsFinite(to) ? Urgency.Cdf(to * nextTo) : 1) - (from > 0 ? Urgency.Cdf(from * nextTo) : 0);
    }
}
