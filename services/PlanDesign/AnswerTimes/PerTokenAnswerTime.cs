using System.Numerics.Tensors;

namespace PlanDesign.AnswerTimes;

/// <summary>
/// An answer that comes at the end of a token: p_k is the probability of the answer at token k = 1..n. If they sum to less than 1
/// the rest is never answered and pays for every token up to its cap. The finite form of the τ of Zhong, arXiv 2510.09859; ours.
/// </summary>
public abstract class PerTokenAnswerTime : AnswerTime
{
    private double[]? _probabilities;

    /// <summary>p_1 … p_n, index 0 for token 1.</summary>
    public abstract IReadOnlyList<double> ProbabilityPerToken { get; }

    private double[] Probabilities => _probabilities ??= [.. ProbabilityPerToken];

    public override int? SupportTokens => ProbabilityPerToken.Count;

    public override double Survival(int tokens, double tokensPerSecond) => Math.Max(0, 1 - ProbabilityPerToken.Take(tokens).Sum());

    public override void FillSurvival(double tokensPerSecond, Span<double> byCapTokens)
    {
        var answered = 0.0;
        for (var m = 0; m < byCapTokens.Length; m++)
        {
            if (m > 0 && m <= Probabilities.Length) answered += Probabilities[m - 1];
            byCapTokens[m] = Math.Max(0, 1 - answered);
        }
    }

    public override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens)
    {
        var ratePerToken = ratePerSecond / tokensPerSecond;
        var answered = Math.Min(byCapTokens.Length, ProbabilityPerToken.Count + 1);
        byCapTokens[0] = 0;
        var row = byCapTokens[1..answered];
        for (var k = 0; k < row.Length; k++) row[k] = -ratePerToken * (k + 1);
        TensorPrimitives.Exp(row, row);
        TensorPrimitives.Multiply(row, Probabilities.AsSpan(0, row.Length), row);
        var sum = 0.0;
        foreach (ref var value in row) value = sum += value;
        byCapTokens[answered..].Fill(sum);
    }

    public override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens)
    {
        var probability = Probabilities;
        var (sum, survival) = (0.0, 1.0);
        byCapTokens[0] = 0;
        for (var m = 1; m < byCapTokens.Length; m++)
        {
            byCapTokens[m] = sum += Math.Max(0, survival);
            if (m <= probability.Length) survival -= probability[m - 1];
        }
    }
}
