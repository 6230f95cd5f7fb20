namespace PlanDesign.AnswerTimes;

/// <summary>
/// A user with two possible answers: her belief in one of them starts at <paramref name="Prior"/>, moves as a martingale while tokens arrive,
/// and she is answered once it leaves (<paramref name="Lower"/>, <paramref name="Upper"/>). Information is limited:
/// E[H(μ_{t+dt}) − H(μ_t)] ≤ χ dt, H negative Shannon entropy in nats and χ = <paramref name="InformationPerSecond"/>. Every process that
/// uses the whole budget takes the same time on average; they differ in spread, and convex time preference likes spread.
/// Zhong, arXiv 2510.09859, binary example.
/// </summary>
public sealed record BeliefThresholds(double Prior, double Lower, double Upper, double InformationPerSecond)
{
    private const double InformationPerSecondMax = 1e9;

    /// <summary>A belief closer to certainty than this cannot be told from it in the divergences.</summary>
    private const double BeliefMargin = 1e-9;

    /// <summary>The part of the way from one threshold to the other that the prior must keep from both.</summary>
    private const double PriorMargin = 1e-3;

    /// <summary>The probability that the belief ends at the upper threshold.</summary>
    public double UpperProbability => (Prior - Lower) / (Upper - Lower);

    /// <summary>(E[H(μ_τ)] − H(μ_0))/χ in seconds, the same for every process.</summary>
    public double MeanSeconds =>
        (UpperProbability * Divergence(Upper, Prior) + (1 - UpperProbability) * Divergence(Lower, Prior)) / InformationPerSecond;

    /// <summary>The Bregman divergence of H, d(b,μ) = b ln(b/μ) + (1−b) ln((1−b)/(1−μ)): the information that a jump from μ to b takes.</summary>
    public static double Divergence(double b, double belief) => b * Math.Log(b / belief) + (1 - b) * Math.Log((1 - b) / (1 - belief));

    internal InputFault? Check()
    {
        var margin = PriorMargin * (Upper - Lower);
        return InputFault.RangeFrom("answerTime.lower", Lower, BeliefMargin, 1 - BeliefMargin, "(a belief)")
            ?? InputFault.Range("answerTime.upper", Upper, Lower + BeliefMargin, 1 - BeliefMargin, "(a belief above lower)")
            ?? InputFault.RangeFrom("answerTime.prior", Prior, Lower + margin, Upper - margin, "(a belief between lower and upper)")
            ?? InputFault.Range("answerTime.informationPerSecond", InformationPerSecond, 0, InformationPerSecondMax, "nats per second")
            ?? InputFault.Range("answerTime.informationPerSecond, by the mean it gives,", MeanSeconds, 0, MarketLimits.SecondsMax, "seconds");
    }
}
