using MathNet.Numerics.Integration;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// The figures of the theory to the digits given there. Without serving cost the optimum is E[K(τ)], K(t) = max_r G(r)e^{−rt}, of the product's own
/// laws; the solver's profit, on a grid of types and tokens, tends to the same as both get finer, by Richardson's extrapolation in the square of each.
/// </summary>
public sealed class ReferenceNumberTests
{
    public static TheoryData<string, double, double, double> Exponential => new()
    {
        { "U[0,1]", 1, 0.513039, 6 }, { "U[0,1]", 2, 0.361921, 6 }, { "U[0,1]", 5, 0.206425231, 9 }, { "U[0,1]", 10, 0.127710, 6 }, { "U[0,1]", 14.7, 0.096298, 6 },
        { "U[0.2,1.2]", 1, 0.4624555898, 10 }, { "U[0.2,1.2]", 5, 0.1593072463, 10 }, { "U[0.05,0.25]", 14.7, 0.2282893044, 10 },
        { "gamma(1,1)", 1, 0.3711504092, 10 }, { "gamma(1,1)", 5, 0.1558860152, 10 }, { "gamma(1,1)", 14.7, 0.0761859460, 10 },
        { "logNormal(-2,1)", 10, 0.259964841, 9 }, { "gamma(2,0.05)", 10, 0.359642572, 9 },
        { "two groups", 1, 0.5370072273, 10 }, { "two groups", 5, 0.2847085779, 10 },
    };

    [Theory, MemberData(nameof(Exponential))]
    public void What_an_answer_can_earn_averaged_over_exponential_times_is_the_figure_to_its_last_digit(string law, double meanSeconds, double figure, double digits)
    {
        var best = BestDiscountedShare(Law(law));
        // Panels that end where K has a corner: at 1/(b − a) of a uniform law, at ln 2 of two groups, and around them.
        double[] edges = [0, 0.5, Math.Log(2), 1, 2, 3, 5, 8, 20, 60, 150, 400, 1000];
        var sum = 0.0;
        for (var n = 1; n < edges.Length && edges[n - 1] < 40 * meanSeconds; n++)
            sum += GaussKronrodRule.Integrate(t => best(t) * Math.Exp(-t / meanSeconds) / meanSeconds, edges[n - 1], edges[n], out _, out _, 1e-13, 12, 15);
        Assert.Equal(figure, sum, 0.51 * Math.Pow(10, -digits));
    }

    [Theory]
    [InlineData("gamma(1,1)", 1, 0.25, 10), InlineData("gamma(1,1)", 2, 0.1481481481, 10), InlineData("gamma(1,1)", 5, 0.0669795953, 10)]
    [InlineData("logNormal(-2,1)", 10, 0.140199973, 9), InlineData("gamma(2,0.05)", 10, 0.218993270, 9)]
    public void What_an_answer_at_a_known_time_can_earn_is_the_figure_to_its_last_digit(string law, double seconds, double figure, double digits) =>
        Assert.Equal(figure, BestDiscountedShare(Law(law))(seconds), 0.51 * Math.Pow(10, -digits));

    [Theory]
    [InlineData("U[0,1]", 5, 0, 0.206425231), InlineData("U[0.2,1.2]", 1, 0, 0.4624555898), InlineData("U[0.2,1.2]", 5, 0, 0.1593072463)]
    [InlineData("U[0,1]", 5, 0.1, 0.166855385), InlineData("U[0,1]", 5, 0.2, 0.132472404), InlineData("U[0,1]", 5, 0.5, 0.054497590)]
    public void The_solvers_profit_tends_to_the_figure_as_types_and_tokens_get_finer(string law, double meanSeconds, double kappa, double figure)
    {
        double Solved(double tokensPerSecond, int types) => MenuSolver.Solve(
            new Market(Law(law), new ExponentialAnswerTime(meanSeconds), tokensPerSecond, 1, kappa / (tokensPerSecond * meanSeconds))
            {
                TypeCount = types,
                CapTokensMax = (int)(tokensPerSecond * 13 * meanSeconds),
            }, new()).Profit;
        double InTypes(double tokensPerSecond) => Extrapolated(Solved(tokensPerSecond, 200), Solved(tokensPerSecond, 400));
        Assert.Equal(figure, Extrapolated(InTypes(15), InTypes(30)), kappa > 0 ? 1e-6 : 3e-7 * figure);
    }

    [Theory]
    [InlineData(5, 1, 0.089957600), InlineData(5, 5, 0.016141368), InlineData(14.7, 2, 0.038766179)]
    public void A_free_tiers_revenue_tends_to_the_figure_too(double meanSeconds, int seconds, double figure)
    {
        double Solved(int tokensPerSecond, int types) => MenuSolver.Solve(
            new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(meanSeconds), tokensPerSecond, 1, 0) { TypeCount = types, CapTokensMax = (int)(tokensPerSecond * 13 * meanSeconds) },
            new() { Constraints = new MenuConstraints { FreeTierCapTokens = tokensPerSecond * seconds } }).Profit;
        double InTypes(int tokensPerSecond) => Extrapolated(Solved(tokensPerSecond, 200), Solved(tokensPerSecond, 400));
        Assert.Equal(figure, Extrapolated(InTypes(15), InTypes(30)), 2e-7);
    }

    private static double Extrapolated(double coarse, double twiceAsFine) => twiceAsFine + (twiceAsFine - coarse) / 3;

    /// <summary>K(t) = max_r G(r)e^{−rt} over the law's own cdf: a grid of quantiles, then golden section around the best of it.</summary>
    private static Func<double, double> BestDiscountedShare(UrgencyModel law)
    {
        const int cells = 100;
        var rates = Enumerable.Range(0, cells + 1).Select(k => Math.Min(law.Quantile((double)k / cells), 1e3)).ToArray();
        var golden = (Math.Sqrt(5) - 1) / 2;
        return t =>
        {
            double At(double r) => law.Cdf(r) * Math.Exp(-r * t);
            var best = Enumerable.Range(1, cells).MaxBy(k => (double)k / cells * Math.Exp(-rates[k] * t));
            var (low, high) = (rates[best - 1], rates[Math.Min(cells, best + 1)]);
            var (a, b) = (high - golden * (high - low), low + golden * (high - low));
            var (atA, atB) = (At(a), At(b));
            while (high - low > 1e-8 * high)
            {
                if (atA < atB) (low, a, atA, b, atB) = (a, b, atB, a + golden * (high - a), At(a + golden * (high - a)));
                else (high, b, atB, a, atA) = (b, a, atA, b - golden * (b - low), At(b - golden * (b - low)));
            }
            return Math.Max(Math.Max(atA, atB), Math.Max(At(high), At(rates[best])));
        };
    }

    private static UrgencyModel Law(string name) => name switch
    {
        "U[0,1]" => new UniformUrgency(0, 1),
        "U[0.2,1.2]" => new UniformUrgency(0.2, 1.2),
        "U[0.05,0.25]" => new UniformUrgency(0.05, 0.25),
        "gamma(1,1)" => new GammaUrgency(1, 1),
        "gamma(2,0.05)" => new GammaUrgency(2, 0.05),
        "logNormal(-2,1)" => new LogNormalUrgency(-2, 1),
        _ => new MixtureUrgency([new UniformUrgency(0, 0.2), new UniformUrgency(1, 1.2)], [0.5, 0.5]),
    };
}
