using MathNet.Numerics;
using PlanDesign.Urgency;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The certificate's own types: quantiles by bisection of cdfs written here (normal by erfc, gamma by its series and continued fraction,
/// DLMF 8.11.4 and 8.9.2), where the solver asks each law.
/// </summary>
internal static class CheckerUrgency
{
    private const int BisectionsMax = 2000;

    public static (double[] Rates, double[] Weights) Of(Market market, CellEnd end) => market.Urgency switch
    {
        DiscreteUrgency d => ([.. d.RatesPerSecond], [.. d.Weights]),
        EmpiricalUrgency e => Served([.. end == CellEnd.Upper ? e.ToPerSecond : e.FromPerSecond], [.. e.Weights]),
        UniformUrgency u => Cells(market, end, k => u.FromPerSecond * (1 - k) + u.ToPerSecond * k),
        _ => Cells(market, end, k => Quantile(market.Urgency, k)),
    };

    private static (double[], double[]) Cells(Market market, CellEnd end, Func<double, double> quantile)
    {
        var count = market.TypeCount ?? MarketLimits.TypesDefault;
        var first = end == CellEnd.Upper ? 1 : 0;
        return Served([.. Enumerable.Range(first, count).Select(i => quantile((double)i / count))], [.. Enumerable.Repeat(1.0 / count, count)]);
    }

    private static (double[], double[]) Served(double[] rates, double[] weights)
    {
        var served = rates.Count(double.IsFinite);
        return (rates[..served], weights[..served]);
    }

    private static double Quantile(UrgencyModel law, double mass)
    {
        var (bottom, top) = Support(law);
        if (mass <= 0) return bottom;
        if (mass >= 1) return top;
        // Over ln r, for the patient cells of an unbounded law lie orders of magnitude below the others.
        var (low, high) = (-700.0, 700.0);
        for (var n = 0; n < BisectionsMax; n++)
        {
            var middle = low + (high - low) / 2;
            if (middle <= low || middle >= high) break;
            if (Below(law, Math.Exp(middle)) < mass) low = middle;
            else high = middle;
        }
        return Math.Exp(high);
    }

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
