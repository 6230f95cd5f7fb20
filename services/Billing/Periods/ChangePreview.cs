using Billing.Subscriptions;

namespace Billing.Periods;

/// <summary>
/// What a change would make of the period that it takes effect in: found by letting the same decisions and folds run that would write it, and by
/// writing nothing. What is known to happen by itself until the period's end, as a dated pause or a trial that ends, has happened. What is taken back
/// before it happened changes the period in which it would have.
/// </summary>
/// <param name="Before">the period's facts at its end, with usage so far, if nothing changes</param>
/// <param name="After">the same if it does</param>
public sealed record ChangePreview(DateTimeOffset EffectiveAt, PeriodFacts Before, PeriodFacts After)
{
    /// <param name="change">what the change decided; nothing when it changes nothing</param>
    /// <param name="periods">by id, as they stand</param>
    /// <returns>or why a period could not follow the change</returns>
    public static (ChangePreview? Preview, Refusal? Refused) Of(
        string subscriptionId, SubscriptionState state, IReadOnlyList<SubscriptionEvent> change, Func<string, PeriodState> periods, DateTimeOffset now)
    {
        var at = change switch
        {
            [.., SubscriptionPlanChangeScheduled s] => s.EffectiveAt,
            [.., SubscriptionCancellationScheduled s] => s.EffectiveAt,
            [.., SubscriptionPauseScheduled s] => s.EffectiveAt,
            [.., SubscriptionScheduleWithdrawn or SubscriptionPauseWithdrawn] => Withdrawn(Until(now, [], state).State, change),
            _ => now,
        };
        // After the change, where that keeps it from ending: what has ended turns into no other period.
        var current = Until(at, change is [.., SubscriptionScheduleWithdrawn or SubscriptionPauseWithdrawn] ? change : [], state).State;
        var end = current.Current.End.AddTicks(-1);
        var (without, with) = (Follow(Until(end, [], state).Events), Follow(Until(end, change, state).Events));
        if ((without.Refused ?? with.Refused) is { } refusal) return (null, refusal);
        var period = SubscriptionSnapshot.Current(subscriptionId, current).PeriodId;
        return (new(at, FactsOf(period, without, periods), FactsOf(period, with, periods)), null);

        Decision<PeriodFollowed> Follow(IReadOnlyList<SubscriptionEvent> events) => FollowSubscription.Decide(subscriptionId, state, events, periods);
    }

    /// <summary>When the first of what is withdrawn would have happened.</summary>
    private static DateTimeOffset Withdrawn(SubscriptionState.Known before, IReadOnlyList<SubscriptionEvent> change) => change.Select(e => e switch
    {
        SubscriptionScheduleWithdrawn => before.Scheduled?.EffectiveAt,
        SubscriptionPauseWithdrawn => before.Pause?.From,
        _ => null,
    }).Min() ?? throw new System.Diagnostics.UnreachableException("what is withdrawn was scheduled");

    private static (IReadOnlyList<SubscriptionEvent> Events, SubscriptionState.Known State) Until(DateTimeOffset at, IReadOnlyList<SubscriptionEvent> first, SubscriptionState state)
    {
        SubscriptionEvent[] events = [.. first, .. CatchUpDecision.Decide(new(at), first.Aggregate(state, SubscriptionState.Evolve)).Events];
        return (events, (SubscriptionState.Known)events.Aggregate(state, SubscriptionState.Evolve));
    }

    private static PeriodFacts FactsOf(string periodId, Decision<PeriodFollowed> decided, Func<string, PeriodState> periods) =>
        (decided.Events.FirstOrDefault(p => p.PeriodId == periodId)?.Events ?? []).Aggregate(periods(periodId), PeriodState.Evolve) switch
        {
            PeriodState.Open o => o.Facts,
            PeriodState.Closed c => c.Facts,
            var s => throw new System.Diagnostics.UnreachableException($"{periodId} is {s.GetType().Name}, and a snapshot names it"),
        };
}
