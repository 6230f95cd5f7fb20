using MathNet.Numerics.Integration;

namespace PlanDesign.AnswerTimes.Quadrature;

/// <summary>
/// Eight Gauss–Legendre nodes on a panel, with weights for ∫₀^h e^{-rx} f(x) dx that are exact in r whatever its size (f alone is taken for a
/// polynomial of degree 7): the Legendre coefficients of f against ∫_{-1}^1 e^{-ax} P_k(x) dx = 2(−1)^k i_k(a), a = rh/2, the modified
/// spherical Bessel functions (DLMF 10.54.2). Small a uses the plain rule, which is exact there and where the recursion is not stable.
/// </summary>
internal static class DiscountedGauss
{
    public const int Nodes = 8;

    private const double RecursionFrom = 2;

    /// <summary>On [−1, 1], ascending.</summary>
    public static readonly double[] Abscissas;

    /// <summary>For ∫_{-1}^1.</summary>
    public static readonly double[] Weights;

    private static readonly double[,] Legendre = new double[Nodes, Nodes];

    static DiscountedGauss()
    {
        var rule = new GaussLegendreRule(-1, 1, Nodes);
        var order = Enumerable.Range(0, Nodes).OrderBy(q => rule.Abscissas[q]).ToArray();
        Abscissas = [.. order.Select(q => rule.Abscissas[q])];
        Weights = [.. order.Select(q => rule.Weights[q])];
        for (var q = 0; q < Nodes; q++)
        {
            (Legendre[0, q], Legendre[1, q]) = (1, Abscissas[q]);
            for (var k = 2; k < Nodes; k++)
                Legendre[k, q] = ((2 * k - 1) * Abscissas[q] * Legendre[k - 1, q] - (k - 1) * Legendre[k - 2, q]) / k;
        }
    }

    /// <param name="weights">Length <see cref="Nodes"/>: multiplies f at the nodes h·(1 + x)/2.</param>
    public static void FillWeights(double rate, double h, Span<double> weights)
    {
        var a = rate * h / 2;
        if (a <= RecursionFrom)
        {
            for (var q = 0; q < Nodes; q++) weights[q] = h / 2 * Weights[q] * Math.Exp(-a * (1 + Abscissas[q]));
            return;
        }
        weights.Clear();
        var decay = Math.Exp(-2 * a);
        var (before, now) = ((1 - decay) / (2 * a), ((1 + decay) - (1 - decay) / a) / (2 * a));
        for (var k = 0; k < Nodes; k++)
        {
            var moment = k % 2 == 0 ? before : -before;
            for (var q = 0; q < Nodes; q++) weights[q] += h / 2 * (2 * k + 1) * moment * Weights[q] * Legendre[k, q];
            (before, now) = (now, before - (2 * k + 3) / a * now);
        }
    }

    /// <summary>∫ from <paramref name="from"/> to <paramref name="to"/> of a smooth function.</summary>
    public static double Integrate(Func<double, double> f, double from, double to)
    {
        var (sum, half) = (0.0, (to - from) / 2);
        for (var q = 0; q < Nodes; q++) sum += Weights[q] * f(from + half * (1 + Abscissas[q]));
        return half * sum;
    }
}
