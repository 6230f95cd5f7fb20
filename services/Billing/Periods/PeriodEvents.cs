using System.Text.Json.Serialization;

namespace Billing.Periods;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape. What was added to a record later is absent where it says nothing.
public abstract record PeriodEvent;

/// <summary>
/// The period exists and takes usage. It is opened when a snapshot first names it to usage, which is one period ahead: usage
/// that arrives right at the turn always finds its stream.
/// </summary>
/// <param name="PreviousPeriodId">empty for the first</param>
/// <param name="FullStart">the start of the whole period of which this one is a part; null when it is whole</param>
/// <param name="Trial">it begins in a trial</param>
/// <param name="LocalTime">by which its days are named; null where it is older than that, and goes by UTC</param>
/// <param name="Paused">it begins in a pause</param>
/// <param name="Ended">the subscription was cancelled before it began: it only takes what usage recorded late</param>
public sealed record PeriodOpened(
    string SubscriptionId, string CustomerId, string MenuId, string PlanId, int Number, DateTimeOffset Start, DateTimeOffset End,
    string PreviousPeriodId, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? FullStart = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Trial = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Ended = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] LocalTime? LocalTime = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Paused = false) : PeriodEvent;

/// <summary>Another plan holds, or the same one without trial, or it rests or goes on. Another menu only from the period's start.</summary>
/// <param name="Paused">the subscription is paused from then on: the plan is kept and costs nothing</param>
public sealed record PeriodPlanChanged(
    string MenuId, string PlanId, bool Trial, DateTimeOffset From, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Paused = false) : PeriodEvent;

/// <summary>The subscription was cancelled: no plan holds from then on, and the fee ends with it.</summary>
public sealed record PeriodPlanEnded(DateTimeOffset From, DateTimeOffset At) : PeriodEvent;

/// <summary>What one report of usage says about this period. After PeriodClosed it is late, by definition: the order in the stream is the truth.</summary>
/// <param name="RecordedAt">business time of the report</param>
/// <param name="Chain">usage's chain value after the report, 64 hex digits: no other rows have it; null where the event is older than that it was kept</param>
public sealed record UsageApplied(
    int Shard, long Report, ValueList<PlanTokens> Lines, DateTimeOffset RecordedAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Chain = null) : PeriodEvent;

/// <summary>Late usage of an earlier, closed period will be invoiced with this one.</summary>
/// <param name="ThroughVersion">the version of the closed period up to which its late usage is carried</param>
/// <param name="Before">what had been invoiced for it until now, here or with an earlier adjustment</param>
/// <param name="FromPlans">which plans held in it; null when one did, throughout, and all of this usage is its</param>
public sealed record LateUsageAdded(
    string FromPeriodId, string FromMenuId, int FromNumber, DateTimeOffset FromStart, DateTimeOffset FromEnd, long ThroughVersion,
    ValueList<PlanTokens> Before, ValueList<PlanTokens> Added, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] PlanTimes? FromPlans = null) : PeriodEvent;

/// <param name="Cut">up to which reports every shard of usage was complete when it was asked; one that came in before this event is in the invoice too</param>
/// <param name="CustomerDetailsSha256">of the details that the customer had then, as in CustomerDetailsRecorded; null without any</param>
public sealed record PeriodClosed(
    ValueList<ReportHead> Cut, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? CustomerDetailsSha256 = null) : PeriodEvent;

/// <summary>The late usage of this closed period up to <paramref name="ThroughVersion"/> is invoiced with another period.</summary>
public sealed record LateUsageCarried(string IntoPeriodId, long ThroughVersion, DateTimeOffset At) : PeriodEvent;

public sealed record ReportHead(int Shard, long Number);
