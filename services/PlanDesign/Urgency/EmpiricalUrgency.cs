namespace PlanDesign.Urgency;

/// <summary>
/// Shares of customers known only by intervals of urgency (1/second), as an estimate from the plans they chose leaves them: interval n holds
/// <c>weights[n]</c> (sum 1) of customers somewhere in [<c>from[n]</c>, <c>to[n]</c>], ascending, of no width where the rate is known. Nothing
/// is assumed inside an interval: everybody at its urgent end gives what the best menu earns in the worst case, at its patient end what it can
/// earn at most. An interval without an upper end (JSON <c>null</c>) is not served. Such shares are the nonparametric likelihood of intervals (Turnbull
/// 1976); that solving at the urgent ends is the best in the worst case is ours.
/// </summary>
public sealed class EmpiricalUrgency(IReadOnlyList<double> fromPerSecond, IReadOnlyList<double> toPerSecond, IReadOnlyList<double> weights) : UrgencyModel
{
    private readonly double[] _from = [.. fromPerSecond];
    private readonly double[] _to = [.. toPerSecond];
    private readonly double[] _weights = [.. weights];

    public IReadOnlyList<double> FromPerSecond => _from;
    public IReadOnlyList<double> ToPerSecond => _to;
    public IReadOnlyList<double> Weights => _weights;
    public override string Kind => "empirical";
    public override bool HasDensity => false;
    public override bool HasIntervals => _from.Zip(_to).Any(t => !t.First.Equals(t.Second));

    public override InputFault? Check(int? typeCount)
    {
        if (_from.Length is 0 or > MarketLimits.TypesMax)
            return new("urgency.from", $"has {_from.Length} intervals, expected 1 to {MarketLimits.TypesMax}");
        if (_to.Length != _from.Length) return new("urgency.to", $"has {_to.Length} ends for {_from.Length} intervals, expected one for each");
        if (_weights.Length != _from.Length)
            return new("urgency.weights", $"has {_weights.Length} weights for {_from.Length} intervals, expected one for each");
        for (var n = 0; n < _from.Length; n++)
        {
            var endless = n == _from.Length - 1 && double.IsPositiveInfinity(_to[n]) && n > 0;
            var fault = InputFault.RangeFrom($"urgency.from[{n}]", _from[n], n == 0 ? 0 : _to[n - 1], MarketLimits.RatePerSecondMax, "per second, not below the interval before it")
                ?? (endless ? null : InputFault.RangeFrom($"urgency.to[{n}]", _to[n], _from[n], MarketLimits.RatePerSecondMax, "per second"))
                ?? InputFault.RangeFrom($"urgency.weights[{n}]", _weights[n], 0, 1, "of the market");
            if (fault is not null) return fault;
            if (n > 0 && (_to[n] <= _to[n - 1] || _from[n] <= _from[n - 1]))
                return new($"urgency.to[{n}]", "is not above the one before it: merge intervals that begin or end together");
        }
        var sum = _weights.Sum();
        if (Math.Abs(sum - 1) > MarketLimits.SumTolerance) return new("urgency.weights", FormattableString.Invariant($"sum to {sum}, expected 1"));
        return typeCount is null || typeCount == _weights.Length ? null
            : new("typeCount", $"is {typeCount} but the empirical urgency has {_weights.Length} intervals: leave typeCount out");
    }

    public override double Quantile(double probability)
    {
        if (probability <= 0) return _from[0];
        var sum = 0.0;
        for (var n = 0; n < _weights.Length - 1; n++)
            if ((sum += _weights[n]) >= probability) return _to[n];
        return _to[^1];
    }

    /// <summary>The share that is at most as urgent for certain: intervals count from their urgent end.</summary>
    public override double Cdf(double ratePerSecond) => Math.Min(1, _to.Zip(_weights).Where(t => t.First <= ratePerSecond).Sum(t => t.Second));

    public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default)
    {
        var served = double.IsPositiveInfinity(_to[^1]) && end == CellEnd.Upper ? _to.Length - 1 : _to.Length;
        return new([.. (end == CellEnd.Upper ? _to : _from)[..served]], _weights[..served], _from[..served], _to[..served],
            served < _to.Length ? _weights[^1] : 0);
    }
}
