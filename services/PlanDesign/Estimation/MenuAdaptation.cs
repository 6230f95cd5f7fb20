using PlanDesign.Screening;

namespace PlanDesign.Estimation;

public enum AdaptationDecision
{
    /// <summary>Nothing moved and nothing is due, or a new menu would not surely earn more.</summary>
    KeepMenu,

    /// <summary>A new menu is worth drafting; a person publishes it.</summary>
    DraftMenu,

    /// <summary>The data cannot tell; the sentence says what to do.</summary>
    CannotTell,
}

/// <param name="Level">Of a false alarm in one look, see <see cref="DriftTest"/>.</param>
/// <param name="GainMin">
/// Draft only if the low end of the interval of the profit difference is above this, money per conversation: a change of prices has a cost of its own.
/// </param>
public sealed record AdaptationOptions(double Level = DriftTest.LevelDefault, double GainMin = 0)
{
    /// <summary>The schedule says it is time to look, drift or not.</summary>
    public bool IsDue { get; init; }

    /// <summary>How long the recent time is that a watch looks at, see <see cref="MarketWatch"/>.</summary>
    public TimeSpan Window { get; init; } = MarketWatch.WindowDefault;
}

/// <summary>
/// What to do about a market that may have moved, with the evidence. Drift, or the schedule, is a reason to estimate anew; a new menu is drafted only
/// if it surely earns more than the running one, each held fixed over the bootstrap draws. Nothing is published here.
/// </summary>
/// <param name="Estimate">Of the new period; null if there was no reason to estimate.</param>
/// <param name="Next">The menu to draft, or that was not worth drafting.</param>
public sealed record MenuAdaptation(AdaptationDecision Decision, string Sentence, DriftTest Drift, EstimatedMarket? Estimate, NextMenu? Next)
{
    /// <summary>The sentence with what it rests on: what a person reads before she publishes the draft.</summary>
    public string Evidence => Estimate is null ? Sentence : $"{Sentence}. {Drift.Sentence}";

    /// <summary>
    /// Whether the next menu surely earns more than another that was drafted before, by the same bar as over the running one. A person who has not published that one, or has
    /// discarded it, is asked again for a better menu only, not for the same one on newer figures.
    /// </summary>
    public bool IsSurelyBetterThan(IReadOnlyList<PlanOffer> drafted, double gainMin) =>
        Next is { Menu.IsUsable: true } next && NextMenu.ProfitDifferenceOf(Estimate!, next.Offers, drafted).Low > gainMin;

    /// <param name="before">An earlier time on the running menu: what is compared with.</param>
    /// <param name="now">A later one: its conversations, and those who chose in it. Who chose earlier and stayed says nothing of it.</param>
    /// <param name="running">The plans on sale today, exact prices per conversation.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static MenuAdaptation Of(
        MarketObservations before, MarketObservations now, IReadOnlyList<PlanOffer> running,
        EstimationOptions estimation, SolveOptions solving, AdaptationOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new();
        return Of(DriftTest.Of(before, now, options.Level), before, now, running, estimation, solving, options, cancellation);
    }

    /// <inheritdoc cref="Of(MarketObservations, MarketObservations, IReadOnlyList{PlanOffer}, EstimationOptions, SolveOptions, AdaptationOptions?, CancellationToken)"/>
    /// <param name="now">What is learned from, which need not be what was tested.</param>
    internal static MenuAdaptation Of(
        DriftTest drift, MarketObservations before, MarketObservations now, IReadOnlyList<PlanOffer> running,
        EstimationOptions estimation, SolveOptions solving, AdaptationOptions options, CancellationToken cancellation)
    {
        if (!drift.IsDrift && !options.IsDue)
            return new(AdaptationDecision.KeepMenu, drift.Sentence, drift, null, null);
        var estimate = MarketEstimation.Of(now, estimation, null, cancellation);
        // Where one plan still sells, it tells how urgency moved, and the period before how far it spreads. Where hardly anybody is new, urgency is that of
        // the customers there are, and only lengths can have moved.
        if (estimate.Outcome is EstimationOutcome.TooFewCustomers or EstimationOutcome.TooFewShares && MarketEstimation.Of(before, estimation, null, cancellation) is { IsEstimated: true } earlier)
            if (estimate.Outcome == EstimationOutcome.TooFewCustomers) estimate = MarketEstimation.Of(now, estimation with { UrgencyFrom = earlier }, null, cancellation);
            else if (estimation.Fit != UrgencyFit.Turnbull) estimate = MarketEstimation.Of(now, estimation with { SpreadFrom = earlier }, null, cancellation);
        if (!estimate.IsEstimated) return new(AdaptationDecision.CannotTell, estimate.Sentence, drift, estimate, null);
        var next = NextMenu.Of(estimate, running, solving, null, cancellation);
        if (!next.Menu.IsUsable)
            return new(AdaptationDecision.CannotTell, next.Menu.Fault?.ToString() ?? $"the new menu ended as {next.Menu.ExitReason}", drift, estimate, next);
        var (gain, confidence) = (next.ProfitDifference, estimation.Confidence);
        var figures = FormattableString.Invariant($"{gain.Estimate:G4} per conversation ({confidence:P0} interval {gain.Low:G4} to {gain.High:G4})")
            + (next.HeldOutProfitDifference is { } heldOut ? FormattableString.Invariant($", {heldOut:G4} on customers it was not solved from") : "");
        if (estimate.Options!.UrgencyFrom is not null)
            figures += FormattableString.Invariant($"; only {now.Menus.Sum(m => m.Customers)} customers chose since, so urgency is held at what {before.Menus.Sum(m => m.Customers)} chose before");
        return gain.Low > options.GainMin
            ? new(AdaptationDecision.DraftMenu, $"a new menu earns more than the running one by {figures}: draft it, and let a person decide", drift, estimate, next)
            : new(AdaptationDecision.KeepMenu, $"a new menu may not earn enough more than the running one: {figures}", drift, estimate, next);
    }
}
