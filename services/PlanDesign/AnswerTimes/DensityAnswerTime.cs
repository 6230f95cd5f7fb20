using PlanDesign.AnswerTimes.Quadrature;

namespace PlanDesign.AnswerTimes;

/// <summary>From <paramref name="FromSeconds"/> on, answers come at a constant rate: the tables are in closed form there.</summary>
internal readonly record struct ExponentialTail(double FromSeconds, double RatePerSecond);

/// <summary>
/// A law with a density f. The tables integrate it inside every token, V = ∫₀^{m/s} e^{-rt} f(t) dt and C = s·∫₀^{m/s} S(t) dt, on Gauss
/// nodes with weights that are exact in r; no answer is moved to the end of a token. A kind gives S, f, the time over which f is smooth,
/// and from when on its hazard is constant.
/// </summary>
public abstract class DensityAnswerTime : AnswerTime
{
    private DensityPanels? _panels;

    public sealed override int? SupportTokens => null;

    public abstract double MeanSeconds { get; }

    public abstract double SurvivalAt(double seconds);

    /// <summary>f, in 1/second.</summary>
    public abstract double DensityAt(double seconds);

    /// <summary>A polynomial of degree 7 follows f over this many seconds, anywhere before the tail.</summary>
    internal abstract double SmoothSeconds { get; }

    internal abstract ExponentialTail Tail { get; }

    public sealed override double Survival(int tokens, double tokensPerSecond) => SurvivalAt(tokens / tokensPerSecond);

    internal sealed override void Prepare(double tokensPerSecond, int capTokensMax, CancellationToken cancellation) => Panels(tokensPerSecond, capTokensMax, cancellation);

    public sealed override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens) =>
        Panels(tokensPerSecond, byCapTokens.Length - 1).FillDiscountedAnswers(ratePerSecond, byCapTokens);

    public sealed override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens) =>
        Panels(tokensPerSecond, byCapTokens.Length - 1).FillExpectedTokens(byCapTokens);

    /// <summary>Into how many panels the density is cut, for what they take in memory and time.</summary>
    internal long PanelsFor(double tokensPerSecond, int capTokens) => DensityPanels.Count(this, tokensPerSecond, capTokens);

    /// <summary>Kept from one row to the next; two threads may both compute it, and get the same.</summary>
    private DensityPanels Panels(double tokensPerSecond, int capTokens, CancellationToken cancellation = default)
    {
        if (_panels is { } kept && kept.TokensPerSecond.Equals(tokensPerSecond) && kept.CapTokensMax >= capTokens) return kept;
        return _panels = new DensityPanels(this, tokensPerSecond, capTokens, cancellation);
    }
}
