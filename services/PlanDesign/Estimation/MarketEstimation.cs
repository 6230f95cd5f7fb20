using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>
/// The market behind what was observed (theory section 6): how long answers take by Kaplan and Meier, for caps cut conversations short; how urgent
/// customers are from the plans they chose, for each choice bounds the chooser's urgency by the menu's cutoffs; and how sure that is, by resampling
/// customers. The value of an answer is known. Pure and deterministic.
/// </summary>
public static class MarketEstimation
{
    /// <summary>Answered conversations below which no length is estimated.</summary>
    public const int AnswersMin = 30;

    /// <summary>Customers below which no urgency is estimated.</summary>
    public const int CustomersMin = 50;

    /// <summary>Beyond this part of customers who bought what is best for nobody, price or value is wrong.</summary>
    public const double ContradictingMax = 0.5;

    /// <summary>Of every draw and distinct length: a length, its probability, and what survives it (<see cref="LengthLaw"/>).</summary>
    private const int BytesPerLength = sizeof(int) + 2 * sizeof(double);

    private const double DrawsLostMax = 0.1;
    private const double MisfitLevel = 0.01;

    /// <summary>What the draws keep while the market is learned, in bytes.</summary>
    public static long Bytes(MarketObservations observed, int draws) => (long)draws * observed.Conversations.Select(c => c.GeneratedTokens).Distinct().Count() * BytesPerLength;

    /// <summary>Never throws for data: an outcome other than <see cref="EstimationOutcome.Estimated"/> says what is missing.</summary>
    /// <param name="progress">The part done, from 0 to 1.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static EstimatedMarket Of(
        MarketObservations observations, EstimationOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new();
        if ((options.Check() ?? observations.Check()) is { } fault)
            return EstimatedMarket.CannotTell(EstimationOutcome.InvalidInput, fault.ToString()) with { Fault = fault };
        if (TooFew(observations, options.UrgencyFrom is not null) is { } tooFew) return tooFew;

        var resampling = new Resampling(observations);
        var (point, cannot, sentence) = Fitted.Of(
            observations, options.Fit, resampling.Lengths, resampling.Observed(), null, new(options.SpreadFrom?.Base!.Urgency, options.UrgencyFrom?.Base!.Urgency), cancellation);
        if (point is null) return EstimatedMarket.CannotTell(cannot, sentence);
        var market = new Market(
            point.Draw.Urgency,
            new EmpiricalAnswerTime(observations.Conversations.Select(c => c.GeneratedTokens), observations.Conversations.Select(c => c.Cut)),
            observations.TokensPerSecond, observations.ValuePerAnswer, observations.ServingCostPerToken)
        {
            TypeCount = point.Draw.Urgency.HasDensity ? options.TypeCount : null,
        };
        if (market.Check(cancellation) is { } unusable)
            return EstimatedMarket.CannotTell(EstimationOutcome.NotConverged, $"the estimate is no market that can be solved ({unusable}): choose another fit");

