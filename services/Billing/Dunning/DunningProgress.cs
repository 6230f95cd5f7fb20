using System.Text.Json.Serialization;

namespace Billing.Dunning;

/// <summary>
/// How far an invoice is on its schedule. Time in which nothing is left to pay, or in which somebody holds it, does not count: what is still to come moves by as much, so that a
/// dispute of a month is not followed by a month of reminders at once.
/// </summary>
/// <param name="From">what the schedule's days count from; later than the due date by all the time that did not count</param>
/// <param name="StoppedAt">since when time does not count; null while it does</param>
/// <param name="ExhaustedAt">when the final action was taken</param>
/// <param name="FinalActionRefused">why it changed nothing at the subscription, as a code; null where it did what it says. It stays, whatever becomes of the subscription: nobody takes the action again by itself</param>
public sealed record DunningProgress(
    DunningSchedule Schedule, DateTimeOffset From, int StepsTaken = 0, DateTimeOffset? StoppedAt = null, DateTimeOffset? ExhaustedAt = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? FinalActionRefused = null)
{
    /// <summary>Whether the final action comes next.</summary>
    public bool HasTakenAllSteps => StepsTaken == Schedule.StepDays.Count;

    /// <summary>When the next step or the final action is due; null when nothing comes, or not yet again.</summary>
    public DateTimeOffset? NextAt => this is { ExhaustedAt: null, StoppedAt: null } ? From.AddDays(HasTakenAllSteps ? Schedule.FinalDay : Schedule.StepDays[StepsTaken]) : null;

    /// <summary>What the schedule's days count from after the next step is taken at a moment, where it is taken so late that what follows moves with it: the step after it is due by then, or what follows is the
    /// final action. Null where nothing moves.</summary>
    public DateTimeOffset? MovedBy(DateTimeOffset at)
    {
        var moved = at.AddDays(-Schedule.StepDays[StepsTaken]);
        var isLast = StepsTaken + 1 == Schedule.StepDays.Count;
        return moved > From && (isLast || From.AddDays(Schedule.StepDays[StepsTaken + 1]) <= at) ? moved : null;
    }

    /// <summary>From a moment on time counts, or does not.</summary>
    public DunningProgress Counting(bool counts, DateTimeOffset at) => (counts, StoppedAt) switch
    {
        (false, null) => this with { StoppedAt = at },
        (true, { } since) => this with { StoppedAt = null, From = From + (at - since) },
        _ => this,
    };
}

/// <summary>Where an invoice stands between falling due and being settled.</summary>
public enum DunningStatus
{
    /// <summary>Nothing of it is late, and never was.</summary>
    Current,

    /// <summary>It is late, and no step was taken.</summary>
    Overdue,

    /// <summary>The customer was asked again.</summary>
    InDunning,

    /// <summary>Somebody holds it, for a dispute say.</summary>
    OnHold,

    /// <summary>It was late, and nothing is left to pay.</summary>
    Resolved,

    /// <summary>Every step was taken, and the final action.</summary>
    Exhausted,
}

public static class DunningStatuses
{
    public static string Name(this DunningStatus status) => status switch
    {
        DunningStatus.Current => "current",
        DunningStatus.Overdue => "overdue",
        DunningStatus.InDunning => "in_dunning",
        DunningStatus.OnHold => "on_hold",
        DunningStatus.Resolved => "resolved",
        DunningStatus.Exhausted => "exhausted",
    };

    public static IEnumerable<string> All => Enum.GetValues<DunningStatus>().Select(Name);
}
