using System.Text.Json.Serialization;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Reports;

/// <summary>
/// How many conversations a customer has in a billing period: the same number for everybody, or one for each type. The theory prices a
/// conversation. With one number for all, a fee per period is the same thing. Where numbers differ it is not: one fee for all would mean another
/// price per conversation to each type, and what a type pays would no longer fall with its urgency alone. Such a menu is therefore sold by the
/// conversation, types weigh as many conversations as they have, and what a period comes to differs by type. Beyond the paper.
/// </summary>
public sealed record Conversations
{
    private readonly IReadOnlyList<int>? _given;

    private Conversations(int? each, IReadOnlyList<int>? byType, IReadOnlyList<int>? given) => (Each, ByType, _given) = (each, byType, given);

    public int? Each { get; }
    public IReadOnlyList<int>? ByType { get; }

    public static Conversations Of(int each) => new(each, null, null);

    /// <summary>Where all numbers are the same, customers do not differ, and a fee per period is what a conversation costs so many times.</summary>
    public static Conversations OfTypes(IReadOnlyList<int> byType) =>
        byType.Count > 0 && byType.All(n => n == byType[0]) ? new(byType[0], null, byType) : new(null, byType, byType);

    /// <summary>The unit that prices are whole in: of the period's fee where there is one, else of the price of a conversation.</summary>
    public MinorUnits Units(double unit) => new(unit, Each ?? 1);

    /// <summary>The first thing wrong, or null.</summary>
    public InputFault? Check(Market market)
    {
        foreach (var n in _given ?? [Each!.Value])
            if (n is < 1 or > MinorUnits.ConversationsPerPeriodMax)
                return new("conversationsPerPeriod", $"is {n}, expected 1 to {MinorUnits.ConversationsPerPeriodMax}");
        if (_given is null) return null;
        if (market.Urgency is not DiscreteUrgency discrete)
            return new("conversationsPerPeriod", $"by type needs discrete urgency, whose types can be counted; this one is {market.Urgency.Kind}");
        return discrete.RatesPerSecond.Count == _given.Count ? null
            : new("conversationsPerPeriod", $"has {_given.Count} numbers for {discrete.RatesPerSecond.Count} types, expected one for each");
    }

    /// <summary>The market of conversations: every type weighs its part of all conversations instead of its part of all customers.</summary>
    /// <remarks>Only for a market whose <see cref="Check"/> is null.</remarks>
    public Market OfConversations(Market market)
    {
        if (ByType is null || market.Urgency is not DiscreteUrgency customers) return market;
        double[] masses = [.. customers.Weights.Zip(ByType, (weight, n) => weight * n)];
        var all = masses.Sum();
        return market with { Urgency = new DiscreteUrgency(customers.RatesPerSecond, [.. masses.Select(m => m / all)]), CustomersByType = customers.Weights };
    }
}

/// <summary>A menu by customer and billing period. Money per customer of the whole market and period.</summary>
/// <param name="ConversationsPerCustomer">On average over all customers.</param>
/// <param name="FeeByType">What a customer of each type pays in a period, in ascending order of urgency; null where all pay their plan's fee.</param>
/// <param name="ShareOfCustomersByTier">Largest cap first; differs from a tier's share, which is of conversations, where numbers differ by type.</param>
public sealed record PeriodReport(
    double ConversationsPerCustomer, double Profit, double Revenue, double ServingCost, IReadOnlyList<double> ShareOfCustomersByTier, IReadOnlyList<double>? FeeByType)
{
    /// <summary>Of all customers; a little more than 1, as rounding leaves sums, is everybody.</summary>
    [JsonIgnore]
    public double ShareOfCustomersServed => Math.Min(1, ShareOfCustomersByTier.Sum());

    /// <param name="market">Of customers, as it was given.</param>
    /// <param name="menu">Solved for <see cref="Conversations.OfConversations"/> of it.</param>
    public static PeriodReport Of(Market market, Conversations conversations, MenuSolution menu)
    {
        if (conversations.ByType is not { } byType || market.Urgency is not DiscreteUrgency customers)
        {
            var n = (double)conversations.Each!.Value;
            return new(n, n * menu.Profit, n * menu.Revenue, n * menu.ServingCost, [.. menu.Tiers.Select(t => t.Share)], null);
        }
        var mean = customers.Weights.Zip(byType, (weight, n) => weight * n).Sum();
        return new(mean, mean * menu.Profit, mean * menu.Revenue, mean * menu.ServingCost,
            [.. menu.Tiers.Select(tier => Math.Min(1, customers.Weights.Where((_, i) => menu.CapTokensByType[i] == tier.CapTokens).Sum()))],
            [.. menu.PriceByType.Zip(byType, (price, n) => price * n)]);
    }
}
