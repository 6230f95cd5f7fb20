using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Serialization;

namespace Billing.Subscriptions;

[JsonConverter(typeof(JsonStringEnumConverter<SubscriptionStatus>))]
public enum SubscriptionStatus
{
    [JsonStringEnumMemberName("trialing")] Trialing,
    [JsonStringEnumMemberName("active")] Active,
    [JsonStringEnumMemberName("paused")] Paused,
    [JsonStringEnumMemberName("cancelled")] Cancelled,
}

/// <summary>What will happen at a time: a change of plan, or the end.</summary>
/// <param name="MenuId">empty for a cancellation, as the plan is</param>
public sealed record ScheduledChange(DateTimeOffset EffectiveAt, bool Cancels, string MenuId = "", string PlanId = "");

/// <summary>A time in which a subscription rests: that it is in, or that is to come.</summary>
/// <param name="ResumeAt">when it goes on by itself; null waits to be resumed</param>
public sealed record SubscriptionPause(DateTimeOffset From, DateTimeOffset? ResumeAt);

public abstract record SubscriptionState
{
    public sealed record None : SubscriptionState;

    /// <param name="FullStart">the start of the whole period of which period 0 is a part</param>
    /// <param name="CurrentPeriod">counted from 0</param>
    /// <param name="Plans">every plan it ever had: what usage may have recorded for it</param>
    /// <param name="Version">how many events the subscription has: what makes one snapshot newer than another</param>
    /// <param name="StartedTrialEnd">of a trial that was ended before its time: when it would have ended</param>
    /// <param name="Pause">that it is in while its status says so; else one that begins with the next period</param>
    public sealed record Known(
        string CustomerId, string MenuId, string PlanId, SubscriptionStatus Status, DateTimeOffset StartedAt, BillingAnchor? Anchor, DateTimeOffset FullStart,
        DateTimeOffset? TrialEnd, ScheduledChange? Scheduled, DateTimeOffset? CancelledAt, int CurrentPeriod, Period Current, Period Next,
        ValueList<string> Plans, DateTimeOffset ChangedAt, long Version,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SubscriptionPause? Pause = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? StartedTrialEnd = null) : SubscriptionState
    {
        /// <summary>When something must happen to it by itself; null when it is over.</summary>
        [JsonIgnore]
        public DateTimeOffset? NextDueAt
        {
            get
            {
                if (Status == SubscriptionStatus.Cancelled) return null;
                var due = Current.End;
                if (Scheduled is { } s && s.EffectiveAt < due) due = s.EffectiveAt;
                if (Status == SubscriptionStatus.Trialing && TrialEnd is { } t && t < due) due = t;
                if (Status == SubscriptionStatus.Paused && Pause!.ResumeAt is { } r && r < due) due = r;
                return due;
            }
        }
    }

    public static SubscriptionState Initial { get; } = new None();

    public static SubscriptionState Evolve(SubscriptionState state, SubscriptionEvent e) => (state, e) switch
    {
        (None, SubscriptionStarted s) => Started(s),
        (Known k, SubscriptionPeriodTurned t) when t.Number == k.CurrentPeriod + 1 => Step(k, t.At) with
        {
            CurrentPeriod = t.Number, Current = k.Next, Next = new(k.Next.End, t.NextEnd ?? Period.Monthly(k.StartedAt, t.Number + 1).End),
        },
        (Known { Status: SubscriptionStatus.Trialing } k, SubscriptionActivated a) => Step(k, a.At) with
        {
            Status = SubscriptionStatus.Active, TrialEnd = a.EffectiveAt, StartedTrialEnd = a.EffectiveAt == k.TrialEnd ? null : k.TrialEnd,
        },
        (Known { Status: not SubscriptionStatus.Cancelled } k, SubscriptionPlanChanged c) => Step(k, c.At) with
        {
            MenuId = c.MenuId, PlanId = c.PlanId, Scheduled = null, Plans = k.Plans.Contains(c.PlanId) ? k.Plans : [.. k.Plans, c.PlanId],
        },
        (Known { Status: not SubscriptionStatus.Cancelled } k, SubscriptionPlanChangeScheduled c) =>
            Step(k, c.At) with { Scheduled = new(c.EffectiveAt, Cancels: false, c.MenuId, c.PlanId) },
        (Known { Status: not SubscriptionStatus.Cancelled } k, SubscriptionCancellationScheduled c) =>
            Step(k, c.At) with { Scheduled = new(c.EffectiveAt, Cancels: true), Pause = k.Status == SubscriptionStatus.Paused ? k.Pause : null },
        (Known { Status: not SubscriptionStatus.Cancelled } k, SubscriptionScheduleWithdrawn w) => Step(k, w.At) with { Scheduled = null },
        (Known { Status: not SubscriptionStatus.Cancelled } k, SubscriptionCancelled c) =>
            Step(k, c.At) with { Status = SubscriptionStatus.Cancelled, Scheduled = null, Pause = null, CancelledAt = c.EffectiveAt },
        (Known { Status: SubscriptionStatus.Active } k, SubscriptionPaused p) => Step(k, p.At) with { Status = SubscriptionStatus.Paused, Pause = new(p.EffectiveAt, p.ResumeAt) },
        (Known { Status: SubscriptionStatus.Active } k, SubscriptionPauseScheduled p) => Step(k, p.At) with { Pause = new(p.EffectiveAt, p.ResumeAt) },
        (Known { Status: SubscriptionStatus.Active } k, SubscriptionPauseWithdrawn w) => Step(k, w.At) with { Pause = null },
        (Known { Status: SubscriptionStatus.Paused } k, SubscriptionResumed r) => Step(k, r.At) with { Status = SubscriptionStatus.Active, Pause = null },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };

    private static Known Started(SubscriptionStarted s)
    {
        var calendar = s.Calendar;
        var firstEnd = calendar?.FirstEnd ?? Period.Monthly(s.At, 0).End;
        return new(
            s.CustomerId, s.MenuId, s.PlanId, s.TrialEnd is null ? SubscriptionStatus.Active : SubscriptionStatus.Trialing, s.At, calendar?.Anchor,
            calendar?.FullStart ?? s.At.ToUniversalTime(), s.TrialEnd, null, null, 0, new(s.At.ToUniversalTime(), firstEnd),
            new(firstEnd, calendar?.SecondEnd ?? Period.Monthly(s.At, 1).End), [s.PlanId], s.At, 1);
    }

    private static Known Step(Known k, DateTimeOffset at) => k with { ChangedAt = at, Version = k.Version + 1 };
}

/// <summary>Period ids are derived, so that opening a period twice collides, and so that any service's period can be traced to its subscription.</summary>
public static class PeriodIds
{
    public static string Of(string subscriptionId, int number, DateTimeOffset start) =>
        Ids.Derive(Ids.Period, start, subscriptionId, number.ToString(CultureInfo.InvariantCulture));
}
