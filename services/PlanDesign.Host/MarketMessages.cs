using PlanDesign.AnswerTimes;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;
using Wire = Contracts.PlanDesign.V1;

namespace PlanDesign.Host;

/// <summary>Reads a market as callers send it, and writes one so. What is absent is named; what is wrong inside is the market's own to say.</summary>
public static class MarketMessages
{
    public static Market ToMarket(this Wire.Market? message)
    {
        if (message is null) throw Missing("market");
        if (message.Urgency is not { } urgency) throw Missing("market.urgency");
        if (message.AnswerTime is not { } answerTime) throw Missing("market.answer_time");
        return new(ToUrgency(urgency), ToAnswerTime(answerTime), message.TokensPerSecond, message.ValuePerAnswer, message.ServingCostPerToken)
        {
            ValueAtCap = message.ValueAtCap,
            TypeCount = urgency.TypeCount == 0 ? null : urgency.TypeCount,
            CapTokensMax = answerTime.CapTokensMax == 0 ? null : answerTime.CapTokensMax,
        };
    }

    public static Wire.Market ToMessage(this Market market)
    {
        var message = new Wire.Market
        {
            Urgency = ToMessage(market.Urgency), AnswerTime = ToMessage(market.AnswerTime), TokensPerSecond = market.TokensPerSecond,
            ValuePerAnswer = market.ValuePerAnswer, ServingCostPerToken = market.ServingCostPerToken, ValueAtCap = market.ValueAtCap,
        };
        message.Urgency.TypeCount = market.TypeCount ?? 0;
        message.AnswerTime.CapTokensMax = market.CapTokensMax ?? 0;
        return message;
    }

    /// <summary>The market of conversations and the options, as the solver takes them.</summary>
    public static (Market Market, SolveOptions Options) ToSolve(this Wire.SolveOptions? options, Wire.Market? marketMessage)
    {
        var market = marketMessage.ToMarket();
        var plansMax = options?.PlansMax is null or 0 ? (int?)null : options.PlansMax;
        var currency = options?.MinorUnits is { } asked ? CurrencyOf(asked.Currency) : null;
        var byType = options?.ConversationsByType is { Count: > 0 } numbers ? Conversations.OfTypes([.. numbers]) : null;
        if (byType is not null && options!.MinorUnits is { ConversationsPerPeriod: not 0 })
            throw Invalid("options.conversations_by_type and minor_units.conversations_per_period exclude each other: where numbers differ the menu is sold by the conversation, so leave the latter 0");
        if (byType?.Check(market) is { } fault) throw Invalid($"options.conversations_by_type {fault.Detail}");
        var units = currency is null ? null : byType?.Units(Math.Pow(10, -currency.Digits)) ?? new MinorUnits(Math.Pow(10, -currency.Digits), options!.MinorUnits.ConversationsPerPeriod);
        return (byType?.OfConversations(market) ?? market, new(plansMax, units) { Constraints = options?.Constraints.ToConstraints() });
    }

    public static MenuConstraints? ToConstraints(this Wire.Constraints? message)
    {
        static int? Cap(int cap) => cap == 0 ? null : cap;
        if (message is null) return null;
        var constraints = new MenuConstraints
        {
            CapTokensMin = Cap(message.CapTokensMin),
            CapTokensMax = Cap(message.CapTokensMax),
            AllowedCapTokens = message.AllowedCapTokens.Count == 0 ? null : [.. message.AllowedCapTokens],
            NobodyExcluded = message.NobodyExcluded,
            FreeTierCapTokens = Cap(message.FreeTierCapTokens),
            PriceMax = message.HasPriceMax ? message.PriceMax : null,
            PriceMin = message.HasPriceMin ? message.PriceMin : null,
            PriceRatioMax = message.HasPriceRatioMax ? message.PriceRatioMax : null,
        };
        return constraints == new MenuConstraints() ? null : constraints;
    }

    public static Wire.Constraints ToMessage(this MenuConstraints constraints)
    {
        var message = new Wire.Constraints
        {
            CapTokensMin = constraints.CapTokensMin ?? 0,
            CapTokensMax = constraints.CapTokensMax ?? 0,
            AllowedCapTokens = { constraints.AllowedCapTokens ?? [] },
            NobodyExcluded = constraints.NobodyExcluded,
            FreeTierCapTokens = constraints.FreeTierCapTokens ?? 0,
        };
        if (constraints.PriceMax is { } max) message.PriceMax = max;
        if (constraints.PriceMin is { } min) message.PriceMin = min;
        if (constraints.PriceRatioMax is { } ratio) message.PriceRatioMax = ratio;
        return message;
    }

    public static Currency CurrencyOf(string code) => Currency.TryParse(code, out var currency)
        ? currency
        : throw new FormatException($"currency '{code}' is not an ISO 4217 code known here, such as USD, EUR or JPY");

