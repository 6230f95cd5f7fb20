using System.Numerics.Tensors;
using static PlanDesign.AnswerTimes.Quadrature.Exponentials;

namespace PlanDesign.AnswerTimes;

/// <summary>
/// τ is exponential with mean D seconds: the hazard 1/D does not depend on how long the user has waited. The tables integrate the density,
/// E[e^{-rτ}·1{τ ≤ T}] = (1 − e^{−(r+1/D)T})/(1+rD) and E[min(τ,T)] = D(1 − e^{−T/D}); answers put at the end of a token would
/// lose 1.9 % already at 20 tokens per second and D = 5 s. The law of the aligned process of Zhong (arXiv 2510.09859) once belief rests, and from the
/// start where the prior is there; closed forms by elementary integration.
/// </summary>
public sealed class ExponentialAnswerTime(double meanSeconds) : AnswerTime
{
    private const double MeanSecondsMin = 1e-6;

    public double MeanSeconds { get; } = meanSeconds;
    public override string Kind => "exponential";
    public override int? SupportTokens => null;

    public override InputFault? Check() =>
        InputFault.RangeFrom("answerTime.meanSeconds", MeanSeconds, MeanSecondsMin, MarketLimits.SecondsMax, "seconds");

    public override double Survival(int tokens, double tokensPerSecond) => Math.Exp(-tokens / (tokensPerSecond * MeanSeconds));

    public override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens)
    {
        var scale = 1 / (1 + ratePerSecond * MeanSeconds);
        var decayPerToken = (ratePerSecond + 1 / MeanSeconds) / tokensPerSecond;
        // Where 1 − e^{−x} cancels, the careful formula; from there on, many at a time.
        var careful = (int)Math.Min(byCapTokens.Length, Math.Ceiling(CancelsBelow / decayPerToken));
        for (var m = 0; m < careful; m++) byCapTokens[m] = scale * OneMinusExp(decayPerToken * m);
        var rest = byCapTokens[careful..];
        for (var m = 0; m < rest.Length; m++) rest[m] = -decayPerToken * (careful + m);
        TensorPrimitives.Exp(rest, rest);
        TensorPrimitives.Subtract(1, rest, rest);
        TensorPrimitives.Multiply(rest, scale, rest);
    }

    public override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens)
    {
        var meanTokens = tokensPerSecond * MeanSeconds;
        for (var m = 0; m < byCapTokens.Length; m++) byCapTokens[m] = meanTokens * OneMinusExp(m / meanTokens);
    }
}
