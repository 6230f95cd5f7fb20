using PlanDesign;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace Cli.Demo;

/// <summary>
/// The market that the demo sells to: conversation lengths from a trace, urgency log-normal around a patience of some twelve seconds, an
/// answer worth two dollars, tokens generated at thirty a second, at twenty dollars a million.
/// </summary>
public sealed class DemoMarket(IReadOnlyList<ObservedConversation> observed)
{
    public const int PlansMax = 3, ConversationsPerPeriod = 20, CustomersDefault = 1_000;
    private const double TokensPerSecond = 30, ValuePerAnswer = 2.00, ServingCostPerToken = 20e-6, Mu = -2.5, Sigma = 1.5;
    private const int Types = 600, EveryNthTakesTwoTurns = 10;

    private readonly LogNormalUrgency _urgency = new(Mu, Sigma);

    public int Customers { get; init; } = CustomersDefault;

    public Currency Currency { get; } = Currency.Parse("USD");

    public Market Market => new(_urgency, EmpiricalAnswerTime.FromTrace(observed.Select(o => o.GeneratedTokens)), TokensPerSecond, ValuePerAnswer, ServingCostPerToken) { TypeCount = Types };

    public SolveOptions Options => new(PlansMax, new MinorUnits((double)Currency.MinorUnit.Value / 1_000_000, ConversationsPerPeriod));

    public Contracts.PlanDesign.V1.Market ToContract() => new()
    {
        Urgency = new() { LogNormal = new() { Mu = Mu, Sigma = Sigma }, TypeCount = Types },
        AnswerTime = new() { Empirical = new() { Tokens = { observed.Select(o => o.GeneratedTokens) } } },
        TokensPerSecond = TokensPerSecond,
        ValuePerAnswer = ValuePerAnswer,
        ServingCostPerToken = ServingCostPerToken,
    };

    /// <summary>For each customer, at the quantiles of urgency, the index of the plan that is best for her; null where none is worth its price.</summary>
    public IReadOnlyList<int?> Choices(IReadOnlyList<PlanOffer> offers)
    {
        var market = Market;
        return [.. Enumerable.Range(0, Customers).Select(i => BestResponse.Of(market, _urgency.Quantile((i + 0.5) / Customers), offers).PlanIndex)];
    }

    /// <summary>
    /// The month of every subscriber: twenty conversations spread over its days, with lengths dealt from the trace. Now and then a user
    /// comes back with a second question, and the two turns share the conversation's cap.
    /// </summary>
    public IEnumerable<ScheduledConversation> Conversations(IEnumerable<DemoCustomer> subscribers)
    {
        foreach (var subscriber in subscribers.OrderBy(s => s.Number))
        {
            for (var n = 0; n < ConversationsPerPeriod; n++)
            {
                var number = subscriber.Number * ConversationsPerPeriod + n;
                var whole = observed[number % observed.Count];
                var turns = number % EveryNthTakesTwoTurns == 0 && whole.GeneratedTokens > 1
                    ? new[] { whole with { GeneratedTokens = whole.GeneratedTokens / 2 }, whole with { GeneratedTokens = whole.GeneratedTokens - whole.GeneratedTokens / 2 } }
                    : [whole];
                yield return new(new(subscriber.SubscriptionId, $"chat-{number:00000}", turns), (n + 0.5 + subscriber.Number % 2 * 0.25) / ConversationsPerPeriod);
            }
        }
    }
}

/// <param name="At">When in the month, from 0 to 1.</param>
public sealed record ScheduledConversation(PlannedConversation Conversation, double At)
{
    public int Day(int days) => Math.Min(days - 1, (int)(At * days));
}
