using MathNet.Numerics;
using PlanDesign.Urgency;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The certificate's own types: quantiles by Newton's method, kept between bounds, over ln r on cdfs and densities written here (normal by erfc, gamma by its series
/// and continued fraction, DLMF 8.11.4 and 8.9.2), each from the one before, where the solver asks each law.
/// </summary>
internal static class CheckerUrgency
{
    private const int StepsMax = 2000;

    /// <summary>Over ln r, for the patient cells of an unbounded law lie orders of magnitude below the others.</summary>
    private const double LogRateMax = 700;

    private const double LastDigit = 2e-16;

    /// <summary>Where the last digit of the mass is more than this part of the rate, the cdf is flat.</summary>
    private const double Flat = 1e-12;

    public static (double[] Rates, double[] Weights) Of(Market market, CellEnd end, CancellationToken cancellation) => market.Urgency switch
    {
        DiscreteUrgency d => ([.. d.RatesPerSecond], [.. d.Weights]),
        EmpiricalUrgency e => Served([.. end == CellEnd.Upper ? e.ToPerSecond : e.FromPerSecond], [.. e.Weights]),
        UniformUrgency u => Cells(market, end, (k, _) => u.FromPerSecond * (1 - k) + u.ToPerSecond * k),
        _ => Cells(market, end, (k, before) =>
        {
            cancellation.ThrowIfCancellationRequested();
            return Quantile(market.Urgency, k, before);
        }),
    };

    private static (double[], double[]) Cells(Market market, CellEnd end, Func<double, double, double> quantile)
    {
        var count = market.TypeCount ?? MarketLimits.TypesDefault;
        var first = end == CellEnd.Upper ? 1 : 0;
        var rates = new double[count];
        for (var i = 0; i < count; i++) rates[i] = quantile((double)(first + i) / count, i == 0 ? 0 : rates[i - 1]);
        return Served(rates, [.. Enumerable.Repeat(1.0 / count, count)]);
    }

    private static (double[], double[]) Served(double[] rates, double[] weights)
    {
        var served = rates.Count(double.IsFinite);
        return (rates[..served], weights[..served]);
    }

    /// <param name="before">A lower quantile, where the search begins; 0 for none.</param>
    private static double Quantile(UrgencyModel law, double mass, double before)
    {
        var (bottom, top) = Support(law);
        if (mass <= 0) return bottom;
        if (mass >= 1) return top;
        var (low, high) = (before > 0 ? Math.Max(Math.Log(before) - 1e-9, -LogRateMax) : -LogRateMax, LogRateMax);
        var (at, last) = (before > 0 ? Math.Log(before) : low + (high - low) / 2, high - low);
        for (var n = 0; n < StepsMax && Math.BitIncrement(low) < high; n++)
        {
            var rate = Math.Exp(at);
            var missing = mass - Below(law, rate);
            if (missing > 0) low = at;
            else high = at;
            var slope = Density(law, rate) * rate;
            var step = missing / slope;
            // The last digit of the mass or of the rate is the end, but not in a gap between laws, all of which has the same mass: the quantile is where it begins.
            if (LastDigit * mass <= Flat * slope && (Math.Abs(missing) <= LastDigit * mass || Math.Abs(step) <= LastDigit * Math.Max(1, Math.Abs(at)))) return Math.Exp(at);
            // A step that is hardly shorter than the one before, or beyond a bound, is none of Newton's.
            var next = at + step;
            if (!(Math.Abs(step) < last / 2) || next <= low || next >= high) (step, next) = (high - low, low + (high - low) / 2);
            (at, last) = (next, Math.Abs(step));
        }
        return Math.Exp(high);
    }

    private static double Density(UrgencyModel law, double r) => law switch
    {
        UniformUrgency u => r < u.FromPerSecond || r > u.ToPerSecond ? 0 : 1 / (u.ToPerSecond - u.FromPerSecond),
        LogNormalUrgency l => Math.Exp(-Math.Pow((Math.Log(r) - l.Mu) / l.Sigma, 2) / 2) / (r * l.Sigma * Math.Sqrt(2 * Math.PI)),
        GammaUrgency g => Math.Exp((g.Shape - 1) * Math.Log(r / g.ScalePerSecond) - r / g.ScalePerSecond - SpecialFunctions.GammaLn(g.Shape)) / g.ScalePerSecond,
        MixtureUrgency m => m.Parts.Zip(m.Weights).Sum(t => t.Second * Density(t.First, r)),
        _ => 0,
    };

    private static (double Bottom, double Top) Support(UrgencyModel law) => law switch
    {
        UniformUrgency u => (u.FromPerSecond, u.ToPerSecond),
        MixtureUrgency m => (m.Parts.Min(p => Support(p).Bottom), m.Parts.Max(p => Support(p).Top)),
        _ => (0, double.PositiveInfinity),
    };

    private static double Below(UrgencyModel law, double r) => law switch
    {
        UniformUrgency u => r <= u.FromPerSecond ? 0 : r >= u.ToPerSecond ? 1 : (r - u.FromPerSecond) / (u.ToPerSecond - u.FromPerSecond),
        LogNormalUrgency l => 0.5 * SpecialFunctions.Erfc((l.Mu - Math.Log(r)) / (l.Sigma * Math.Sqrt(2))),
        GammaUrgency g => LowerGamma(g.Shape, r / g.ScalePerSecond),
        MixtureUrgency m => m.Parts.Zip(m.Weights).Sum(t => t.Second * Below(t.First, r)),
        _ => throw new NotSupportedException($"the certificate does not know urgency of kind {law.Kind}"),
    };

    private static double LowerGamma(double a, double x)
    {
        if (x <= 0) return 0;
        var front = Math.Exp(a * Math.Log(x) - x - SpecialFunctions.GammaLn(a));
        if (x < a + 1)
        {
            var (sum, term) = (1 / a, 1 / a);
            for (var n = 1; term > sum * 1e-17; n++) sum += term *= x / (a + n);
            return front * sum;
        }
        if (front == 0) return 1;
        var (b, c) = (x + 1 - a, 1e300);
        var (d, fraction) = (1 / b, 1 / b);
        for (var n = 1; n < 100_000; n++)
        {
            var numerator = -n * (n - a);
            b += 2;
            d = 1 / (numerator * d + b);
            c = b + numerator / c;
            fraction *= d * c;
            if (Math.Abs(d * c - 1) < 1e-16) break;
        }
        return 1 - front * fraction;
    }
}
