using MathNet.Numerics.Distributions;

namespace PlanDesign.Estimation;

/// <summary>
/// Whether two samples of conversation lengths, some cut, come from one law: the log-rank test (Mantel 1966). At every length it compares the answers
/// of one sample with its part of those still at risk, so conversations cut short count for as long as they ran, and different caps do no harm. Its
/// power is greatest where one hazard is a multiple of the other; laws whose hazards cross it may not tell apart.
/// </summary>
/// <param name="Excess">Answers of the second sample beyond those expected of it: positive where it is answered sooner.</param>
/// <param name="PValue">1 where nothing can be compared.</param>
internal sealed record LogRank(double Statistic, double PValue, double Excess)
{
    /// <param name="capTokens">Compare up to this length only, as if all were cut there.</param>
    public static LogRank Of(
        IReadOnlyList<ObservedConversation> first, IReadOnlyList<ObservedConversation> second, int capTokens = MarketLimits.CapTokensMax)
    {
        int[] lengths = [.. first.Concat(second).Select(c => Math.Min(c.GeneratedTokens, capTokens)).Distinct().Order()];
        var place = lengths.Select((tokens, n) => (tokens, n)).ToDictionary(t => t.tokens, t => t.n);
        var (answered, leaving) = (new double[2, lengths.Length], new double[2, lengths.Length]);
        for (var sample = 0; sample < 2; sample++)
            foreach (var conversation in sample == 0 ? first : second)
            {
                var at = place[Math.Min(conversation.GeneratedTokens, capTokens)];
                leaving[sample, at]++;
                if (Answered(conversation, capTokens)) answered[sample, at]++;
            }
        var (part, hazard) = (new double[lengths.Length], new double[lengths.Length]);
        var (excess, variance, atRisk, atRiskSecond) = (0.0, 0.0, (double)(first.Count + second.Count), (double)second.Count);
        for (var n = 0; n < lengths.Length; n++)
        {
            var events = answered[0, n] + answered[1, n];
            part[n] = atRisk > 0 ? atRiskSecond / atRisk : 0;
            hazard[n] = atRisk > 0 ? events / atRisk : 0;
            excess += answered[1, n] - events * part[n];
            if (atRisk > 1) variance += events * part[n] * (1 - part[n]) * (atRisk - events) / (atRisk - 1);
            atRisk -= leaving[0, n] + leaving[1, n];
            atRiskSecond -= leaving[1, n];
        }
        if (first.Concat(second).Any(c => c.Customer is not null)) variance = VarianceByCustomer(first, second, capTokens, place, part, hazard);
        if (variance <= 0) return new(0, 1, excess);
        var statistic = excess * excess / variance;
        return new(statistic, 1 - ChiSquared.CDF(1, statistic), excess);
    }

    /// <summary>
    /// Conversations of one customer resemble each other: the score is summed by customer before it is squared (Lin and Wei 1989).
    /// </summary>
    private static double VarianceByCustomer(
        IReadOnlyList<ObservedConversation> first, IReadOnlyList<ObservedConversation> second, int capTokens, Dictionary<int, int> place, double[] part, double[] hazard)
    {
        var (risk, riskTimesPart) = (new double[part.Length], new double[part.Length]);
        for (var (n, sum, sumPart) = (0, 0.0, 0.0); n < part.Length; n++)
        {
            risk[n] = sum += hazard[n];
            riskTimesPart[n] = sumPart += hazard[n] * part[n];
        }
        double Score(ObservedConversation conversation, int sample)
        {
            var at = place[Math.Min(conversation.GeneratedTokens, capTokens)];
            return (Answered(conversation, capTokens) ? sample - part[at] : 0) - (sample * risk[at] - riskTimesPart[at]);
        }
        var alone = first.Where(c => c.Customer is null).Sum(c => Math.Pow(Score(c, 0), 2)) + second.Where(c => c.Customer is null).Sum(c => Math.Pow(Score(c, 1), 2));
        return alone + first.Where(c => c.Customer is not null).Select(c => (c.Customer, Score: Score(c, 0)))
            .Concat(second.Where(c => c.Customer is not null).Select(c => (c.Customer, Score: Score(c, 1))))
            .GroupBy(c => c.Customer, StringComparer.Ordinal).Sum(g => Math.Pow(g.Sum(c => c.Score), 2));
    }

    private static bool Answered(ObservedConversation conversation, int capTokens) => !conversation.Cut && conversation.GeneratedTokens <= capTokens;
}
