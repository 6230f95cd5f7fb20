using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>
/// A family of two parameters, in coordinates in which the likelihood is easily searched: log-normal by slope and place of the probit line in
/// ln r (log-concave there, for the normal density is), gamma by the logarithms of shape and mean, uniform by its lower end and the
/// logarithm of its width.
/// </summary>
internal sealed record UrgencyFamily(
    string First, string FirstUnit, string Second, string SecondUnit, Func<(double X, double Y), UrgencyModel> Law, Func<UrgencyModel, (double, double)> Parameters,
    Func<UrgencyModel, (double X, double Y)> Place,
    Func<(double Rate, double Share), (double Rate, double Share), (double X, double Y)> Start)
{
    public static UrgencyFamily Of(UrgencyFit fit) => fit switch
    {
        UrgencyFit.LogNormal => new("mu", "ln of 1/second", "sigma", "ln of 1/second",
            at => new LogNormalUrgency(at.Y / Math.Exp(at.X), Math.Exp(-at.X)),
            law => (((LogNormalUrgency)law).Mu, ((LogNormalUrgency)law).Sigma),
            law => (-Math.Log(((LogNormalUrgency)law).Sigma), ((LogNormalUrgency)law).Mu / ((LogNormalUrgency)law).Sigma),
            (low, high) =>
            {
                var (mu, sigma) = ProbitLine(low, high);
                return (-Math.Log(sigma), mu / sigma);
            }),
        UrgencyFit.Gamma => new("shape", "", "scale", "1/second",
            at => new GammaUrgency(Math.Exp(at.X), Math.Exp(at.Y - at.X)),
            law => (((GammaUrgency)law).Shape, ((GammaUrgency)law).ScalePerSecond),
            law => (Math.Log(((GammaUrgency)law).Shape), Math.Log(((GammaUrgency)law).Shape * ((GammaUrgency)law).ScalePerSecond)),
            (low, high) =>
            {
                // The gamma law with the mean and the spread of a log-normal one through both shares.
                var (mu, sigma) = ProbitLine(low, high);
                var variance = Math.Min(2, sigma * sigma);
                return (-Math.Log(Math.Exp(variance) - 1), mu + variance / 2);
            }),
        UrgencyFit.Uniform => new("from", "1/second", "to", "1/second",
            at => new UniformUrgency(Math.Abs(at.X), Math.Abs(at.X) + Math.Exp(at.Y)),
            law => (((UniformUrgency)law).FromPerSecond, ((UniformUrgency)law).ToPerSecond),
            law => (((UniformUrgency)law).FromPerSecond, Math.Log(((UniformUrgency)law).ToPerSecond - ((UniformUrgency)law).FromPerSecond)),
            (low, high) => (0, Math.Log(high.Rate / Math.Min(high.Share, 0.999)))),
        _ => throw new ArgumentOutOfRangeException(nameof(fit), fit, "has no parameters"),
    };

    private static (double Mu, double Sigma) ProbitLine((double Rate, double Share) low, (double Rate, double Share) high)
    {
        static double Probit(double share) => MathNet.Numerics.Distributions.Normal.InvCDF(0, 1, Math.Clamp(share, 1e-4, 1 - 1e-4));
        var slope = (Probit(high.Share) - Probit(low.Share)) / Math.Max(1e-6, Math.Log(high.Rate / low.Rate));
        var sigma = 1 / Math.Clamp(slope, 0.1, 1e3);
        return (Math.Log(low.Rate) - sigma * Probit(low.Share), sigma);
    }
}

/// <summary>The member of a family under which the choices were most likely.</summary>
internal sealed record UrgencyMaximum(UrgencyModel Law, (double X, double Y) At, double LogLikelihood, bool Converged)
{
    /// <summary>Interval-censored maximum likelihood.</summary>
    /// <param name="holdFirst">Search the second coordinate only: σ, the shape, or the lower end stays as it is at the start.</param>
    public static UrgencyMaximum Of(UrgencyFamily family, ChoiceLikelihood choices, (double X, double Y) start, bool holdFirst = false)
    {
        double Minus((double X, double Y) at)
        {
            if (!(Math.Abs(at.X) < 60 && Math.Abs(at.Y) < 2_000)) return double.PositiveInfinity;
            var law = family.Law(at);
            if (law.Check(null) is not null) return double.PositiveInfinity;
            var sum = choices.LogLikelihood(law.Cdf);
            return double.IsFinite(sum) ? -sum : double.PositiveInfinity;
        }

        var (best, value, converged) = SimplexSearch.Minimum(Minus, start, (holdFirst ? 0 : 0.25, 0.25));
        // Once more from there: a simplex that has collapsed on a slope moves on, one at the minimum stays.
        (best, value, var again) = SimplexSearch.Minimum(Minus, best, (holdFirst ? 0 : 0.02, 0.02));
        return new(family.Law(best), best, -value, (converged || again) && double.IsFinite(value));
    }
}
