using Billing.Periods;
using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Ledger;

/// <summary>A subscription and its periods, kept by the real decisions: what is ordered of it, what usage reports of it, and the close of what has ended.</summary>
internal sealed class LedgerLife
{
    private readonly Dictionary<string, PeriodState> _periods = [];
    private SubscriptionState _state = SubscriptionState.Initial;
    private long _reports;

    public LedgerLife(string customerId, string subscriptionId, string planId, int trialDays)
    {
        SubscriptionId = subscriptionId;
        Order(_ => Decision.Accept<SubscriptionEvent>(new SubscriptionStarted(customerId, Menu, planId, Jan1, null, trialDays > 0 ? Jan1.AddDays(trialDays) : null)));
    }

    public string SubscriptionId { get; }

    /// <summary>Nothing where it is refused, by the subscription or by a period that is closed already.</summary>
    public void Order(Func<SubscriptionState, Decision<SubscriptionEvent>> order)
    {
        var events = order(_state).Events;
        var followed = FollowSubscription.Decide(SubscriptionId, _state, events, id => _periods.GetValueOrDefault(id, PeriodState.Initial));
        if (followed.Refused is not null) return;
        foreach (var p in followed.Events) Keep(p.PeriodId, p.Events);
        _state = events.Aggregate(_state, SubscriptionState.Evolve);
    }

    /// <summary>Usage of a period that has begun, by a plan that it has had. No more is taken back than there was.</summary>
    /// <param name="which">of them, and of its plans</param>
    public void Report(int which, long tokens, DateTimeOffset at)
    {
        var begun = _periods.Where(p => FactsOf(p.Value).Start <= at).OrderBy(p => FactsOf(p.Value).Number).ToArray();
        var (id, period) = begun[^(1 + which % begun.Length)];
        var (facts, used) = period is PeriodState.Closed c ? (c.Facts, c.Billed.Plus(c.Late)) : (FactsOf(period), FactsOf(period).Usage);
        var plan = facts.Plans.Segments[which % facts.Plans.Segments.Count].PlanId;
        var had = used.Where(u => u.PlanId == plan && u.Kind == TokenKind.Output).Sum(u => u.Tokens);
        Keep(id, [new UsageApplied(3, ++_reports, [Tokens(plan, TokenKind.Output, Math.Max(tokens, -had))], at)]);
    }

    /// <summary>Closes the first period that is open, with what came late of those before it. Null where it has not ended.</summary>
    /// <param name="isEarly">as if it had ended, where nothing is to come in it</param>
    public (PeriodFacts Facts, PeriodFacts[] Earlier)? Close(DateTimeOffset at, bool isEarly = false)
    {
        if (_periods.Values.OfType<PeriodState.Open>().MinBy(o => o.Facts.Number) is not { Facts: { } open } state) return null;
        if (isEarly && _state is SubscriptionState.Known k && k.CurrentPeriod == open.Number && k.NextDueAt == open.End) at = open.End;
        var closed = _periods.Values.OfType<PeriodState.Closed>().ToArray();
        var decision = ClosePeriodDecision.Decide(new(closed.SingleOrDefault(c => c.Facts.Number == open.Number - 1) ?? PeriodState.Initial, closed, [new(3, _reports)], TimeSpan.Zero, at), state);
        if (decision.Refused is not null) return null;
        Keep(open.PeriodId, decision.Events);
        foreach (var late in decision.Events.OfType<LateUsageAdded>()) Keep(late.FromPeriodId, CarryLateUsageDecision.Decide(new(open.PeriodId, at), _periods[late.FromPeriodId]).Events);
        var facts = FactsOf(_periods[open.PeriodId]);
        return (facts, [.. facts.Adjustments.Select(a => a.FromPeriodId).Distinct().Select(id => FactsOf(_periods[id]))]);
    }

    private void Keep(string periodId, IEnumerable<PeriodEvent> events) => _periods[periodId] = events.Aggregate(_periods.GetValueOrDefault(periodId, PeriodState.Initial), PeriodState.Evolve);

    private static PeriodFacts FactsOf(PeriodState state) => state switch
    {
        PeriodState.Open o => o.Facts,
        PeriodState.Closed c => c.Facts,
        _ => throw new InvalidOperationException("nothing was opened"),
    };
}
