namespace PlanDesign.AnswerTimes;

/// <summary>
/// An answer that comes at the end of a token: p_k is the probability of the answer at token k = 1..n. If they sum to less than 1
/// the rest is never answered and pays for every token up to its cap.
/// </summary>
public abstract class PerTokenAnswerTime : AnswerTime
{
    /// <summary>p_1 … p_n, index 0 for token 1.</summary>
    public abstract IReadOnlyList<double> ProbabilityPerToken { get; }

    public override int? SupportTokens => ProbabilityPerToken.Count;

    public override double Survival(int tokens, double tokensPerSecond) => Math.Max(0, 1 - ProbabilityPerToken.Take(tokens).Sum());

    public override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens)
    {
        var probability = ProbabilityPerToken;
        var (sum, ratePerToken) = (0.0, ratePerSecond / tokensPerSecond);
        byCapTokens[0] = 0;
        for (var m = 1; m < byCapTokens.Length; m++)
        {
            var p = m <= probability.Count ? probability[m - 1] : 0;
            if (p > 0) sum += p * Math.Exp(-ratePerToken * m);
            byCapTokens[m] = sum;
        }
    }

    public override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens)
    {
        var probability = ProbabilityPerToken;
        var (sum, survival) = (0.0, 1.0);
        byCapTokens[0] = 0;
        for (var m = 1; m < byCapTokens.Length; m++)
        {
            byCapTokens[m] = sum += Math.Max(0, survival);
            if (m <= probability.Count) survival -= probability[m - 1];
        }
    }
}
