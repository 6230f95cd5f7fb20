using MathNet.Numerics.Distributions;

namespace PlanDesign.Urgency;

/// <summary>
/// ln r is normal with mean <paramref name="mu"/> and standard deviation <paramref name="sigma"/>, r in 1/second. Unbounded: the most
/// urgent cell is not served. Its cdf is log-concave (Bagnoli and Bergstrom 2005), as Zhong (arXiv 2510.09859) assumes of G. Cdf and quantile by
/// MathNet.Numerics.
/// </summary>
public sealed class LogNormalUrgency(double mu, double sigma) : UrgencyModel
{
    private const double MuMagnitudeMax = 50;
    private const double SigmaMax = 10;
    private const double SigmaMin = 1e-6;

    public double Mu { get; } = mu;
    public double Sigma { get; } = sigma;
    public override string Kind => "logNormal";
    public override bool HasDensity => true;

    public override InputFault? Check(int? typeCount) =>
        InputFault.RangeFrom("urgency.mu", Mu, -MuMagnitudeMax, MuMagnitudeMax, "(ln of 1/second)")
        ?? InputFault.RangeFrom("urgency.sigma", Sigma, SigmaMin, SigmaMax, "(ln of 1/second)")
        ?? (typeCount == 1 ? new("typeCount", "is 1, expected at least 2: the last cell of an unbounded urgency is not served") : null);

    public override double Quantile(double probability) => probability switch
    {
        <= 0 => 0,
        >= 1 => double.PositiveInfinity,
        _ => LogNormal.InvCDF(Mu, Sigma, probability),
    };

    public override double Cdf(double ratePerSecond) => ratePerSecond <= 0 ? 0 : LogNormal.CDF(Mu, Sigma, ratePerSecond);

    public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default) => CellsOfEqualMass(typeCount, end, cancellation);
}
