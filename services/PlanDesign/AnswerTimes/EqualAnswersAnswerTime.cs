namespace PlanDesign.AnswerTimes;

/// <summary>
/// A second state space: n equally likely answers, and a user who is done once she believes in one of them with a given confidence q > 1/n.
/// The nearest such belief shares the rest equally, at divergence d = ln n + q ln q + (1−q) ln((1−q)/(n−1)) from the even one. The aligned
/// process jumps to each of the n with the same rate, so that between jumps belief stays even: τ is exponential with mean d/χ. With n = 2
/// it is the binary process of thresholds 1−q and q and an even prior. Zhong, arXiv 2510.09859, for the process; this instance is ours.
/// </summary>
public sealed class EqualAnswersAnswerTime(int answers, double confidence, double informationPerSecond) : AnswerTime
{
    public const int AnswersMax = 1_000_000;
    private const double ConfidenceMargin = 1e-9;
    private const double InformationPerSecondMax = 1e9;

    private readonly ExponentialAnswerTime _law = new(Divergence(answers, confidence) / informationPerSecond);

    public int Answers { get; } = answers;
    public double Confidence { get; } = confidence;
    public double InformationPerSecond { get; } = informationPerSecond;
    public double MeanSeconds => _law.MeanSeconds;
    public override string Kind => "equalAnswers";
    public override int? SupportTokens => null;

    public override InputFault? Check() =>
        (Answers is >= 2 and <= AnswersMax ? (InputFault?)null : new("answerTime.answers", $"is {Answers}, expected 2 to {AnswersMax}"))
        ?? InputFault.RangeFrom("answerTime.confidence", Confidence, 1.0 / Answers + ConfidenceMargin, 1 - ConfidenceMargin, "(a belief above 1/answers)")
        ?? InputFault.Range("answerTime.informationPerSecond", InformationPerSecond, 0, InformationPerSecondMax, "nats per second")
        ?? (_law.Check() is null ? null : new("answerTime.informationPerSecond",
            FormattableString.Invariant($"gives a mean of {MeanSeconds} seconds, expected 0.000001 to {MarketLimits.SecondsMax}")));

    public override double Survival(int tokens, double tokensPerSecond) => _law.Survival(tokens, tokensPerSecond);

    public override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens) =>
        _law.FillDiscountedAnswers(ratePerSecond, tokensPerSecond, byCapTokens);

    public override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens) => _law.FillExpectedTokens(tokensPerSecond, byCapTokens);

    private static double Divergence(int n, double q) => Math.Log(n) + q * Math.Log(q) + (1 - q) * Math.Log((1 - q) / (n - 1));
}
