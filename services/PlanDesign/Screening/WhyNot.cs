using PlanDesign.AnswerTimes;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening;

/// <summary>Why there is no menu, and what to do about it; sentences for a person.</summary>
public static class WhyNot
{
    /// <summary>A diffusion that starts at least so far from either threshold, in parts of the way between them, is resolved by both sides' tables.</summary>
    private const double PriorMargin = 0.05;

    /// <summary>So are thresholds at least so far from certainty.</summary>
    private const double CertaintyMargin = 1e-3;

    /// <summary>Of a market in which no plan earns anything at exact prices.</summary>
    public static string NotWorthServing(Market market, MenuConstraints? constraints)
    {
        var longest = market.Grid().CapTokensMax;
        var allowed = Math.Min(constraints?.CapTokensMax ?? longest, longest);
        if (constraints?.AllowedCapTokens is { } listed) allowed = listed.Where(cap => cap <= allowed).DefaultIfEmpty(0).Max();
        return market.ValueAtCap <= 0 && market.AnswerTime.Survival(allowed, market.TokensPerSecond) >= 1
            ? $"no conversation is answered within {allowed} tokens, the longest cap that a plan may have, so no plan is worth anything: "
                + $"{(allowed < longest ? "loosen the rules on caps" : "raise capTokensMax")}, or check answerTime and tokensPerSecond"
            : "this market is not worth serving: no cap earns more than it costs to generate";
    }

    /// <summary>Of a market whose certificate does not hold.</summary>
    public static string NotCertified(Market market)
    {
        if (market.AnswerTime is not DiffusionAnswerTime { Thresholds: var t }) return "bring the market's numbers closer to 1, by another unit of money or of tokens";
        var (from, to) = (t.Lower + PriorMargin * (t.Upper - t.Lower), t.Upper - PriorMargin * (t.Upper - t.Lower));
        const string otherwise = "or take kind greedy or accumulation, which hold there too";
        return t.Prior < from || t.Prior > to
            ? FormattableString.Invariant($"a diffusion that starts so close to a threshold is more than the tables resolve: give answerTime.prior from {from:G4} to {to:G4}, {otherwise}")
            : FormattableString.Invariant($"a diffusion between thresholds so close to certainty is more than the tables resolve: give answerTime.lower from {CertaintyMargin} and answerTime.upper to {1 - CertaintyMargin}, {otherwise}");
    }
}
