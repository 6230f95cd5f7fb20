namespace PlanDesign.AnswerTimes;

/// <summary>
/// The law of τ, the time until a conversation has answered its user, seen through caps of 0..M tokens; at s tokens per second the
/// cap m is reached at m/s seconds. To add a kind: a class here, an arm in <see cref="AnswerTimeJson"/>, and its formulae in the
/// certificate's own tables.
/// </summary>
public abstract class AnswerTime
{
    public abstract string Kind { get; }

    /// <summary>The largest cap the law says anything about, in tokens; null if it has no end.</summary>
    public abstract int? SupportTokens { get; }

    public abstract InputFault? Check();

    /// <summary>S: the probability of no answer within the first <paramref name="tokens"/> tokens.</summary>
    public abstract double Survival(int tokens, double tokensPerSecond);

    /// <summary>For every cap m: S at m/s.</summary>
    public virtual void FillSurvival(double tokensPerSecond, Span<double> byCapTokens)
    {
        for (var m = 0; m < byCapTokens.Length; m++) byCapTokens[m] = Survival(m, tokensPerSecond);
    }

    /// <summary>Makes ready what all rows of V share, where that takes time, so that it can be cancelled.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    internal virtual void Prepare(double tokensPerSecond, int capTokensMax, CancellationToken cancellation)
    {
    }

    /// <summary>
    /// For every cap m: E[e^{-rτ}·1{τ ≤ m/s}], what an answer within the cap is worth to a user of this rate per unit of value.
    /// </summary>
    public abstract void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens);

    /// <summary>
    /// For every cap m: the tokens generated on average, s·∫₀^{m/s} S(t) dt. They flow only while the user is still waiting.
    /// </summary>
    public abstract void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens);
}
