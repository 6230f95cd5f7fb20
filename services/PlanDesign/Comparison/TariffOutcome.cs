using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// What a tariff earns in a market when it is set as well as it can be. Profit, revenue and serving cost are money per conversation of the
/// whole market, tokens those generated per conversation of the whole market, share served the part of customers who buy anything (of conversations, where customers differ in how many they have).
/// </summary>
/// <param name="Price">Per conversation (a plan or a flat fee) or per token (pay per token, two-part tariff, token market), money; null for a
/// menu, which has one for each plan.</param>
/// <param name="CapTokens">The cap of the one plan; null where there is none or several.</param>
public sealed record TariffOutcome(
    double Profit, double Revenue, double ServingCost, double ShareServed, double Tokens, double? Price = null, int? CapTokens = null)
{
    /// <summary>A little more than 1, as rounding leaves sums of weights, is everybody.</summary>
    public double ShareServed { get; init; } = Math.Min(1, ShareServed);

    public static TariffOutcome Nothing { get; } = new(0, 0, 0, 0, 0);

    /// <summary>The fee per conversation that a two-part tariff takes beside its price per token, money; null for every other tariff.</summary>
    public double? Fee { get; init; }

    /// <summary>
    /// What the best tariff of this kind earns at most, where the search for it ended before it was found for certain; null where it was found.
    /// Money per conversation.
    /// </summary>
    public double? ProfitMax { get; init; }

    /// <summary>What customers keep, money per conversation of the whole market.</summary>
    public double ConsumerSurplus { get; init; }

    /// <summary>
    /// What a customer of each served type keeps, money per conversation, most patient first; empty where nothing is sold. In a market with
    /// a density a type is the most urgent member of its cell.
    /// </summary>
    public IReadOnlyList<double> SurplusByType { get; init; } = [];

    /// <summary>Profit and consumer surplus together: what the tariff makes of the market, money per conversation.</summary>
    public double Welfare => Profit + ConsumerSurplus;

    internal TariffOutcome WithSurplus(MarketTables tables, double[] surplusByType) => this with
    {
        SurplusByType = surplusByType,
        ConsumerSurplus = surplusByType.Zip(tables.Types.Weights).Sum(t => t.First * t.Second),
    };
}
