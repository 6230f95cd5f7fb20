using Billing.Subscriptions;

namespace Billing.Periods;

/// <summary>What a period must decide because something happened to its subscription.</summary>
public sealed record PeriodEffect(string PeriodId, Func<PeriodState, Decision<PeriodEvent>> Decide);

/// <summary>What a period decided.</summary>
public sealed record PeriodFollowed(string PeriodId, ValueList<PeriodEvent> Events);

/// <summary>
/// Carries a subscription's event into its periods: the current one from the time of the event, the next one, which is open already, from its
/// start. Both are written in the event's transaction, so a period never disagrees with its subscription.
/// </summary>
public static class FollowSubscription
{
    /// <param name="after">the subscription as the event left it</param>
    public static IEnumerable<PeriodEffect> Effects(string subscriptionId, SubscriptionEvent e, SubscriptionState.Known after)
    {
        var (current, next) = (SubscriptionSnapshot.Current(subscriptionId, after), SubscriptionSnapshot.Next(subscriptionId, after));
        return e switch
        {
            SubscriptionStarted s => [Open(current, s.At), Open(next, s.At)],
            SubscriptionPeriodTurned t => [Open(next, t.At)],
            SubscriptionPlanChanged c => [Change(current, c.EffectiveAt, c.At), Change(next, next.Start, c.At)],
            // A trial may last to the very end of a period: that one stays a trial, and the fee begins with the next.
            SubscriptionActivated a when a.EffectiveAt >= current.End => [Change(next, next.Start, a.At)],
            SubscriptionActivated a => [Change(current, a.EffectiveAt, a.At), Change(next, next.Start, a.At)],
            SubscriptionPaused p => [Change(current, p.EffectiveAt, p.At), Change(next, next.Start, p.At)],
            SubscriptionResumed r when r.EffectiveAt >= current.End => [Change(next, next.Start, r.At)],
            SubscriptionResumed r => [Change(current, r.EffectiveAt, r.At), Change(next, next.Start, r.At)],
            // At the end of the current period there is nothing left of it to end.
            SubscriptionCancelled c when c.EffectiveAt >= current.End => [End(next, next.Start, c.At)],
            SubscriptionCancelled c => [End(current, c.EffectiveAt, c.At), End(next, next.Start, c.At)],
            _ => [],
        };

        PeriodEffect Open(PeriodSpan p, DateTimeOffset at) => new(p.PeriodId, s => OpenPeriodDecision.Decide(new(subscriptionId, after, p.Number, at), s));
        PeriodEffect Change(PeriodSpan p, DateTimeOffset from, DateTimeOffset at) => new(p.PeriodId, s =>
            ChangePeriodPlanDecision.Decide(new(after.MenuId, after.PlanId, after.Status == SubscriptionStatus.Trialing, from, at, after.Status == SubscriptionStatus.Paused), s));
        PeriodEffect End(PeriodSpan p, DateTimeOffset from, DateTimeOffset at) => new(p.PeriodId, s => EndPeriodPlanDecision.Decide(new(from, at), s));
    }

    /// <summary>What every period decides when these events happen one after the other, by period id.</summary>
    public static Decision<PeriodFollowed> Decide(
        string subscriptionId, SubscriptionState state, IReadOnlyList<SubscriptionEvent> events, Func<string, PeriodState> periods)
    {
        var decided = new SortedDictionary<string, List<PeriodEvent>>(StringComparer.Ordinal);
        foreach (var e in events)
        {
            state = SubscriptionState.Evolve(state, e);
            foreach (var effect in Effects(subscriptionId, e, (SubscriptionState.Known)state))
            {
                if (!decided.TryGetValue(effect.PeriodId, out var before)) decided[effect.PeriodId] = before = [];
                var decision = effect.Decide(before.Aggregate(periods(effect.PeriodId), PeriodState.Evolve));
                if (decision.Refused is { } refusal) return refusal;
                before.AddRange(decision.Events);
            }
        }
        return Decision.Accept<PeriodFollowed>([.. decided.Where(d => d.Value.Count > 0).Select(d => new PeriodFollowed(d.Key, d.Value.ToValueList()))]);
    }
}
