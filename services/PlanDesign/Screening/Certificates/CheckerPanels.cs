namespace PlanDesign.Screening.Certificates;

/// <summary>
/// V by parts from S alone, 1 − S(T)e^{-rT} − r∫₀ᵀ S e^{-rt} dt, with S sampled at five equal steps of a panel and the quartic through them
/// integrated exactly against e^{-rx}: another formula, other nodes and other weights than the solver's.
/// </summary>
internal sealed class CheckerPanels
{
    private const int Samples = 5;
    private const int PanelsPerTokenMax = 1 << 15;

    private static readonly double[][] Lagrange = [.. Enumerable.Range(0, Samples).Select(LagrangePolynomial)];

    private readonly List<double> _from = [];
    private readonly List<double> _seconds = [];
    private readonly List<double[]> _survival = [];
    private readonly int[] _panelsUpTo;
    private readonly double _s;
    private readonly double _tailFrom;
    private readonly double _tailRate;

    /// <param name="panelSeconds">Over how long S is smooth from a given time on.</param>
    /// <param name="advance">Moves on by so many seconds and returns S there.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    /// <param name="tailFrom">From when the hazard is constant at <paramref name="tailRate"/>.</param>
    public CheckerPanels(double s, int caps, Func<double, double> panelSeconds, double tailFrom, double tailRate, Func<double, double> advance, CancellationToken cancellation)
    {
        (_s, _tailFrom, _tailRate, _panelsUpTo) = (s, tailFrom, tailRate, new int[caps + 1]);
        var survival = 1.0;
        for (var m = 1; m <= caps; m++)
        {
            cancellation.ThrowIfCancellationRequested();
            var (start, end) = ((m - 1) / s, Math.Min(m / s, tailFrom));
            var count = survival > 1e-20 ? CountIn(start, end, panelSeconds) : 0;
            for (var n = 0; n < count; n++)
            {
                var h = (end - start) / count;
                var samples = new double[Samples];
                samples[0] = survival;
                for (var k = 1; k < Samples; k++) samples[k] = survival = advance(h / (Samples - 1));
                _from.Add(start + n * h);
                _seconds.Add(h);
                _survival.Add(samples);
            }
            _panelsUpTo[m] = _from.Count;
        }
    }

    /// <summary>How many panels there are at most.</summary>
    public static long Count(double s, int caps, Func<double, double> panelSeconds, double tailFrom)
    {
        var sum = 0L;
        for (var m = 1; m <= caps && (m - 1) / s < tailFrom; m++) sum += CountIn((m - 1) / s, Math.Min(m / s, tailFrom), panelSeconds);
        return sum;
    }

    private static int CountIn(double start, double end, Func<double, double> panelSeconds) =>
        end > start ? (int)Math.Clamp(Math.Ceiling((end - start) / panelSeconds(start)), 1, PanelsPerTokenMax) : 0;

    public CheckerLaw Law()
    {
        var tokens = new double[_panelsUpTo.Length];
        Fill(0, tokens, waited: true);
        for (var m = 0; m < tokens.Length; m++) tokens[m] *= _s;
        return new(tokens, (r, row) => Fill(r, row, waited: false));
    }

    private void Fill(double r, double[] row, bool waited)
    {
        var (integral, h, weights, survival) = (0.0, double.NaN, new double[Samples], 1.0);
        for (var (m, p) = (1, 0); m < row.Length; m++)
        {
            for (; p < _panelsUpTo[m]; p++)
            {
                if (!_seconds[p].Equals(h)) FillWeights(r, h = _seconds[p], weights);
                var sum = 0.0;
                for (var k = 0; k < Samples; k++) sum += weights[k] * _survival[p][k];
                integral += Math.Exp(-r * _from[p]) * sum;
                survival = _survival[p][^1];
            }
            var (t, beyond) = (m / _s, Math.Max(0, m / _s - _tailFrom));
            var (hazard, atTail) = (_tailRate + r, t > _tailFrom ? survival : 0);
            var tail = atTail == 0 ? 0 : atTail * Math.Exp(-r * _tailFrom) * (1 - Math.Exp(-hazard * beyond)) / hazard;
            row[m] = waited ? integral + tail
                : 1 - (atTail == 0 ? survival : atTail * Math.Exp(-_tailRate * beyond)) * Math.Exp(-r * t) - r * (integral + tail);
        }
    }

    /// <summary>∫₀^h e^{-rx} L_k(x) dx of the Lagrange polynomials at 0, h/4 … h.</summary>
    private static void FillWeights(double r, double h, double[] weights)
    {
        var (a, moments) = (r * h, new double[Samples]);
        for (var k = 0; k < Samples; k++)
        {
            if (a >= 1) moments[k] = k == 0 ? (1 - Math.Exp(-a)) / a : (k * moments[k - 1] - Math.Exp(-a)) / a;
            else
                for (var (j, term) = (0, 1.0); j < 20; j++, term *= -a / j) moments[k] += term / (k + j + 1);
        }
        for (var k = 0; k < Samples; k++)
        {
            var sum = 0.0;
            for (var n = 0; n < Samples; n++) sum += Lagrange[k][n] * moments[n];
            weights[k] = h * sum;
        }
    }

    /// <summary>The coefficients of x⁰ … x⁴ of the polynomial that is 1 at k/4 and 0 at the other samples.</summary>
    private static double[] LagrangePolynomial(int k)
    {
        double[] polynomial = [1];
        for (var other = 0; other < Samples; other++)
        {
            if (other == k) continue;
            var (root, scale) = (other / 4.0, 4.0 / (k - other));
            var times = new double[polynomial.Length + 1];
            for (var n = 0; n < polynomial.Length; n++)
            {
                times[n + 1] += scale * polynomial[n];
                times[n] -= scale * root * polynomial[n];
            }
            polynomial = times;
        }
        return polynomial;
    }
}
