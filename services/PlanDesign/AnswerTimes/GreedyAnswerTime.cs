using PlanDesign.AnswerTimes.Quadrature;

namespace PlanDesign.AnswerTimes;

/// <summary>
/// The aligned process (greedy exploitation): belief jumps to the threshold b that is closer in divergence, at rate χ/d(b,μ), and drifts away
/// from it, μ' = −λ(b−μ), until both divergences are equal at μ*; from there it stays, and answers come at the total rate χ/d*. In the
/// first phase S = (b−μ_0)/(b−μ_t). Of all processes with these thresholds and this budget it spreads answer times most.
/// Zhong, arXiv 2510.09859.
/// </summary>
public sealed class GreedyAnswerTime(BeliefThresholds thresholds) : DensityAnswerTime
{
    private const int Knots = 256;
    private const int NewtonStepsMax = 60;

    private double[]? _secondsAtKnot;

    public BeliefThresholds Thresholds { get; } = thresholds;
    public override string Kind => "greedy";
    public override double MeanSeconds => Thresholds.MeanSeconds;

    /// <summary>μ*, where both thresholds are equally far: d is linear in ln(μ/(1−μ)), so in closed form.</summary>
    public double RestingBelief
    {
        get
        {
            var (lower, upper) = (Thresholds.Lower, Thresholds.Upper);
            static double H(double b) => b * Math.Log(b) + (1 - b) * Math.Log(1 - b);
            return 1 / (1 + Math.Exp(-(H(upper) - H(lower)) / (upper - lower)));
        }
    }

    /// <summary>How long belief drifts before it rests.</summary>
    public double FirstPhaseSeconds => SecondsAtKnot[^1];

    public double FirstPhaseSurvival => (Target - Thresholds.Prior) / (Target - RestingBelief);

    public double TailRatePerSecond => Thresholds.InformationPerSecond / BeliefThresholds.Divergence(Target, RestingBelief);

    /// <summary>The threshold closer in divergence, to which belief jumps first.</summary>
    private double Target => Thresholds.Prior > RestingBelief ? Thresholds.Upper : Thresholds.Lower;

    internal override ExponentialTail Tail => new(FirstPhaseSeconds, TailRatePerSecond);

    /// <summary>A part of the mean wait 1/λ at the start: f is about (1 + 2λt)^{−3/2} there, not smooth at t = −1/(2λ).</summary>
    internal override double SmoothSeconds => 0.0625 / Hazard(Thresholds.Prior);

    private double[] SecondsAtKnot => _secondsAtKnot ??= Integrate();

    public override InputFault? Check() => Thresholds.Check();

    public override double SurvivalAt(double seconds) => seconds >= FirstPhaseSeconds
        ? FirstPhaseSurvival * Math.Exp(-TailRatePerSecond * (seconds - FirstPhaseSeconds))
        : (Target - Thresholds.Prior) / (Target - BeliefAt(seconds));

    public override double DensityAt(double seconds) => seconds >= FirstPhaseSeconds
        ? TailRatePerSecond * SurvivalAt(seconds)
        : SurvivalAt(seconds) * Hazard(BeliefAt(seconds));

    private double Hazard(double belief) => Thresholds.InformationPerSecond / BeliefThresholds.Divergence(Target, belief);

    /// <summary>dt/dμ of the drift.</summary>
    private double SecondsPerBelief(double belief) => 1 / (Hazard(belief) * (belief - Target));

    private double Knot(int n) => Thresholds.Prior + (RestingBelief - Thresholds.Prior) * n / Knots;

    private double[] Integrate()
    {
        var seconds = new double[Knots + 1];
        for (var n = 1; n <= Knots; n++) seconds[n] = seconds[n - 1] + DiscountedGauss.Integrate(SecondsPerBelief, Knot(n - 1), Knot(n));
        return seconds;
    }

    /// <summary>The belief that was not answered yet, by Newton's method on its time within two knots.</summary>
    private double BeliefAt(double seconds)
    {
        var n = Array.BinarySearch(SecondsAtKnot, seconds);
        n = Math.Clamp(n < 0 ? ~n - 1 : n, 0, Knots - 1);
        var (low, width) = (Knot(n), SecondsAtKnot[n + 1] - SecondsAtKnot[n]);
        var belief = low + (Knot(n + 1) - low) * (width > 0 ? (seconds - SecondsAtKnot[n]) / width : 0);
        for (var step = 0; step < NewtonStepsMax; step++)
        {
            var late = SecondsAtKnot[n] + DiscountedGauss.Integrate(SecondsPerBelief, low, belief) - seconds;
            var change = late / SecondsPerBelief(belief);
            belief -= change;
            if (Math.Abs(change) <= 1e-15) break;
        }
        return belief;
    }
}
