using System.Text.Json;
using Billing.Periods;
using Billing.Rating;
using Billing.Subscriptions;
using CsCheck;
using static Billing.Tests.Some;

namespace Billing.Tests.Subscriptions;

/// <summary>Whatever is ordered of a subscription, in whatever sequence, its periods follow, and charge the time in which it was served.</summary>
public sealed class LifecycleProperties
{
    private static readonly DateTimeOffset End = Jan1.AddMonths(8);

    /// <summary>Minutes that pass before it, and what is ordered then: refused or not, as the decision says.</summary>
    private sealed record Step(int Minutes, Func<SubscriptionState, DateTimeOffset, Decision<SubscriptionEvent>> Order);

    internal static readonly Gen<Func<SubscriptionState, DateTimeOffset, Decision<SubscriptionEvent>>> AnyOrder = Gen.Select(Gen.Int[0, 12], Gen.Bool, Gen.Int[-5, 60], (what, now, days) =>
    {
        var when = now ? EffectiveTime.Now : EffectiveTime.PeriodEnd;
        return new Func<SubscriptionState, DateTimeOffset, Decision<SubscriptionEvent>>((s, at) => what switch
        {
            0 or 1 or 2 => PauseSubscriptionDecision.Decide(new(when, days % 2 == 0 ? at.AddDays(days) : null, at), s),
            3 or 4 or 5 => ResumeSubscriptionDecision.Decide(new(at), s),
            6 or 7 => ChangePlanDecision.Decide(new(now ? Small : Metered, days % 2 == 0 ? EffectiveTime.Now : EffectiveTime.PeriodEnd, Book(), at), s),
            8 => WithdrawScheduledChangeDecision.Decide(new(at), s),
            9 => ActivateSubscriptionDecision.Decide(new(at), s),
            10 when days > 50 => CancelSubscriptionDecision.Decide(new(when, at), s),
            _ => CatchUpDecision.Decide(new(at), s),
        });
    });

    private static readonly Gen<Step> AnyStep = Gen.Select(Gen.Int[0, 30 * 24 * 60], AnyOrder, (minutes, order) => new Step(minutes, order));

    private static readonly Gen<SubscriptionEvent[]> AnyLife = Gen.Select(Gen.Int[-20, 40], AnyStep.Array[0, 25], (trial, steps) =>
    {
        var started = new SubscriptionStarted(Customer, Menu, Small, Jan1, null, trial > 0 ? Jan1.AddDays(trial) : null);
        var (events, state, at) = (new List<SubscriptionEvent> { started }, SubscriptionState.Evolve(SubscriptionState.Initial, started), Jan1);
        foreach (var step in steps.Append(new(0, (s, _) => CatchUpDecision.Decide(new(End), s))))
        {
            at = at.AddMinutes(step.Minutes) is var then && then < End ? then : End;
            var decided = step.Order(state, at).Events;
            events.AddRange(decided);
            state = decided.Aggregate(state, SubscriptionState.Evolve);
        }
        return events.ToArray();
    });

    private static Dictionary<string, PeriodEvent[]> Periods(SubscriptionEvent[] life)
    {
        var followed = FollowSubscription.Decide(Subscription, SubscriptionState.Initial, life, _ => PeriodState.Initial);
        Assert.Null(followed.Refused);
        return followed.Events.ToDictionary(p => p.PeriodId, p => p.Events.ToArray());
    }

    /// <summary>When it was active, by its own events alone.</summary>
    private static TimeSpan Active(SubscriptionEvent[] life)
    {
        var (total, since, state) = (TimeSpan.Zero, (DateTimeOffset?)null, SubscriptionState.Initial);
        foreach (var e in life)
        {
            state = SubscriptionState.Evolve(state, e);
            var active = ((SubscriptionState.Known)state).Status == SubscriptionStatus.Active;
            if (active == since is not null) continue;
            var at = e switch
            {
                SubscriptionStarted s => s.At,
                SubscriptionActivated a => a.EffectiveAt,
                SubscriptionPaused p => p.EffectiveAt,
                SubscriptionResumed r => r.EffectiveAt,
                SubscriptionCancelled c => c.EffectiveAt,
                _ => throw new InvalidOperationException($"{e} changed the status"),
            };
            if (active) since = at;
            else (total, since) = (total + (at - since!.Value), null);
        }
        return since is { } open ? total + (End - open) : total;
    }

    [Fact]
    public void The_time_that_is_charged_is_the_time_in_which_it_was_active() => AnyLife.Sample(life =>
    {
        var charged = Periods(life).Values.Select(events => FactsAfter(events)).Where(f => f.Start < End)
            .SelectMany(f => f.Plans.Served()).Where(s => !s.Segment.Trial).Aggregate(TimeSpan.Zero, (sum, s) => sum + (s.To - s.Segment.From));
        return charged == Active(life);
    });

    [Fact]
    public void B1_a_period_costs_its_plans_for_the_time_served_and_one_that_rests_throughout_nothing() => AnyLife.Sample(life => Periods(life).Values.Select(events => FactsAfter(events)).All(facts =>
    {
        var rated = InvoiceRating.Rate(facts, Book());
        var fees = facts.Plans.Served().Where(s => !s.Segment.Trial)
            .Sum(s => (decimal)Terms().Plan(s.Segment.PlanId)!.PeriodFeeMicros.Value * (s.To - s.Segment.From).Ticks / (facts.End - facts.Start).Ticks);
        return Micros.Sum(rated.Lines.Select(l => l.AmountMicros)) == rated.TotalMicros && Math.Abs(rated.TotalMicros.Value - fees) <= 5_001m
            && facts.IsEmpty == !facts.Plans.Served().Any() && (!facts.IsEmpty || rated.TotalMicros == Micros.Zero);
    }));

    [Fact]
    public void B4_the_live_view_of_a_period_that_rests_is_the_fold_from_zero() => AnyLife.Sample(life => Periods(life).All(p =>
    {
        var view = p.Value.Aggregate((PeriodView?)null, (v, e) => PeriodView.Fold(v is null ? null : JsonSerializer.Deserialize<PeriodView>(JsonSerializer.Serialize(v)), p.Key, e))!;
        return JsonSerializer.Serialize(view.Facts) == JsonSerializer.Serialize(FactsAfter(p.Value));
    }));
}
