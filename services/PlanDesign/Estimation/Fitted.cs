using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>What is not learned but held.</summary>
/// <param name="Spread">A law of the family whose spread is held; null to learn both numbers.</param>
/// <param name="Whole">The law itself; null to learn it.</param>
internal readonly record struct HeldUrgency(UrgencyModel? Spread = null, UrgencyModel? Whole = null);

/// <summary>One estimation, of the observations or of a draw: laws, cutoffs of every menu, and how well the family fits.</summary>
/// <param name="SharesMissed">By plan of every menu: the share by the law less the share that was counted, both of those counted.</param>
internal sealed record Fitted(
    MarketDraw Draw, IReadOnlyList<(double From, double To)[]> Envelopes, (double X, double Y) At, double LogLikelihood, double[] SharesMissed)
{
    private const double Trace = 1e-9;

    /// <summary>Of all customers by the likeliest law: fewer where anything was counted means that the likelihood only rises as the rest grows.</summary>
    private const double ShareCountedMin = 0.01;

    /// <param name="near">Where to start the search; null for anew.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static (Fitted? Fitted, EstimationOutcome Cannot, string Sentence) Of(
        MarketObservations seen, UrgencyFit fit, int[] lengths, (double[] Answered, double[] Cut, long[][] Customers) counts, Fitted? near,
        HeldUrgency held = default, CancellationToken cancellation = default)
    {
        if (counts.Answered.Sum() == 0) return (null, EstimationOutcome.AllCut, "every conversation was cut");
        var law = new LengthLaw(lengths, counts.Answered, counts.Cut, seen.TokensPerSecond);
        (double From, double To)[] Envelope(ObservedMenu menu) => PlanEnvelope.Of(law, seen.ValuePerAnswer, [.. menu.Plans.Select(p => p.Offer)]);
        (double From, double To)[][] envelopes = [.. seen.Menus.Select(Envelope)];
        if (held.Whole is { } whole) return (new(new(law, whole, seen.ValuePerAnswer, seen.ServingCostPerToken), envelopes, default, 0, []), default, "");
        var choices = ChoiceLikelihood.Of(seen.Menus, envelopes, counts.Customers);
        if (choices.Contradicting > MarketEstimation.ContradictingMax * (choices.Contradicting + choices.Customers))
            return (null, EstimationOutcome.ChoicesContradictPrices,
                FormattableString.Invariant($"{choices.Contradicting} of {choices.Contradicting + choices.Customers} customers bought what ")
                + FormattableString.Invariant($"at a value of {seen.ValuePerAnswer} per answer is best for nobody: ")
                + "correct valuePerAnswer or the prices");
        var shares = TurnbullShares.Of(choices, cancellation);
        if (shares.SharesAbove(Trace) < 2)
            return (null, EstimationOutcome.OnePlanSold,
                "every customer made the same choice, which bounds urgency on one side at most: put a second plan on sale, change a price, "
                + "or count those who buy nothing");
        if (fit == UrgencyFit.Turnbull)
            return !shares.Converged
                ? (null, EstimationOutcome.NotConverged,
                    FormattableString.Invariant($"Turnbull's shares did not settle (gradient {shares.Gap:G2} after {shares.Iterations} steps): use fewer menus"))
                : (new(new(law, Law(shares), seen.ValuePerAnswer, seen.ServingCostPerToken), envelopes, default, shares.LogLikelihood, []), default, "");

        if (held.Spread is null && shares.SharesAbove(Trace) < 3)
            return (null, EstimationOutcome.TooFewShares,
                $"customers fall into {shares.SharesAbove(Trace)} groups, and a family of two parameters needs three: put another plan on sale, "
                + "count those who buy nothing, or fit by Turnbull");
        var family = UrgencyFamily.Of(fit);
        var maximum = held.Spread is null
            ? UrgencyMaximum.Of(family, choices, near?.At ?? Start(family, shares))
            : UrgencyMaximum.Of(family, choices, family.Place(held.Spread), holdFirst: true);
        if (!maximum.Converged || AtEdge(maximum.Law))
            return (null, EstimationOutcome.NotConverged, $"no {fit} urgency makes these choices most likely: fit by Turnbull, or choose another family");
        var draw = new MarketDraw(law, maximum.Law, seen.ValuePerAnswer, seen.ServingCostPerToken);
        if (seen.Menus.Select((menu, j) => draw.Share(0, HighestCounted(menu, envelopes[j]))).Max() < ShareCountedMin)
            return (null, EstimationOutcome.NotConverged,
                FormattableString.Invariant($"by the likeliest {fit} urgency fewer than one customer in {1 / ShareCountedMin} buys anything, which the choices of those who do cannot tell: ")
                + "count those who buy nothing, or fit by Turnbull");
        return (new(draw, envelopes, maximum.At, maximum.LogLikelihood, [.. seen.Menus.SelectMany((m, j) => Missed(draw, m, envelopes[j], counts.Customers[j]))]), default, "");
    }

    private static IEnumerable<double> Missed(MarketDraw draw, ObservedMenu menu, (double From, double To)[] envelope, long[] customers)
    {
        var (all, counted) = (customers.Where((_, k) => k >= menu.Plans.Count || envelope[k].To > 0).Sum(), draw.Share(0, HighestCounted(menu, envelope)));
        for (var k = 0; k < menu.Plans.Count; k++)
            if (envelope[k].To > 0) yield return draw.Share(envelope[k].From, envelope[k].To) / counted - customers[k] / (double)Math.Max(1, all);
    }

    /// <summary>The rate up to which customers of a menu were counted: all of them, or those who buy.</summary>
    private static double HighestCounted(ObservedMenu menu, (double From, double To)[] envelope) =>
        menu.CustomersWithoutPlan is null ? envelope.Max(e => e.To) : double.PositiveInfinity;

    private static EmpiricalUrgency Law(TurnbullShares shares)
    {
        var sum = shares.Shares.Sum();
        return new(shares.From, shares.To, [.. shares.Shares.Select(s => s / sum)]);
    }

    /// <summary>Through the lowest and the highest cutoff at which the shares tell something.</summary>
    private static (double X, double Y) Start(UrgencyFamily family, TurnbullShares shares)
    {
        var points = new List<(double Rate, double Share)>();
        var sum = 0.0;
        for (var c = 0; c < shares.Shares.Length; c++)
        {
            sum += shares.Shares[c];
            if (double.IsFinite(shares.To[c]) && sum is > Trace and < 1 - Trace) points.Add((shares.To[c], sum));
        }
        return points.Count > 1 ? family.Start(points[0], points[^1]) : family.Start((points[0].Rate / 2, points[0].Share / 2), points[0]);
    }

    /// <summary>A law so narrow or so wide that the likelihood only rises towards the end of the family.</summary>
    private static bool AtEdge(UrgencyModel law) => law switch
    {
        LogNormalUrgency l => l.Sigma is < 1e-3 or > 9.9 || Math.Abs(l.Mu) > 49,
        GammaUrgency g => g.Shape is < 0.0101 or > 9_900 || g.ScalePerSecond > 0.99 * MarketLimits.RatePerSecondMax,
        UniformUrgency u => u.ToPerSecond > 0.99 * MarketLimits.RatePerSecondMax || u.ToPerSecond - u.FromPerSecond < 1e-6 * u.ToPerSecond,
        _ => false,
    };
}
