using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>A market whose truth is known, and what a seller would see of it.</summary>
public sealed class SimulatedMarket(UrgencyModel urgency, double[] probabilityPerToken, double tokensPerSecond = 2, double value = 1, double cost = 0.002)
{
    public Market Truth { get; } = new(urgency, new DiscreteAnswerTime(probabilityPerToken), tokensPerSecond, value, cost);

    /// <summary>Answers that get rarer from token to token, none after the last.</summary>
    public static double[] Fading(int tokens, double meanTokens)
    {
        double[] likely = [.. Enumerable.Range(1, tokens).Select(k => Math.Exp(-k / meanTokens))];
        return [.. likely.Select(p => p / likely.Sum())];
    }

    public static double UniformPlus(Random random) => (random.Next(int.MaxValue) + 0.5) / int.MaxValue;

    /// <summary>Each customer sees the menu, buys what is best for her or nothing, and has so many conversations under her cap.</summary>
    public MarketObservations Observe(Random random, int customers, IReadOnlyList<PlanOffer> menu, int conversationsEach = 1, bool countAll = true, bool labelled = true)
    {
        var (bought, none, conversations) = (new long[menu.Count], 0L, new List<ObservedConversation>());
        var envelope = PlanEnvelope.Of(Law, Truth.ValuePerAnswer, menu);
        for (var n = 0; n < customers; n++)
        {
            var rate = Truth.Urgency.Quantile(UniformPlus(random));
            var plan = Array.FindIndex(envelope, e => rate > e.From && rate <= e.To);
            if (plan < 0)
            {
                none++;
                continue;
            }
            bought[plan]++;
            for (var c = 0; c < conversationsEach; c++)
            {
                var length = Length(UniformPlus(random));
                conversations.Add(new(Math.Min(length, menu[plan].CapTokens), length > menu[plan].CapTokens, $"plan-{plan}", labelled ? $"customer-{n}" : null));
            }
        }
        return new(conversations, [new([.. menu.Select((o, k) => new PlanBought($"plan-{k}", o.CapTokens, o.PricePerConversation, bought[k]))], countAll ? none : null)],
            Truth.TokensPerSecond, Truth.ValuePerAnswer, Truth.ServingCostPerToken);
    }

    internal LengthLaw Law { get; } = new(
        [.. Enumerable.Range(1, probabilityPerToken.Length)], [.. probabilityPerToken.Select(p => 1e9 * p)], new double[probabilityPerToken.Length], tokensPerSecond);

    internal MarketDraw Draw => new(Law, Truth.Urgency, Truth.ValuePerAnswer, Truth.ServingCostPerToken);

    private int Length(double u)
    {
        var sum = 0.0;
        for (var k = 0; k < probabilityPerToken.Length; k++)
            if ((sum += probabilityPerToken[k]) >= u) return k + 1;
        return probabilityPerToken.Length;
    }
}
