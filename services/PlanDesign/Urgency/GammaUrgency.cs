using MathNet.Numerics;

namespace PlanDesign.Urgency;

/// <summary>
/// r is gamma distributed with this shape k and scale θ (1/second): mean kθ, variance kθ². Shape 1 is exponential. Unbounded: the most
/// urgent cell is not served. Quantiles to the last bit by <see cref="RisingShare"/> on MathNet's regularised incomplete gamma function (DLMF 8.2.4). With
/// shape 1 or more its cdf is log-concave (Bagnoli and Bergstrom 2005), as Zhong (arXiv 2510.09859) assumes of G.
/// </summary>
public sealed class GammaUrgency(double shape, double scalePerSecond) : UrgencyModel
{
    private const double ShapeMin = 0.01;
    private const double ShapeMax = 10_000;
    private const double ScaleMin = 1e-12;

    public double Shape { get; } = shape;
    public double ScalePerSecond { get; } = scalePerSecond;
    public override string Kind => "gamma";
    public override bool HasDensity => true;

    public override InputFault? Check(int? typeCount) =>
        InputFault.RangeFrom("urgency.shape", Shape, ShapeMin, ShapeMax, "")
        ?? InputFault.RangeFrom("urgency.scale", ScalePerSecond, ScaleMin, MarketLimits.RatePerSecondMax, "per second")
        ?? (typeCount == 1 ? new("typeCount", "is 1, expected at least 2: the last cell of an unbounded urgency is not served") : null);

    public override double Quantile(double probability)
    {
        if (probability <= 0) return 0;
        if (probability >= 1) return double.PositiveInfinity;
        return ScalePerSecond * RisingShare.From(ShareOfScale, probability, 0, Math.Max(1, Shape));
    }

    public override double Cdf(double ratePerSecond) =>
        ratePerSecond <= 0 ? 0 : double.IsPositiveInfinity(ratePerSecond) ? 1 : SpecialFunctions.GammaLowerRegularized(Shape, ratePerSecond / ScalePerSecond);

    /// <summary>The share up to a rate in parts of the scale, in which quantiles are looked for.</summary>
    private double ShareOfScale(double inScales) => inScales <= 0 ? 0 : SpecialFunctions.GammaLowerRegularized(Shape, inScales);

    public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default) => CellsOfEqualMass(typeCount, end, cancellation);
}
