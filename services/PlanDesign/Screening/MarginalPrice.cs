namespace PlanDesign.Screening;

/// <summary>
/// What one more token costs on the way up a menu. It falls from plan to plan wherever dp/dT = v·e^{−r(T)T}·f(T) does: a density of answer times that
/// does not rise and an elasticity r·g/G that does not rise suffice (Zhong, arXiv 2510.09859). Answers that come bunched around a time give a
/// rising stretch first, which a seller should know, for customers expect a discount on quantity.
/// </summary>
internal static class MarginalPrice
{
    /// <summary>Where plans are as many as the types of a cut-up density, their steps in whole tokens are this uneven by themselves.</summary>
    private const double UnevenSteps = 0.02;

    /// <summary>
    /// Of the first plan whose tokens cost more than those of one below it, and of that one: caps and money per token, and whether answers are likelier by the
    /// second in the longer plan's step, so that they are what makes the price rise; null if there is none.
    /// </summary>
    public static (int Cap, double PerToken, int LowerCap, double LowerPerToken, bool AnswersBunch)? Rise(Market market, Menu menu, bool limited, double unitPerConversation)
    {
        var tolerance = market.Urgency.HasDensity && !limited ? UnevenSteps : 1e-9;
        var (below, cheapest) = (new PlanOffer(0, 0), (From: 0, Cap: 0, PerToken: double.PositiveInfinity, AtMost: double.PositiveInfinity));
        foreach (var tier in menu.Tiers.OrderBy(t => t.CapTokens))
        {
            var (from, tokens, money) = (below.CapTokens, tier.CapTokens - below.CapTokens, tier.PricePerConversation - below.PricePerConversation);
            below = new(tier.CapTokens, tier.PricePerConversation);
            // A tier for nothing is no price.
            if (tier.PricePerConversation <= 0) continue;
            // Less what a step may be short of by being whole in minor units.
            if (money / tokens > cheapest.AtMost * (1 + tolerance)) 
                return (tier.CapTokens, money / tokens, cheapest.Cap, cheapest.PerToken, Hazard(market, from, tier.CapTokens) > Hazard(market, cheapest.From, cheapest.Cap) * (1 + 1e-9));
            var atMost = (money + unitPerConversation) / tokens;
            if (atMost < cheapest.AtMost) cheapest = (from, tier.CapTokens, money / tokens, atMost);
        }
        return null;
    }

    /// <summary>On average from one cap to the next, per token; infinite where nobody waits beyond.</summary>
    private static double Hazard(Market market, int from, int to) =>
        Math.Log(market.AnswerTime.Survival(from, market.TokensPerSecond) / market.AnswerTime.Survival(to, market.TokensPerSecond)) / (to - from);
}
