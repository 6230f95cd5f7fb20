using MathNet.Numerics.Distributions;
using MathNet.Numerics.LinearAlgebra;

namespace PlanDesign.Estimation;

/// <summary>
/// Whether a family of two parameters explains the shares of more than two plans: what it misses of each share, against how much that varies from
/// draw to draw (Wald 1943). The draws carry the noise of the cutoffs too, which the likelihood of the choices alone does not know of.
/// </summary>
internal static class GoodnessOfFit
{
    private const double Singular = 1e-7;

    /// <returns>p, or null where two parameters fit any shares.</returns>
    public static double? Of(Fitted point, IReadOnlyList<Fitted> draws, IReadOnlyList<ObservedMenu> menus)
    {
        var missed = Vector<double>.Build.Dense(point.SharesMissed);
        // A plan that is best for nobody in a draw leaves that draw without its share.
        Vector<double>[] rows = [.. draws.Where(d => d.SharesMissed.Length == missed.Count).Select(d => Vector<double>.Build.Dense(d.SharesMissed))];
        var free = missed.Count - menus.Count(m => m.CustomersWithoutPlan is null) - 2;
        if (free <= 0 || rows.Length <= 2 * missed.Count) return null;
        var mean = rows.Aggregate((a, b) => a + b) / rows.Length;
        var covariance = rows.Select(r => (r - mean).OuterProduct(r - mean)).Aggregate((a, b) => a + b) / (rows.Length - 1);
        var eigen = covariance.Evd(Symmetricity.Symmetric);
        var (statistic, directions, largest) = (0.0, 0, eigen.EigenValues.Select(e => e.Real).Max());
        for (var n = 0; n < missed.Count; n++)
        {
            var variance = eigen.EigenValues[missed.Count - 1 - n].Real;
            if (directions == free || variance <= Singular * largest) break;
            statistic += Math.Pow(eigen.EigenVectors.Column(missed.Count - 1 - n) * missed, 2) / variance;
            directions++;
        }
        return directions == 0 ? null : 1 - ChiSquared.CDF(directions, statistic);
    }
}
