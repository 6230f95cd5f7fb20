using System.Text.Json;
using Contracts.PlanDesign.V1;
using PlanDesign.Comparison;
using PlanDesign.Reports;
using PlanDesign.Screening;
using Cost = PlanDesign.Screening.Constraints.ConstraintCost;

namespace PlanDesign.Host;

/// <summary>What was solved and compared, as callers receive it.</summary>
internal static class SolvingMessages
{
    public static Solution ToMessage(this MenuBesideOthers solved)
    {
        var message = ToMessage(solved.Solution, solved.ConstraintCosts);
        if (solved.Comparison is not { } other) return message;
        message.Notices.Add(other.Notices);
        message.Alternatives.Add(
        [
            .. other.OnePlan is { } onePlan ? [Alternative("one_plan", onePlan)] : Array.Empty<Alternative>(), Alternative("flat_fee", other.FlatFee), Alternative("pay_per_token", other.PayPerToken),
            Alternative("two_part_tariff", other.TwoPartTariff), Alternative("token_market", other.TokenMarket),
        ]);
        return message;
    }

    public static CompareMenusResponse ToMessage(this MenuAnalysis analysis)
    {
        var message = new CompareMenusResponse
        {
            Solution = ToMessage(analysis.Solution, analysis.ConstraintCosts),
            PlanCounts = { analysis.PlanCounts.Select(c => new Contracts.PlanDesign.V1.PlanCount { Plans = c.Plans, Profit = c.Profit, ShareOfOptimum = c.ShareOfOptimum, GainOfOneMore = c.GainOfOneMore, Revenue = c.Revenue }) },
            Processes = { analysis.Processes.Select(p => Process(ProcessReport.Of(p))) },
            Notices = { analysis.Notices },
        };
        if (analysis.Comparison is { } comparison) message.Tariffs.Add(TariffReport.All(comparison).Select(Tariff));
        return message;
    }

    internal static Solution ToMessage(MenuSolution s, IReadOnlyList<Cost> costs) => new()
    {
        Tiers = { s.Tiers.Select(t => new Contracts.PlanDesign.V1.Tier { CapTokens = t.CapTokens, Price = t.PricePerConversation, Share = t.Share, UrgencyFromPerSecond = t.UrgencyFromPerSecond, UrgencyToPerSecond = t.UrgencyToPerSecond }) },
        Profit = s.Profit,
        Revenue = s.Revenue,
        ServingCost = s.ServingCost,
        ProfitUnlimited = s.ProfitWithoutLimit,
        ExitReason = JsonNamingPolicy.SnakeCaseLower.ConvertName(s.ExitReason.ToString()),
        Certificate = new Contracts.PlanDesign.V1.Certificate
        {
            UpperBound = s.Certificate.UpperBound, Gap = s.Certificate.Gap,
            MaxIncentiveViolation = s.Certificate.MaxIncentiveViolation, MaxParticipationViolation = s.Certificate.MaxParticipationViolation,
            DensityUpperBound = s.Certificate.DensityUpperBound, TokenBound = s.Certificate.TokenBound, TypeBound = s.Certificate.TypeBound,
            UpperBoundOf = Menus.MenuCertificate.ExactPrices,
        }.WithBoundsOf(s.Rounding?.UpperBound, s.Rounding?.UpperBoundAtTypes),
        ConstraintCosts = { costs.Select(c => new ConstraintCost { Constraint = Snake(c.Constraint), ProfitCost = c.ProfitCost ?? 0, ShareServedGain = c.ShareServedGain ?? 0, TokensGain = c.TokensGain ?? 0, Unknown = c.Unknown ?? "", ExitReasonWithout = Snake(c.ExitReasonWithout), ExitReasonWith = Snake(c.ExitReasonWith), IsAbout = c.IsAbout }) },
        Notices = { s.Notices },
    };

    private static Process Process(ProcessReport p) => new()
    {
        Kind = p.Kind, MeanSeconds = p.MeanSeconds, ExitReason = Snake(p.ExitReason), Profit = p.Profit ?? 0, ShareOfAligned = p.ShareOfAligned ?? 0,
        Revenue = p.Revenue ?? 0, ServingCost = p.ServingCost ?? 0, ShareServed = p.ShareServed ?? 0, ConsumerSurplus = p.ConsumerSurplus ?? 0, TokensPerConversation = p.Tokens ?? 0,
        ShareBetter = p.ShareBetter ?? 0, ShareWorse = p.ShareWorse ?? 0, MeanGain = p.MeanGain ?? 0, MeanLoss = p.MeanLoss ?? 0,
        GainByType = { p.GainByType ?? [] },
    };

    private static Tariff Tariff(TariffReport t)
    {
        var message = new Tariff
        {
            Kind = Snake(t.Kind), Profit = t.Profit, Revenue = t.Revenue, ServingCost = t.ServingCost, ShareServed = t.ShareServed,
            ConsumerSurplus = t.ConsumerSurplus, TokensPerConversation = t.Tokens,
            ShareBetter = t.ShareBetter ?? 0, ShareWorse = t.ShareWorse ?? 0, MeanGain = t.MeanGain ?? 0, MeanLoss = t.MeanLoss ?? 0,
            GainByType = { t.GainByType ?? [] },
        };
        if (t.Price is { } price) message.Price = price;
        if (t.Fee is { } fee) message.Fee = fee;
        if (t.CapTokens is { } cap) message.CapTokens = cap;
        return message;
    }

    private static Alternative Alternative(string kind, TariffOutcome o) => new()
    {
        Kind = kind, Profit = o.Profit, Revenue = o.Revenue, ServingCost = o.ServingCost, ShareServed = o.ShareServed, TokensPerConversation = o.Tokens, ConsumerSurplus = o.ConsumerSurplus,
    };

    private static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}
