using PlanDesign.Screening;

namespace PlanDesign.Estimation;

/// <summary>One conversation as usage saw it.</summary>
/// <param name="GeneratedTokens">Tokens generated until the answer, or until the cut.</param>
/// <param name="Cut">Stopped by a cap or left unanswered: the true length is more than this.</param>
/// <param name="PlanId">The plan it ran under; null where unknown.</param>
/// <param name="Customer">
/// Any label of who had it: conversations of one customer are resampled together, for they resemble each other. Null: taken by itself.
/// </param>
public sealed record ObservedConversation(int GeneratedTokens, bool Cut, string? PlanId = null, string? Customer = null);

/// <summary>A plan on sale (cap in tokens, price in money per conversation) and how many customers took it.</summary>
public sealed record PlanBought(string PlanId, int CapTokens, double PricePerConversation, long Customers)
{
    public PlanOffer Offer => new(CapTokens, PricePerConversation);
}

/// <summary>
/// A menu while it was on sale. Customers who saw it and bought nothing tell how urgent the most urgent are; null where nobody counted them,
/// and then urgency is learned of buyers only.
/// </summary>
public sealed record ObservedMenu(IReadOnlyList<PlanBought> Plans, long? CustomersWithoutPlan = null)
{
    public long Customers => Plans.Sum(p => p.Customers) + (CustomersWithoutPlan ?? 0);
}

/// <summary>
/// What a seller knows of its market: conversations, and what customers chose from the menus that were on sale (several menus, or one before and
/// after a change of price, say more than one). Speed in tokens per second, value in money per answer, cost in money per token: known, not estimated.
/// </summary>
public sealed record MarketObservations(
    IReadOnlyList<ObservedConversation> Conversations, IReadOnlyList<ObservedMenu> Menus,
    double TokensPerSecond, double ValuePerAnswer, double ServingCostPerToken)
{
    public const int MenusMax = 100;

    /// <summary>The first thing that cannot be so, or null. Too little data is no fault: see <see cref="EstimationOutcome"/>.</summary>
    public InputFault? Check()
    {
        var fault = InputFault.Range("tokensPerSecond", TokensPerSecond, 0, MarketLimits.TokensPerSecondMax, "tokens per second")
            ?? InputFault.Range("valuePerAnswer", ValuePerAnswer, 0, MarketLimits.MoneyMax, "of money")
            ?? InputFault.RangeFrom("servingCostPerToken", ServingCostPerToken, 0, MarketLimits.MoneyMax, "of money per token");
        if (fault is not null) return fault;
        if (Conversations.Count > MarketLimits.ObservationsMax)
            return new("conversations", $"has {Conversations.Count} entries, expected at most {MarketLimits.ObservationsMax}");
        if (Menus.Count > MenusMax) return new("menus", $"has {Menus.Count} entries, expected at most {MenusMax}");
        for (var n = 0; n < Conversations.Count; n++)
            if (Conversations[n].GeneratedTokens < (Conversations[n].Cut ? 0 : 1) || Conversations[n].GeneratedTokens > MarketLimits.CapTokensMax)
                return new($"conversations[{n}].generatedTokens", $"is {Conversations[n].GeneratedTokens}, expected 1 to {MarketLimits.CapTokensMax} tokens");
        return Menus.Select(CheckMenu).FirstOrDefault(f => f is not null);
    }

    private static InputFault? CheckMenu(ObservedMenu menu, int number)
    {
        var field = $"menus[{number}]";
        if (menu.Plans.Count is 0 or > MarketLimits.PlansMax) return new($"{field}.plans", $"has {menu.Plans.Count} plans, expected 1 to {MarketLimits.PlansMax}");
        if (menu.CustomersWithoutPlan < 0) return new($"{field}.customersWithoutPlan", $"is {menu.CustomersWithoutPlan}, expected 0 or more");
        for (var k = 0; k < menu.Plans.Count; k++)
        {
            var plan = menu.Plans[k];
            if (plan.CapTokens is < 1 or > MarketLimits.CapTokensMax)
                return new($"{field}.plans[{k}].capTokens", $"is {plan.CapTokens}, expected 1 to {MarketLimits.CapTokensMax} tokens");
            if (plan.Customers < 0) return new($"{field}.plans[{k}].customers", $"is {plan.Customers}, expected 0 or more");
            if (InputFault.RangeFrom($"{field}.plans[{k}].pricePerConversation", plan.PricePerConversation, 0, MarketLimits.MoneyMax, "of money") is { } price)
                return price;
            if (menu.Plans.Take(k).Any(p => p.PlanId == plan.PlanId || p.CapTokens == plan.CapTokens))
                return new($"{field}.plans[{k}]", $"has the id or the cap of another plan of the menu: merge the two");
        }
        return null;
    }
}
