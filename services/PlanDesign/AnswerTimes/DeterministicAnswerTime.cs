namespace PlanDesign.AnswerTimes;

/// <summary>
/// Every conversation is answered after the same time D in seconds: V = e^{-rD} for caps that reach it, and tokens flow until then. The law of
/// accumulation in Zhong, arXiv 2510.09859.
/// </summary>
public class DeterministicAnswerTime(double seconds) : AnswerTime
{
    private const double SecondsMin = 1e-6;

    /// <summary>A cap this little short of the answer, in parts of it, reaches it: both were computed in binary fractions.</summary>
    private const double Reaches = 1e-12;

    public double Seconds { get; } = seconds;
    public override string Kind => "deterministic";
    public override int? SupportTokens => null;

    public override InputFault? Check() => InputFault.RangeFrom("answerTime.seconds", Seconds, SecondsMin, MarketLimits.SecondsMax, "seconds");

    public override double Survival(int tokens, double tokensPerSecond) => tokens < FirstCap(tokensPerSecond) ? 1 : 0;

    public override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens)
    {
        var first = (int)Math.Min(byCapTokens.Length, FirstCap(tokensPerSecond));
        byCapTokens[..first].Clear();
        byCapTokens[first..].Fill(Math.Exp(-ratePerSecond * Seconds));
    }

    public override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens)
    {
        for (var m = 0; m < byCapTokens.Length; m++) byCapTokens[m] = Math.Min(m, tokensPerSecond * Seconds);
    }

    private double FirstCap(double tokensPerSecond) => Math.Max(1, Math.Ceiling(tokensPerSecond * Seconds * (1 - Reaches)));
}
