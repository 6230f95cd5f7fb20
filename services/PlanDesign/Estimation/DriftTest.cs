using MathNet.Numerics.Distributions;

namespace PlanDesign.Estimation;

/// <summary>One two-sample test.</summary>
/// <param name="Name">lengths or planShares</param>
/// <param name="PValue">1 where the two periods could not be compared.</param>
/// <param name="Threshold">Drift is found below it.</param>
/// <param name="Sentence">What was compared and what came of it.</param>
public sealed record DriftFinding(string Name, double Statistic, int DegreesOfFreedom, double PValue, double Threshold, string Sentence)
{
    public bool IsDrift => PValue < Threshold;
}

/// <summary>
/// Whether the market moved between two periods: conversation lengths by the log-rank test (which takes cut conversations for as long as they ran, so
/// that a change of caps is not mistaken for a change of lengths) and plan shares of the same menu by Pearson's chi-square of homogeneity. The level
/// is the chance of a false alarm in one comparison of a market that stands still; half of it goes to each test (Bonferroni). At the default of 1 in
/// 100, somebody who compares every week is alarmed for nothing about once in two years. With very many observations the smallest change is
/// significant: drift is a reason to estimate anew, not to change prices, for which see <see cref="MenuAdaptation"/>.
/// </summary>
public sealed record DriftTest(DriftFinding Lengths, DriftFinding PlanShares)
{
    public const double LevelDefault = 0.01;

    /// <summary>Cells in which fewer customers are expected are put together with their neighbour: below it chi-square is not chi-square.</summary>
    private const double ExpectedMin = 5;

    public bool IsDrift => Lengths.IsDrift || PlanShares.IsDrift;

    /// <summary>Both tests and what they are measured by, for people.</summary>
    public string Sentence => $"{Lengths.Sentence}; {PlanShares.Sentence}; {ThresholdSentence}";

    private string ThresholdSentence => FormattableString.Invariant(
        $"either test finds that the market moved where p is below {Lengths.Threshold:G3}, so that a market that stands still is called moved in {2 * Lengths.Threshold:P1} of looks (half for each of two tests)");

    /// <param name="before">An earlier time on the running menu.</param>
    /// <param name="level">Of a false alarm, both tests together; above 0 and below 1.</param>
    public static DriftTest Of(MarketObservations before, MarketObservations now, double level = LevelDefault)
    {
        if (!(level is > 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(level), level, "is no chance of a false alarm");
        return new(OfLengths(before.Conversations, now.Conversations, level / 2), OfShares(before.Menus, now.Menus, level / 2));
    }

    private static DriftFinding OfLengths(IReadOnlyList<ObservedConversation> before, IReadOnlyList<ObservedConversation> now, double threshold)
    {
        if (!before.Any(c => !c.Cut) || !now.Any(c => !c.Cut))
            return new("lengths", 0, 0, 1, threshold, "one of the two periods has no answered conversation, so lengths cannot be compared: observe longer");
        var test = LogRank.Of(before, now);
        return new("lengths", test.Statistic, 1, test.PValue, threshold, FormattableString.Invariant(
            $"log-rank of {before.Count} against {now.Count} conversations: χ² = {test.Statistic:F2}, p = {test.PValue:G3}; ")
            + $"answers come {(test.Excess > 0 ? "sooner" : "later")} than before{Verdict(test.PValue < threshold)}");
    }

    private static DriftFinding OfShares(IReadOnlyList<ObservedMenu> before, IReadOnlyList<ObservedMenu> now, double threshold)
    {
        var (was, counts) = (new List<double>(), new List<double>());
        foreach (var menu in now)
        {
            if (before.FirstOrDefault(m => IsSame(m, menu)) is not { } same) continue;
            foreach (var plan in menu.Plans.OrderBy(p => p.CapTokens))
            {
                was.Add(same.Plans.Single(p => p.PlanId == plan.PlanId).Customers);
                counts.Add(plan.Customers);
            }
            if (menu.CustomersWithoutPlan is { } without && same.CustomersWithoutPlan is { } wereWithout)
            {
                was.Add(wereWithout);
                counts.Add(without);
            }
            break;
        }
        var (all, allWas, allNow) = (was.Sum() + counts.Sum(), was.Sum(), counts.Sum());
        if (allWas == 0 || allNow == 0)
            return new("planShares", 0, 0, 1, threshold, "no menu was on sale in both periods, so plan shares cannot be compared: keep a menu for two periods");
        for (var n = 0; n < was.Count && was.Count > 1;)
        {
            var least = (was[n] + counts[n]) * Math.Min(allWas, allNow) / all;
            if (least >= ExpectedMin)
            {
                n++;
                continue;
            }
            var into = n + 1 < was.Count ? n + 1 : n - 1;
            (was[into], counts[into]) = (was[into] + was[n], counts[into] + counts[n]);
            was.RemoveAt(n);
            counts.RemoveAt(n);
            if (into < n) break;
        }
        if (was.Count < 2)
            return new("planShares", 0, 0, 1, threshold, "too few customers, or only one plan bought, so plan shares cannot be compared: observe longer");
        var statistic = 0.0;
        for (var n = 0; n < was.Count; n++)
        {
            var (expectedWas, expectedNow) = ((was[n] + counts[n]) * allWas / all, (was[n] + counts[n]) * allNow / all);
            statistic += Math.Pow(was[n] - expectedWas, 2) / expectedWas + Math.Pow(counts[n] - expectedNow, 2) / expectedNow;
        }
        var p = 1 - ChiSquared.CDF(was.Count - 1, statistic);
        return new("planShares", statistic, was.Count - 1, p, threshold, FormattableString.Invariant(
            $"chi-square of {allWas} against {allNow} customers over {was.Count} choices: χ² = {statistic:F2}, p = {p:G3}{Verdict(p < threshold)}"));
    }

    private static bool IsSame(ObservedMenu a, ObservedMenu b) =>
        a.Plans.Count == b.Plans.Count && a.Plans.All(p => b.Plans.Any(q => q.PlanId == p.PlanId && q.Offer == p.Offer));

    private static string Verdict(bool drift) => drift ? ": the market moved" : ": no more than chance explains";
}