        var (draws, lost) = (new List<Fitted>(options.Draws), new List<EstimationOutcome>());
        for (var n = 0; n < options.Draws; n++)
        {
            cancellation.ThrowIfCancellationRequested();
            UrgencyModel? DrawOf(EstimatedMarket? earlier) => earlier?.Draws[n % earlier.Draws.Count].Urgency;
            var held = new HeldUrgency(DrawOf(options.SpreadFrom), DrawOf(options.UrgencyFrom));
            var (drawn, why, _) = Fitted.Of(observations, options.Fit, resampling.Lengths, resampling.Draw(SeedOf(options.Seed, n)), point, held, cancellation);
            if (drawn is not null) draws.Add(drawn);
            else lost.Add(why);
            progress?.Report((n + 1.0) / options.Draws);
        }
        if (lost.Count > DrawsLostMax * options.Draws)
            return LengthsAreUnsure(lost)
                ? EstimatedMarket.CannotTell(EstimationOutcome.TooFewConversations,
                    $"in {lost.Count} of {options.Draws} bootstrap draws {UnsureLengths}: observe more conversations, or put plans on sale that are further apart")
                : EstimatedMarket.CannotTell(EstimationOutcome.TooFewShares,
                    $"in {lost.Count} of {options.Draws} bootstrap draws the data cannot tell urgency: observe more customers, {(observations.Menus.Any(m => m.CustomersWithoutPlan is null) ? "count those who buy nothing, " : "")}or put plans on sale that more of them choose");
        return Assemble(observations, options, market, point, draws, lost);
    }

    /// <summary>
    /// Lengths decide for which urgencies a plan is best. Where a plan that most customers bought is the best of a narrow range, lengths drawn a little otherwise leave
    /// nobody for whom it is, and what those customers chose says nothing of urgency: that is for want of conversations, however many customers there are.
    /// </summary>
    private static bool LengthsAreUnsure(List<EstimationOutcome> lost) => 2 * lost.Count(l => l is EstimationOutcome.ChoicesContradictPrices or EstimationOutcome.AllCut) > lost.Count;

    private const string UnsureLengths = "lengths come out so that most customers bought what is best for nobody";

    internal static Random SeedOf(int seed, int draw)
    {
        // SplitMix64: neighbouring seeds of the library's generator resemble each other.
        var z = unchecked(((ulong)(uint)seed << 32 | (uint)draw) + 0x9E3779B97F4A7C15UL);
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        return new((int)((z ^ (z >> 31)) & 0x7FFFFFFF));
    }

    private static EstimatedMarket? TooFew(MarketObservations seen, bool urgencyIsHeld)
    {
        var answers = seen.Conversations.Count(c => !c.Cut);
        if (answers == 0 && seen.Conversations.Count > 0)
            return EstimatedMarket.CannotTell(EstimationOutcome.AllCut,
                $"all {seen.Conversations.Count} conversations were cut, so how long an answer takes was never seen: give some customers a longer cap for a while");
        if (answers < AnswersMin)
            return EstimatedMarket.CannotTell(EstimationOutcome.TooFewConversations,
                $"{answers} conversations ran to their answer, at least {AnswersMin} are needed: observe longer");
        var customers = seen.Menus.Sum(m => m.Customers);
        if (customers < CustomersMin && !urgencyIsHeld)
            return EstimatedMarket.CannotTell(EstimationOutcome.TooFewCustomers,
                $"{customers} customers chose from a menu, at least {CustomersMin} are needed: observe longer");
        return null;
    }

    private static EstimatedMarket Assemble(
        MarketObservations seen, EstimationOptions options, Market market, Fitted point, List<Fitted> draws, List<EstimationOutcome> lost)
    {
        var figures = new List<EstimatedFigure>();
        void Figure(string name, string unit, Func<Fitted, double> of) =>
            figures.Add(new(name, unit, Interval.Of(of(point), [.. draws.Select(of)], options.Confidence)));

        if (options.Fit != UrgencyFit.Turnbull)
        {
            var family = UrgencyFamily.Of(options.Fit);
            Figure(family.First, family.FirstUnit, f => family.Parameters(f.Draw.Urgency).Item1);
            Figure(family.Second, family.SecondUnit, f => family.Parameters(f.Draw.Urgency).Item2);
            Figure("medianUrgency", "1/second", f => f.Draw.Urgency.Quantile(0.5));
        }
        var last = seen.Menus.Count - 1;
        for (var k = 0; k < seen.Menus[last].Plans.Count; k++)
            Figure($"share[{seen.Menus[last].Plans[k].PlanId}]", "part of customers", f => f.Draw.Share(f.Envelopes[last][k].From, f.Envelopes[last][k].To));
        foreach (var cap in seen.Menus.SelectMany(m => m.Plans).Select(p => p.CapTokens).Distinct().Order().Where(point.Draw.Law.Knows))
        {
            Figure($"unansweredAfter[{cap}]", "part of conversations", f => f.Draw.Law.Survival(cap));
            Figure($"tokensWithin[{cap}]", "tokens per conversation", f => f.Draw.Law.ExpectedTokens(cap));
        }

        var plans = seen.Menus.SelectMany((menu, j) => menu.Plans
            .Select((p, k) => new PlanInterval(j, p.PlanId, point.Envelopes[j][k].From, point.Envelopes[j][k].To, p.Customers))
            .OrderBy(p => p.ToPerSecond == 0 ? 0 : -p.ToPerSecond)).ToArray();
        return new(EstimationOutcome.Estimated,
            FormattableString.Invariant($"learned from {seen.Conversations.Count} conversations and {seen.Menus.Sum(m => m.Customers)} customers"),
            market, figures, plans, point.LogLikelihood, lost.Count)
        {
            Observations = seen,
            Options = options,
            Base = point.Draw,
            Draws = [.. draws.Select(d => d.Draw)],
            Notices = [.. Notices(seen, options, point, plans, lost, options.Fit == UrgencyFit.Turnbull || options.UrgencyFrom is not null ? null : GoodnessOfFit.Of(point, draws, seen.Menus))],
        };
    }

    private static IEnumerable<string> Notices(MarketObservations seen, EstimationOptions options, Fitted point, PlanInterval[] plans, List<EstimationOutcome> lost, double? fit)
    {
        foreach (var plan in plans.Where(p => p.IsEmpty && p.Customers > 0))
            yield return $"{plan.Customers} customers bought {plan.PlanId}, which at this value of an answer is best for nobody: they tell nothing of urgency";
        if (options.SpreadFrom is not null)
            yield return "the choices tell one number only: how far urgency spreads is held at an earlier estimate, with the uncertainty it had";
        if (options.UrgencyFrom is { } held)
            yield return FormattableString.Invariant($"urgency is held at what {held.Observations!.Menus.Sum(m => m.Customers)} customers chose earlier, with the uncertainty it had: only lengths are learned from this time");
        else if (seen.Menus.Any(m => m.CustomersWithoutPlan is null))
            yield return options.Fit == UrgencyFit.Turnbull
                ? "nobody counted the customers who bought nothing: this is the market of those who buy"
                : "nobody counted the customers who bought nothing: how many there are is extrapolated by the family";
        if (seen.Conversations.All(c => c.Customer is null))
            yield return "conversations carry no customer: each is taken as independent, and the intervals of lengths are too narrow "
                + "if one customer has many that are alike";
        if (fit < MisfitLevel)
            yield return FormattableString.Invariant($"the family does not fit the shares (p = {fit:G2}): compare with another fit, or with Turnbull");
        if (LengthsDifferByPlan(seen) is { } byPlan && byPlan.PValue < MisfitLevel)
            yield return FormattableString.Invariant(
                $"conversations under {byPlan.Longer} and {byPlan.Shorter} differ before either is cut (log-rank, p = {byPlan.PValue:G2}): ")
                + "harder tasks seem to choose their plan, and then lengths of different plans should not be pooled";
        if (lost.Count > 0) yield return $"{lost.Count} of {options.Draws} bootstrap draws could not tell{(LengthsAreUnsure(lost) ? $", for in them {UnsureLengths}" : "")}, and are in no interval";
        if (point.Draw.Law.Survival(point.Draw.Law.SupportTokens) > 0.5)
            yield return $"more than half of conversations are unanswered after {point.Draw.Law.SupportTokens} tokens, the longest seen: "
                + "what longer caps are worth is unknown";
    }

    /// <summary>
    /// Cuts at caps tell nothing of length only if plans are chosen by urgency alone: under the longest and the shortest plan, up to the shorter cap,
    /// lengths should be alike. Null where one of them has too few conversations.
    /// </summary>
    private static (string Longer, string Shorter, double PValue)? LengthsDifferByPlan(MarketObservations seen)
    {
        var plans = seen.Menus.SelectMany(m => m.Plans).DistinctBy(p => p.PlanId).OrderBy(p => p.CapTokens).ToArray();
        var of = seen.Conversations.Where(c => c.PlanId is not null).ToLookup(c => c.PlanId!, StringComparer.Ordinal);
        PlanBought[] enough = [.. plans.Where(p => of[p.PlanId].Count(c => !c.Cut) >= AnswersMin)];
        return enough.Length < 2 || enough[0].CapTokens == enough[^1].CapTokens ? null
            : (enough[^1].PlanId, enough[0].PlanId, LogRank.Of([.. of[enough[^1].PlanId]], [.. of[enough[0].PlanId]], enough[0].CapTokens).PValue);
    }
}
