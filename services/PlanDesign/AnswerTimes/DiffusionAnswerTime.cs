using PlanDesign.AnswerTimes.Quadrature;

namespace PlanDesign.AnswerTimes;

/// <summary>
/// Belief moves continuously, ½H''(μ)σ² = χ, until it first leaves (lower, upper). S solves S_t = χ μ(1−μ) S_μμ with S = 1 at the start and
/// 0 at both thresholds, in Legendre polynomials (Shen, SIAM J. Sci. Comput. 15, 1994): stiffness is then the identity, the symmetric mass
/// matrix carries the modes, S(t) = Σ_k a_k e^{−λ_k t}. Zhong, arXiv 2510.09859, for the process.
/// </summary>
public sealed class DiffusionAnswerTime(BeliefThresholds thresholds) : DensityAnswerTime
{
    private const int Degree = 160;
    private const int QuadratureNodes = 400;

    /// <summary>Below e^{-36} a first exit is not told from none.</summary>
    private const double NegligibleExponent = 36;

    private (double[] Weight, double[] Rate)? _modes;

    public BeliefThresholds Thresholds { get; } = thresholds;
    public override string Kind => "diffusion";
    public override double MeanSeconds => Thresholds.MeanSeconds;

    /// <summary>When two modes have lived for so long, the slowest alone is left to sixteen digits.</summary>
    internal override ExponentialTail Tail => new(40 / (Modes.Rate[1] - Modes.Rate[0]), Modes.Rate[0]);

    /// <summary>A part of the time at which a level that far away is likeliest to be reached first, δ²/(6χ).</summary>
    internal override double SmoothSeconds => SquaredDistanceSeconds / 72;

    private (double[] Weight, double[] Rate) Modes => _modes ??= Solve();

    /// <summary>No exit before this, to sixteen digits: P(τ ≤ t) is about e^{−δ²/(4χt)}.</summary>
    private double FirstSeconds => SquaredDistanceSeconds / (4 * NegligibleExponent);

    /// <summary>δ²/χ, with the distance to the nearer threshold in the coordinate 2·arcsin√μ, in which the noise is even.</summary>
    private double SquaredDistanceSeconds
    {
        get
        {
            static double Angle(double belief) => 2 * Math.Asin(Math.Sqrt(belief));
            var at = Angle(Thresholds.Prior);
            var distance = Math.Min(at - Angle(Thresholds.Lower), Angle(Thresholds.Upper) - at);
            return distance * distance / Thresholds.InformationPerSecond;
        }
    }

    public override InputFault? Check() => Thresholds.Check();

    public override double SurvivalAt(double seconds) => seconds <= FirstSeconds ? 1 : Math.Clamp(Sum(seconds, (weight, _) => weight), 0, 1);

    public override double DensityAt(double seconds) => seconds <= FirstSeconds ? 0 : Math.Max(0, Sum(seconds, (weight, rate) => weight * rate));

    private double Sum(double seconds, Func<double, double, double> term)
    {
        var (weight, rate) = Modes;
        var modes = seconds >= Tail.FromSeconds ? 1 : rate.Length;
        var sum = 0.0;
        for (var k = 0; k < modes && rate[k] * seconds < 700; k++) sum += term(weight[k], rate[k]) * Math.Exp(-rate[k] * seconds);
        return sum;
    }

    private (double[] Weight, double[] Rate) Solve()
    {
        var (middle, half) = ((Thresholds.Lower + Thresholds.Upper) / 2, (Thresholds.Upper - Thresholds.Lower) / 2);
        var (basis, mass, start) = (new double[Degree], MathNet.Numerics.LinearAlgebra.Matrix<double>.Build.Dense(Degree, Degree), new double[Degree]);
        var rule = new MathNet.Numerics.Integration.GaussLegendreRule(-1, 1, QuadratureNodes);
        for (var q = 0; q < QuadratureNodes; q++)
        {
            var belief = middle + half * rule.Abscissas[q];
            var measure = rule.Weights[q] * half * half / (Thresholds.InformationPerSecond * belief * (1 - belief));
            FillBasis(rule.Abscissas[q], basis);
            for (var j = 0; j < Degree; j++)
            {
                start[j] += measure * basis[j];
                for (var k = 0; k <= j; k++) mass[j, k] = mass[k, j] += measure * basis[j] * basis[k];
            }
        }
        var eigen = mass.Evd(MathNet.Numerics.LinearAlgebra.Symmetricity.Symmetric);
        FillBasis((Thresholds.Prior - middle) / half, basis);
        var modes =
            from n in Enumerable.Range(0, Degree)
            let inverse = eigen.EigenValues[n].Real
            where inverse > 0
            let mode = eigen.EigenVectors.Column(n)
            let weight = Enumerable.Range(0, Degree).Sum(j => mode[j] * start[j]) * Enumerable.Range(0, Degree).Sum(j => mode[j] * basis[j]) / inverse
            orderby inverse descending
            select (Weight: weight, Rate: 1 / inverse);
        var ordered = modes.ToArray();
        return ([.. ordered.Select(m => m.Weight)], [.. ordered.Select(m => m.Rate)]);
    }

    /// <summary>(P_k − P_{k+2})/√(4k+6): zero at both ends, with orthonormal derivatives.</summary>
    private static void FillBasis(double x, double[] basis)
    {
        var (before, now) = (1.0, x);
        for (var k = 0; k < basis.Length; k++)
        {
            var next = ((2 * k + 3) * x * now - (k + 1) * before) / (k + 2);
            basis[k] = (before - next) / Math.Sqrt(4 * k + 6);
            (before, now) = (now, next);
        }
    }
}
