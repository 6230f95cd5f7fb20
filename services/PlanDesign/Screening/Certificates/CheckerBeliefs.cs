using MathNet.Numerics.LinearAlgebra;
using PlanDesign.AnswerTimes;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The belief processes by other means than the solver's: the drift by Runge–Kutta in time (the solver inverts an integral over beliefs), its
/// survival from the hazard (the solver has it in closed form), the resting belief by bisection; the diffusion by Chebyshev collocation
/// (Trefethen 2000, ch. 6; the solver uses a Legendre–Galerkin method).
/// </summary>
internal static class CheckerBeliefs
{
    private const int RungeKuttaSteps = 4;
    private const int Collocation = 120;

    public static double MeanSeconds(BeliefThresholds t)
    {
        static double H(double b) => b * Math.Log(b) + (1 - b) * Math.Log(1 - b);
        var up = (t.Prior - t.Lower) / (t.Upper - t.Lower);
        return (up * H(t.Upper) + (1 - up) * H(t.Lower) - H(t.Prior)) / t.InformationPerSecond;
    }

    /// <summary>How many panels a law of beliefs takes at most, for what they take in memory and time; 0 for any other.</summary>
    public static long Panels(AnswerTime answerTime, double s, int caps) => answerTime switch
    {
        GreedyAnswerTime g => CheckerPanels.Count(s, caps, GreedyPanels(g.Thresholds), g.Tail.FromSeconds),
        DiffusionAnswerTime d => CheckerPanels.Count(s, caps, DiffusionPanels(d.Thresholds), d.Tail.FromSeconds),
        _ => 0,
    };

    private static double D(double b, double x) => b * Math.Log(b) - b * Math.Log(x) + (1 - b) * Math.Log(1 - b) - (1 - b) * Math.Log(1 - x);

    private static Func<double, double> GreedyPanels(BeliefThresholds t)
    {
        var seconds = 0.05 * D(t.Prior > RestingBelief(t) ? t.Upper : t.Lower, t.Prior) / t.InformationPerSecond;
        return _ => seconds;
    }

    /// <summary>What diffuses gets smoother with time.</summary>
    private static Func<double, double> DiffusionPanels(BeliefThresholds t)
    {
        var scale = DiffusionScale(t);
        return from => Math.Max(scale / 300, from / 40);
    }

    private static double DiffusionScale(BeliefThresholds t)
    {
        static double Angle(double belief) => Math.Acos(1 - 2 * belief);
        var distance = Math.Min(Angle(t.Prior) - Angle(t.Lower), Angle(t.Upper) - Angle(t.Prior));
        return distance * distance / t.InformationPerSecond;
    }

    private static double RestingBelief(BeliefThresholds t)
    {
        var (low, high) = (t.Lower, t.Upper);
        for (var n = 0; n < 200; n++)
        {
            var middle = low + (high - low) / 2;
            if (D(t.Upper, middle) > D(t.Lower, middle)) low = middle;
            else high = middle;
        }
        return low;
    }

    public static CheckerLaw Greedy(BeliefThresholds t, double s, int caps, CancellationToken cancellation)
    {
        var rest = RestingBelief(t);
        var target = t.Prior > rest ? t.Upper : t.Lower;
        double Hazard(double belief) => t.InformationPerSecond / D(target, belief);

        // The time of the first phase by Simpson's rule over ln(distance from the target), in which its integrand is flat.
        const int strips = 20_000;
        var (from, step) = (Math.Log(Math.Abs(t.Prior - target)), Math.Log(Math.Abs(rest - target) / Math.Abs(t.Prior - target)) / strips);
        var phase = 0.0;
        for (var n = 0; n <= strips; n++)
            phase += (n is 0 or strips ? 1 : n % 2 == 1 ? 4 : 2) * step / 3 / Hazard(target + Math.Sign(t.Prior - target) * Math.Exp(from + n * step));

        var (belief, logSurvival) = (t.Prior, 0.0);
        double Advance(double seconds)
        {
            var h = seconds / RungeKuttaSteps;
            for (var n = 0; n < RungeKuttaSteps; n++)
            {
                double Drift(double x) => Hazard(x) * (x - target);
                var (b1, b2) = (belief, belief + h / 2 * Drift(belief));
                var b3 = belief + h / 2 * Drift(b2);
                var b4 = belief + h * Drift(b3);
                logSurvival -= h / 6 * (Hazard(b1) + 2 * Hazard(b2) + 2 * Hazard(b3) + Hazard(b4));
                belief += h / 6 * (Drift(b1) + 2 * Drift(b2) + 2 * Drift(b3) + Drift(b4));
            }
            return Math.Exp(logSurvival);
        }
        return new CheckerPanels(s, caps, GreedyPanels(t), Math.Max(0, phase), Hazard(rest), Advance, cancellation).Law();
    }

    public static CheckerLaw Diffusion(BeliefThresholds t, double s, int caps, CancellationToken cancellation)
    {
        const int n = Collocation;
        var points = Enumerable.Range(0, n + 1).Select(j => Math.Cos(Math.PI * j / n)).ToArray();
        double Edge(int j) => (j is 0 or n ? 2 : 1) * (j % 2 == 0 ? 1 : -1);
        var first = Matrix<double>.Build.Dense(n + 1, n + 1, (i, j) => i == j ? 0 : Edge(i) / Edge(j) / (points[i] - points[j]));
        for (var i = 0; i <= n; i++) first[i, i] = -first.Row(i).Sum();
        var (middle, half) = ((t.Lower + t.Upper) / 2, (t.Upper - t.Lower) / 2);
        var generator = (first * first).SubMatrix(1, n - 1, 1, n - 1);
        for (var i = 0; i < n - 1; i++)
        {
            var belief = middle + half * points[i + 1];
            generator.SetRow(i, generator.Row(i) * (t.InformationPerSecond * belief * (1 - belief) / (half * half)));
        }
        var eigen = generator.Evd(Symmetricity.Asymmetric);
        var amounts = eigen.EigenVectors.Solve(Vector<double>.Build.Dense(n - 1, 1.0));

        // The value at the prior by barycentric interpolation, zero at both ends.
        var at = (t.Prior - middle) / half;
        var nearness = Enumerable.Range(0, n + 1).Select(j => (j % 2 == 0 ? 1 : -1) * (j is 0 or n ? 0.5 : 1) / Nonzero(at - points[j])).ToArray();
        var row = Vector<double>.Build.Dense(n - 1, i => nearness[i + 1] / nearness.Sum());
        var weights = eigen.EigenVectors.TransposeThisAndMultiply(row).PointwiseMultiply(amounts);
        var modes = Enumerable.Range(0, n - 1).Select(k => (Weight: weights[k], Rate: -eigen.EigenValues[k].Real))
            .Where(mode => mode.Rate > 0).OrderBy(mode => mode.Rate).ToArray();

        var scale = DiffusionScale(t);
        var seconds = 0.0;
        double Advance(double by)
        {
            seconds += by;
            var sum = 0.0;
            foreach (var mode in modes)
            {
                if (mode.Rate * seconds > 50) break;
                sum += mode.Weight * Math.Exp(-mode.Rate * seconds);
            }
            // Before this nobody has left, to sixteen digits; the modes only add the noise of their sum.
            return seconds < scale / 150 ? 1 : Math.Clamp(sum, 0, 1);
        }
        var single = 38 / (modes[1].Rate - modes[0].Rate);
        return new CheckerPanels(s, caps, DiffusionPanels(t), single, modes[0].Rate, Advance, cancellation).Law();
    }

    private static double Nonzero(double x) => x == 0 ? 1e-300 : x;
}