    private static UrgencyModel ToUrgency(Wire.Urgency message) => message.ModelCase switch
    {
        Wire.Urgency.ModelOneofCase.Discrete => new DiscreteUrgency(message.Discrete.RatesPerSecond, message.Discrete.Weights),
        Wire.Urgency.ModelOneofCase.Uniform => new UniformUrgency(message.Uniform.From, message.Uniform.To),
        Wire.Urgency.ModelOneofCase.LogNormal => new LogNormalUrgency(message.LogNormal.Mu, message.LogNormal.Sigma),
        Wire.Urgency.ModelOneofCase.Gamma => new GammaUrgency(message.Gamma.Shape, message.Gamma.Scale),
        Wire.Urgency.ModelOneofCase.Empirical => new EmpiricalUrgency(message.Empirical.FromPerSecond, message.Empirical.ToPerSecond, message.Empirical.Weights),
        Wire.Urgency.ModelOneofCase.Mixture => new MixtureUrgency([.. message.Mixture.Parts.Select(ToUrgency)], message.Mixture.Weights),
        _ => throw Missing("market.urgency: one of discrete, uniform, log_normal, gamma, empirical and mixture"),
    };

    private static AnswerTimes.AnswerTime ToAnswerTime(Wire.AnswerTime message) => message.ModelCase switch
    {
        Wire.AnswerTime.ModelOneofCase.Discrete => new DiscreteAnswerTime(message.Discrete.ProbabilityPerToken),
        Wire.AnswerTime.ModelOneofCase.Exponential => new ExponentialAnswerTime(message.Exponential.MeanSeconds),
        Wire.AnswerTime.ModelOneofCase.Empirical => new EmpiricalAnswerTime(message.Empirical.Tokens, message.Empirical.Cut.Count == 0 ? null : message.Empirical.Cut),
        Wire.AnswerTime.ModelOneofCase.Deterministic => new DeterministicAnswerTime(message.Deterministic.Seconds),
        Wire.AnswerTime.ModelOneofCase.PiecewiseHazard => new PiecewiseHazardAnswerTime(message.PiecewiseHazard.UntilSeconds, message.PiecewiseHazard.HazardPerSecond),
        Wire.AnswerTime.ModelOneofCase.Greedy => new GreedyAnswerTime(Thresholds(message.Greedy)),
        Wire.AnswerTime.ModelOneofCase.Diffusion => new DiffusionAnswerTime(Thresholds(message.Diffusion)),
        Wire.AnswerTime.ModelOneofCase.Accumulation => new AccumulationAnswerTime(Thresholds(message.Accumulation)),
        Wire.AnswerTime.ModelOneofCase.EqualAnswers => new EqualAnswersAnswerTime(message.EqualAnswers.Answers, message.EqualAnswers.Confidence, message.EqualAnswers.InformationPerSecond),
        _ => throw Missing("market.answer_time: one of discrete, exponential, empirical, deterministic, piecewise_hazard, greedy, diffusion, accumulation and equal_answers"),
    };

    private static Wire.Urgency ToMessage(UrgencyModel urgency) => urgency switch
    {
        DiscreteUrgency d => new() { Discrete = new() { RatesPerSecond = { d.RatesPerSecond }, Weights = { d.Weights } } },
        UniformUrgency u => new() { Uniform = new() { From = u.FromPerSecond, To = u.ToPerSecond } },
        LogNormalUrgency l => new() { LogNormal = new() { Mu = l.Mu, Sigma = l.Sigma } },
        GammaUrgency g => new() { Gamma = new() { Shape = g.Shape, Scale = g.ScalePerSecond } },
        EmpiricalUrgency e => new() { Empirical = new() { FromPerSecond = { e.FromPerSecond }, ToPerSecond = { e.ToPerSecond }, Weights = { e.Weights } } },
        MixtureUrgency m => new() { Mixture = new() { Parts = { m.Parts.Select(ToMessage) }, Weights = { m.Weights } } },
        _ => throw new NotSupportedException($"urgency of kind {urgency.Kind} has no message yet"),
    };

    private static Wire.AnswerTime ToMessage(AnswerTimes.AnswerTime answerTime) => answerTime switch
    {
        DiscreteAnswerTime d => new() { Discrete = new() { ProbabilityPerToken = { d.ProbabilityPerToken } } },
        ExponentialAnswerTime e => new() { Exponential = new() { MeanSeconds = e.MeanSeconds } },
        EmpiricalAnswerTime e => new() { Empirical = new() { Tokens = { e.Tokens }, Cut = { e.Cut.Contains(true) ? e.Cut : [] } } },
        AccumulationAnswerTime a => new() { Accumulation = ToMessage(a.Thresholds) },
        DeterministicAnswerTime d => new() { Deterministic = new() { Seconds = d.Seconds } },
        PiecewiseHazardAnswerTime p => new() { PiecewiseHazard = new() { UntilSeconds = { p.UntilSeconds }, HazardPerSecond = { p.HazardPerSecond } } },
        GreedyAnswerTime g => new() { Greedy = ToMessage(g.Thresholds) },
        DiffusionAnswerTime d => new() { Diffusion = ToMessage(d.Thresholds) },
        EqualAnswersAnswerTime e => new() { EqualAnswers = new() { Answers = e.Answers, Confidence = e.Confidence, InformationPerSecond = e.InformationPerSecond } },
        _ => throw new NotSupportedException($"answer time of kind {answerTime.Kind} has no message yet"),
    };

    private static Wire.BeliefThresholds ToMessage(BeliefThresholds t) => new() { Prior = t.Prior, Lower = t.Lower, Upper = t.Upper, InformationPerSecond = t.InformationPerSecond };

    private static BeliefThresholds Thresholds(Wire.BeliefThresholds message) => new(message.Prior, message.Lower, message.Upper, message.InformationPerSecond);

    private static Exception Missing(string field) => Invalid($"{field} is missing");

    private static Exception Invalid(string detail) => new Refusal("market_invalid", detail).AsException();
}
