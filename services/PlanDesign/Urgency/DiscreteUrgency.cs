namespace PlanDesign.Urgency;

/// <summary>
/// Finitely many rates (1/second, strictly ascending) with the share of customers at each (sum 1): exponential discounting at a private rate, as in
/// Zhong, arXiv 2510.09859, whose G has a density; the finite form with weights is standard screening (Mussa and Rosen 1978).
/// </summary>
public sealed class DiscreteUrgency(IReadOnlyList<double> ratesPerSecond, IReadOnlyList<double> weights) : UrgencyModel
{
    public IReadOnlyList<double> RatesPerSecond { get; } = [.. ratesPerSecond];
    public IReadOnlyList<double> Weights { get; } = [.. weights];
    public override string Kind => "discrete";
    public override bool HasDensity => false;

    public override InputFault? Check(int? typeCount)
    {
        if (RatesPerSecond.Count is 0 or > MarketLimits.TypesMax)
            return new("urgency.ratesPerSecond", $"has {RatesPerSecond.Count} rates, expected 1 to {MarketLimits.TypesMax}");
        if (Weights.Count != RatesPerSecond.Count)
            return new("urgency.weights", $"has {Weights.Count} weights for {RatesPerSecond.Count} rates, expected one for each");
        for (var i = 0; i < Weights.Count; i++)
        {
            var fault = InputFault.RangeFrom($"urgency.ratesPerSecond[{i}]", RatesPerSecond[i], 0, MarketLimits.RatePerSecondMax, "per second")
                ?? InputFault.RangeFrom($"urgency.weights[{i}]", Weights[i], 0, 1, "of the market");
            if (fault is not null) return fault;
            if (i > 0 && RatesPerSecond[i] <= RatesPerSecond[i - 1])
                return new($"urgency.ratesPerSecond[{i}]", "is not above the one before it: sort rates in ascending order and merge equal ones");
        }
        var sum = Weights.Sum();
        if (Math.Abs(sum - 1) > MarketLimits.SumTolerance)
            return new("urgency.weights", FormattableString.Invariant($"sum to {sum}, expected 1"));
        return typeCount is null || typeCount == Weights.Count ? null
            : new("typeCount", $"is {typeCount} but the discrete urgency has {Weights.Count} rates: leave typeCount out");
    }

    public override double Quantile(double probability)
    {
        var sum = 0.0;
        for (var i = 0; i < Weights.Count - 1; i++)
            if ((sum += Weights[i]) >= probability) return RatesPerSecond[i];
        return RatesPerSecond[^1];
    }

    public override double Cdf(double ratePerSecond) =>
        Math.Min(1, RatesPerSecond.Zip(Weights).Where(t => t.First <= ratePerSecond).Sum(t => t.Second));

    public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default) =>
        new([.. RatesPerSecond], [.. Weights], [.. RatesPerSecond], [.. RatesPerSecond], 0);
}
