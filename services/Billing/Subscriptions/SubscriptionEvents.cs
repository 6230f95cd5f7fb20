using System.Text.Json.Serialization;

namespace Billing.Subscriptions;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape. What was added to a record later is absent where it says nothing.
public abstract record SubscriptionEvent : AttributedEvent;

/// <param name="At">without a calendar also the anchor from which every period is counted</param>
/// <param name="TrialEnd">until then no fee; null without a trial</param>
public sealed record SubscriptionStarted(
    string CustomerId, string MenuId, string PlanId, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] StartedCalendar? Calendar = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? TrialEnd = null) : SubscriptionEvent;

/// <summary>Where the first boundaries lie, by the time zone rules of the day on which it was decided.</summary>
/// <param name="FullStart">the start of the whole period of which the first is a part</param>
public sealed record StartedCalendar(BillingAnchor Anchor, DateTimeOffset FullStart, DateTimeOffset FirstEnd, DateTimeOffset SecondEnd);

/// <summary>Business time passed into period <paramref name="Number"/>, and the one after it was promised to usage.</summary>
/// <param name="NextEnd">the end of the one after it; null where it follows from the anchor alone</param>
public sealed record SubscriptionPeriodTurned(
    int Number, DateTimeOffset At, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? NextEnd = null) : SubscriptionEvent;

/// <summary>The trial is over, by its end or by hand, and the fee runs.</summary>
public sealed record SubscriptionActivated(DateTimeOffset EffectiveAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>Another plan holds. Within a period only a plan of the same menu; another menu begins with a period.</summary>
public sealed record SubscriptionPlanChanged(string MenuId, string PlanId, DateTimeOffset EffectiveAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>Another plan will hold from the end of the current period. Takes the place of what was scheduled before.</summary>
public sealed record SubscriptionPlanChangeScheduled(string MenuId, string PlanId, DateTimeOffset EffectiveAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>The subscription will end. Takes the place of what was scheduled before.</summary>
public sealed record SubscriptionCancellationScheduled(DateTimeOffset EffectiveAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>What was scheduled will not happen.</summary>
public sealed record SubscriptionScheduleWithdrawn(DateTimeOffset At) : SubscriptionEvent;

/// <summary>It is over, for good: no fee and no new generation from then on.</summary>
public sealed record SubscriptionCancelled(DateTimeOffset EffectiveAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>It rests: no fee and no new generation until it is resumed.</summary>
/// <param name="ResumeAt">when it goes on by itself; null waits to be resumed</param>
public sealed record SubscriptionPaused(
    DateTimeOffset EffectiveAt, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? ResumeAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>It will rest from the end of the current period. Stands beside a change of plan that is scheduled.</summary>
public sealed record SubscriptionPauseScheduled(
    DateTimeOffset EffectiveAt, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? ResumeAt, DateTimeOffset At) : SubscriptionEvent;

/// <summary>The pause that was scheduled will not happen.</summary>
public sealed record SubscriptionPauseWithdrawn(DateTimeOffset At) : SubscriptionEvent;

/// <summary>The pause is over, at its time or by hand, and the fee runs.</summary>
public sealed record SubscriptionResumed(DateTimeOffset EffectiveAt, DateTimeOffset At) : SubscriptionEvent;
