using Wire = Contracts.PlanDesign.V1;
using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Host;

/// <summary>Reads a market as callers send it. What is absent is named; what is wrong inside is the market's own to say.</summary>
internal static class MarketMessages
{
    public static Market ToMarket(this Contracts.PlanDesign.V1.Market? message)
    {
        if (message is null) throw Missing("market");
        if (message.Urgency is not { } urgency) throw Missing("market.urgency");
        if (message.AnswerTime is not { } answerTime) throw Missing("market.answer_time");
        return new(ToUrgency(urgency), ToAnswerTime(answerTime), message.TokensPerSecond, message.ValuePerAnswer, message.ServingCostPerToken)
        {
            TypeCount = urgency.TypeCount == 0 ? null : urgency.TypeCount,
            CapTokensMax = answerTime.CapTokensMax == 0 ? null : answerTime.CapTokensMax,
        };
    }

    private static UrgencyModel ToUrgency(Contracts.PlanDesign.V1.Urgency message) => message.ModelCase switch
    {
        Contracts.PlanDesign.V1.Urgency.ModelOneofCase.Discrete => new DiscreteUrgency(message.Discrete.RatesPerSecond, message.Discrete.Weights),
        Contracts.PlanDesign.V1.Urgency.ModelOneofCase.Uniform => new UniformUrgency(message.Uniform.From, message.Uniform.To),
        Contracts.PlanDesign.V1.Urgency.ModelOneofCase.LogNormal => new LogNormalUrgency(message.LogNormal.Mu, message.LogNormal.Sigma),
        _ => throw Missing("market.urgency.discrete, uniform or log_normal"),
    };

    private static AnswerTimes.AnswerTime ToAnswerTime(Contracts.PlanDesign.V1.AnswerTime message) => message.ModelCase switch
    {
        Contracts.PlanDesign.V1.AnswerTime.ModelOneofCase.Discrete => new AnswerTimes.DiscreteAnswerTime(message.Discrete.ProbabilityPerToken),
        Contracts.PlanDesign.V1.AnswerTime.ModelOneofCase.Exponential => new AnswerTimes.ExponentialAnswerTime(message.Exponential.MeanSeconds),
        Contracts.PlanDesign.V1.AnswerTime.ModelOneofCase.Empirical => new AnswerTimes.EmpiricalAnswerTime(
            message.Empirical.Tokens, message.Empirical.Cut.Count == 0 ? null : message.Empirical.Cut),
        _ => throw Missing("market.answer_time.discrete, exponential or empirical"),
    };

    private static Exception Missing(string field) => new Refusal("market_invalid", $"{field} is missing").AsException();
}
