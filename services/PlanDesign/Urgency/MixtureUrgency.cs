namespace PlanDesign.Urgency;

/// <summary>
/// Several kinds of customers in one market: law n with the share <c>weights[n]</c> (sum 1), each with a density. G is the weighted sum
/// of theirs, its quantiles to the last bit by <see cref="RisingShare"/>, cells of types each from the one before; log-concavity, which Zhong (arXiv 2510.09859) assumes, is usually lost, and the solver does not need it
/// (ironing as in Myerson 1981 is what the longest path does by itself).
/// </summary>
public sealed class MixtureUrgency(IReadOnlyList<UrgencyModel> parts, IReadOnlyList<double> weights) : UrgencyModel
{
    public const int PartsMax = 20;

    public IReadOnlyList<UrgencyModel> Parts { get; } = [.. parts];
    public IReadOnlyList<double> Weights { get; } = [.. weights];
    public override string Kind => "mixture";
    public override bool HasDensity => true;

    public override InputFault? Check(int? typeCount)
    {
        if (Parts.Count is 0 or > PartsMax) return new("urgency.parts", $"has {Parts.Count} laws, expected 1 to {PartsMax}");
        if (Weights.Count != Parts.Count) return new("urgency.weights", $"has {Weights.Count} weights for {Parts.Count} laws, expected one for each");
        for (var n = 0; n < Parts.Count; n++)
        {
            if (InputFault.Range($"urgency.weights[{n}]", Weights[n], 0, 1, "of the market") is { } fault) return fault;
            if (!Parts[n].HasDensity || Parts[n] is MixtureUrgency)
                return new($"urgency.parts[{n}].kind", $"is {Parts[n].Kind}, expected a law with a density that is not a mixture itself");
            if (Parts[n].Check(typeCount) is { } inner)
                return new(inner.Field.Replace("urgency.", $"urgency.parts[{n}].", StringComparison.Ordinal), inner.Detail);
        }
        var sum = Weights.Sum();
        return Math.Abs(sum - 1) <= MarketLimits.SumTolerance ? null : new("urgency.weights", FormattableString.Invariant($"sum to {sum}, expected 1"));
    }

    public override double Quantile(double probability)
    {
        if (probability <= 0) return Parts.Min(p => p.Quantile(0));
        if (probability >= 1) return Parts.Max(p => p.Quantile(1));
        double[] each = [.. Parts.Select(p => p.Quantile(probability))];
        // Between these to the last digits, which the sum of the parts may round the other way.
        var (low, high) = (each.Min(), each.Max());
        return Cdf(high) >= probability ? RisingShare.Between(Cdf, probability, low, high) : RisingShare.From(Cdf, probability, high, high - low);
    }

    /// <remarks>Weights that sum to a little more than 1, as rounding leaves them, are no more than everybody.</remarks>
    public override double Cdf(double ratePerSecond)
    {
        var sum = 0.0;
        for (var n = 0; n < Weights.Count; n++) sum += Weights[n] * Parts[n].Cdf(ratePerSecond);
        return Math.Min(1, sum);
    }

    private protected override double[] Edges(int typeCount, CancellationToken cancellation) => EdgesUpwards(Cdf, typeCount, cancellation);

    public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default) => CellsOfEqualMass(typeCount, end, cancellation);
}
