using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The certificate's own V, C, rates and weights, from the input alone. On purpose it calls none of the solver's tables and, where there is
/// another way to the same number, goes that way: rates of a density by bisection of its cdf, Kaplan–Meier by Efron's (1967) redistribution
/// to the right. Two independent computations that agree are evidence; one used twice is not.
/// </summary>
internal sealed class CheckerTables
{
    private const int BisectionsMax = 200;

    private readonly Market _market;
    private readonly double[] _probability;
    private readonly double _hazardPerSecond;

    public CheckerTables(Market market, int capTokensMax, CellEnd end = CellEnd.Upper)
    {
        _market = market;
        (Rates, Weights) = market.Urgency switch
        {
            DiscreteUrgency d => ([.. d.RatesPerSecond], [.. d.Weights]),
            UniformUrgency u => Cells(market, end, k => u.FromPerSecond * (1 - k) + u.ToPerSecond * k),
            LogNormalUrgency l => Cells(market, end, k => k <= 0 ? 0 : k < 1 ? LogNormalQuantile(l, k) : double.PositiveInfinity),
            _ => throw new NotSupportedException($"the certificate does not know urgency of kind {market.Urgency.Kind}"),
        };
        (_probability, _hazardPerSecond) = market.AnswerTime switch
        {
            DiscreteAnswerTime d => ([.. d.ProbabilityPerToken], 0),
            EmpiricalAnswerTime e => (RedistributedToTheRight(e), 0),
            ExponentialAnswerTime e => (Array.Empty<double>(), 1 / e.MeanSeconds),
            _ => throw new NotSupportedException($"the certificate does not know answer times of kind {market.AnswerTime.Kind}"),
        };
        Cost = new double[capTokensMax + 1];
        for (var m = 1; m <= capTokensMax; m++) Cost[m] = market.ServingCostPerToken * ExpectedTokens(m);
        if (_probability.Length == 0) return;
        var left = 1.0;
        for (var m = 1; m <= capTokensMax; m++)
        {
            Cost[m] = Cost[m - 1] + market.ServingCostPerToken * left;
            left = Math.Max(0, left - (m <= _probability.Length ? _probability[m - 1] : 0));
        }
    }

    public double[] Rates { get; }
    public double[] Weights { get; }
    public double[] Cost { get; }

    public double[] Value(int type)
    {
        var (row, r, s, v) = (new double[Cost.Length], Rates[type], _market.TokensPerSecond, _market.ValuePerAnswer);
        if (_probability.Length == 0)
        {
            var total = _hazardPerSecond + r;
            var whole = v * (_hazardPerSecond / total);
            for (var m = 1; m < row.Length; m++) row[m] = whole - whole * Math.Exp(-total * m / s);
            return row;
        }
        for (var m = 1; m < row.Length; m++)
            row[m] = row[m - 1] + (m <= _probability.Length ? v * _probability[m - 1] * Math.Exp(-r * (m / s)) : 0);
        return row;
    }

    private double ExpectedTokens(int m) => _hazardPerSecond == 0 ? 0
        : _market.TokensPerSecond / _hazardPerSecond * (1 - Math.Exp(-_hazardPerSecond * m / _market.TokensPerSecond));

    private static (double[], double[]) Cells(Market market, CellEnd end, Func<double, double> quantile)
    {
        var count = market.TypeCount ?? MarketLimits.TypesDefault;
        var first = end == CellEnd.Upper ? 1 : 0;
        var rates = Enumerable.Range(first, count).Select(i => quantile((double)i / count)).Where(double.IsFinite).ToArray();
        return (rates, [.. rates.Select(_ => 1.0 / count)]);
    }

    private static double LogNormalQuantile(LogNormalUrgency urgency, double mass)
    {
        var (low, high) = (urgency.Mu - 40 * urgency.Sigma, urgency.Mu + 40 * urgency.Sigma);
        for (var n = 0; n < BisectionsMax; n++)
        {
            var middle = low + (high - low) / 2;
            if (middle <= low || middle >= high) break;
            var below = 0.5 * MathNet.Numerics.SpecialFunctions.Erfc((urgency.Mu - middle) / (urgency.Sigma * Math.Sqrt(2)));
            if (below < mass) low = middle;
            else high = middle;
        }
        return Math.Exp(low + (high - low) / 2);
    }

    private static double[] RedistributedToTheRight(EmpiricalAnswerTime observed)
    {
        var order = Enumerable.Range(0, observed.Tokens.Count).OrderBy(n => observed.Tokens[n]).ThenBy(n => observed.Cut[n]).ToArray();
        var probability = new double[observed.Tokens[order[^1]]];
        var mass = 1.0 / order.Length;
        for (var n = 0; n < order.Length; n++)
        {
            // A cut conversation hands its mass in equal parts to those that went on longer.
            if (!observed.Cut[order[n]]) probability[observed.Tokens[order[n]] - 1] += mass;
            else if (n + 1 < order.Length) mass += mass / (order.Length - n - 1);
        }
        return probability;
    }
}
