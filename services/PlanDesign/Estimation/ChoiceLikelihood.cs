namespace PlanDesign.Estimation;

/// <summary>So many customers known to have an urgency in (From, To], 1/second.</summary>
internal readonly record struct UrgencyInterval(double From, double To, double Customers);

/// <summary>
/// What the choices say of G: log L = Σ n·ln(G(To) − G(From)), less N·ln G(r) for each menu whose customers were counted only if they bought,
/// r being its highest cutoff.
/// </summary>
internal sealed class ChoiceLikelihood
{
    /// <summary>Cutoffs that differ by less, in parts of them, are one.</summary>
    private const double CutoffTolerance = 1e-9;

    private const double ProbabilityMin = 1e-300;

    private ChoiceLikelihood(List<UrgencyInterval> intervals, List<UrgencyInterval> countedIfBelow, double contradicting)
    {
        (Intervals, CountedIfBelow, Contradicting) = (intervals, countedIfBelow, contradicting);
        var cutoffs = new List<double>();
        foreach (var cutoff in intervals.SelectMany(i => new[] { i.From, i.To }).Where(r => r > 0 && double.IsFinite(r)).Order())
            if (cutoffs.Count == 0 || cutoff > cutoffs[^1] * (1 + CutoffTolerance)) cutoffs.Add(cutoff);
        Cutoffs = [.. cutoffs];
    }

    public IReadOnlyList<UrgencyInterval> Intervals { get; }

    /// <summary>Truncation: (0, highest cutoff] and how many were counted because they lie in it.</summary>
    public IReadOnlyList<UrgencyInterval> CountedIfBelow { get; }

    /// <summary>Customers whose plan is best for nobody: they are in no interval.</summary>
    public double Contradicting { get; }

    /// <summary>Distinct cutoffs, ascending, positive and finite.</summary>
    public double[] Cutoffs { get; }

    public double Customers => Intervals.Sum(i => i.Customers);

    public static ChoiceLikelihood Of(List<UrgencyInterval> intervals, List<UrgencyInterval> countedIfBelow) => new(intervals, countedIfBelow, 0);

    /// <param name="customers">By menu and plan, in the menus' order; null for the counts observed.</param>
    public static ChoiceLikelihood Of(
        IReadOnlyList<ObservedMenu> menus, IReadOnlyList<(double From, double To)[]> envelopes, IReadOnlyList<long[]>? customers = null)
    {
        var (intervals, truncations, contradicting) = (new List<UrgencyInterval>(), new List<UrgencyInterval>(), 0.0);
        for (var j = 0; j < menus.Count; j++)
        {
            var (plans, highest, bought) = (menus[j].Plans, envelopes[j].Max(e => e.To), 0.0);
            for (var k = 0; k < plans.Count; k++)
            {
                var (from, to) = envelopes[j][k];
                var count = customers?[j][k] ?? plans[k].Customers;
                if (to <= from) contradicting += count;
                else
                {
                    intervals.Add(new(from, to, count));
                    bought += count;
                }
            }
            if (menus[j].CustomersWithoutPlan is { } without)
            {
                if (customers is not null) without = customers[j][plans.Count];
                if (double.IsFinite(highest)) intervals.Add(new(highest, double.PositiveInfinity, without));
                else contradicting += without;
            }
            else if (double.IsFinite(highest)) truncations.Add(new(0, highest, bought));
        }
        return new(intervals, truncations, contradicting);
    }

    public double LogLikelihood(Func<double, double> cdf)
    {
        var sum = 0.0;
        foreach (var interval in Intervals)
            if (interval.Customers > 0) sum += interval.Customers * Math.Log(Math.Max(ProbabilityMin, Mass(cdf, interval)));
        foreach (var counted in CountedIfBelow)
            if (counted.Customers > 0) sum -= counted.Customers * Math.Log(Math.Max(ProbabilityMin, cdf(counted.To)));
        return sum;
    }

    private static double Mass(Func<double, double> cdf, UrgencyInterval interval) =>
        (double.IsFinite(interval.To) ? cdf(interval.To) : 1) - (interval.From > 0 ? cdf(interval.From) : 0);
}
