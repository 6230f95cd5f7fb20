namespace PlanDesign.Comparison;

/// <summary>
/// What a tariff earns in a market when it is set as well as it can be. Profit, revenue and serving cost are money per conversation of the
/// whole market, tokens those generated per conversation of the whole market, share served the part of customers who buy anything.
/// </summary>
/// <param name="Price">Per conversation (a plan or a flat fee) or per token (pay per token), money; null for a menu, which has one for each
/// plan.</param>
/// <param name="CapTokens">The cap of the one plan; null where there is none or several.</param>
public sealed record TariffOutcome(
    double Profit, double Revenue, double ServingCost, double ShareServed, double Tokens, double? Price = null, int? CapTokens = null)
{
    public static TariffOutcome Nothing { get; } = new(0, 0, 0, 0, 0);
}
