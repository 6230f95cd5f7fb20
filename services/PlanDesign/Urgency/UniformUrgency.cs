namespace PlanDesign.Urgency;

/// <summary>
/// Rates spread evenly over [from, to] (1/second): the G of the examples in Zhong, arXiv 2510.09859, where it is U[0,1]. G(r) = (r − from)/(to − from) is
/// log-concave.
/// </summary>
public sealed class UniformUrgency(double fromPerSecond, double toPerSecond) : UrgencyModel
{
    public double FromPerSecond { get; } = fromPerSecond;
    public double ToPerSecond { get; } = toPerSecond;
    public override string Kind => "uniform";
    public override bool HasDensity => true;

    public override InputFault? Check(int? typeCount) =>
        InputFault.RangeFrom("urgency.from", FromPerSecond, 0, MarketLimits.RatePerSecondMax, "per second")
        ?? InputFault.Range("urgency.to", ToPerSecond, FromPerSecond, MarketLimits.RatePerSecondMax, "per second");

    public override double Quantile(double probability) =>
        probability >= 1 ? ToPerSecond : FromPerSecond + probability * (ToPerSecond - FromPerSecond);

    public override double Cdf(double ratePerSecond) => Math.Clamp((ratePerSecond - FromPerSecond) / (ToPerSecond - FromPerSecond), 0, 1);

    public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default) => CellsOfEqualMass(typeCount, end, cancellation);
}
