namespace PlanDesign.Screening;

/// <summary>A plan as a customer sees it.</summary>
public sealed record PlanOffer(int CapTokens, double PricePerConversation);

/// <param name="PlanIndex">Which of the offers is taken; null for none.</param>
/// <param name="SurplusPerConversation">Expected discounted value less price, money; 0 for none.</param>
public sealed record Choice(int? PlanIndex, double SurplusPerConversation)
{
    public static Choice None { get; } = new(null, 0);
}

/// <summary>
/// What a customer buys: the plan with the largest surplus V(r,T) − p, if that is no loss. In an optimal menu every step is a tie for
/// somebody; ties (within <see cref="TieTolerance"/> of the value of an answer) go to the longer cap, which is what the menu means.
/// </summary>
public static class BestResponse
{
    public const double TieTolerance = 1e-9;

    /// <param name="ratePerSecond">The customer's urgency; an infinite one gains nothing from any cap.</param>
    /// <param name="plans">In any order; caps beyond what the answer times support are worth no more than their end.</param>
    /// <exception cref="ArgumentOutOfRangeException">A cap is negative or above <see cref="MarketLimits.CapTokensMax"/>.</exception>
    public static Choice Of(Market market, double ratePerSecond, IReadOnlyList<PlanOffer> plans)
    {
        foreach (var plan in plans)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(plan.CapTokens);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(plan.CapTokens, MarketLimits.CapTokensMax);
        }
        if (plans.Count == 0 || !double.IsFinite(ratePerSecond)) return Choice.None;
        var value = new double[plans.Max(p => p.CapTokens) + 1];
        market.AnswerTime.FillDiscountedAnswers(ratePerSecond, market.TokensPerSecond, value);
        if (market.ValueAtCap > 0)
            foreach (var cap in plans.Select(p => p.CapTokens).Where(c => c > 0).Distinct())
                value[cap] += market.ValueAtCap * market.AnswerTime.Survival(cap, market.TokensPerSecond) * Math.Exp(-ratePerSecond * cap / market.TokensPerSecond);
        var surplus = new double[plans.Count];
        for (var k = 0; k < surplus.Length; k++)
            surplus[k] = market.ValuePerAnswer * value[plans[k].CapTokens] - plans[k].PricePerConversation;
        var best = LongestOfTheBest(plans, surplus, TieTolerance * market.ValuePerAnswer);
        return best is { } chosen ? new(chosen, surplus[chosen]) : Choice.None;
    }

    internal static int? LongestOfTheBest(IReadOnlyList<PlanOffer> plans, ReadOnlySpan<double> surplus, double tolerance)
    {
        var top = 0.0;
        foreach (var s in surplus) top = Math.Max(top, s);
        int? best = null;
        for (var k = 0; k < surplus.Length; k++)
            if (surplus[k] >= top - tolerance && (best is null || plans[k].CapTokens > plans[best.Value].CapTokens)) best = k;
        return best;
    }
}
