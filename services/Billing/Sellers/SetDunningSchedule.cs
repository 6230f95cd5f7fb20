using Billing.Dunning;

namespace Billing.Sellers;

/// <summary>Says when and how often customers are asked again for what they did not pay in time. It holds for invoices that fall overdue from now on.</summary>
/// <param name="Schedule">null for never</param>
public sealed record SetDunningSchedule(DunningSchedule? Schedule, DateTimeOffset At);

public static class SetDunningScheduleDecision
{
    public static Decision<SellerEvent> Decide(SetDunningSchedule c, SellerState state)
    {
        if (c.Schedule == state.Dunning) return Decision.NoChange;
        if (c.Schedule is { } schedule)
        {
            if (schedule.StepDays.Count is 0 or > DunningSchedule.StepsMax) return Decision.Refuse("dunning_schedule_invalid", $"a schedule has 1 to {DunningSchedule.StepsMax} steps, such as the days 1, 3, 7, 14");
            int[] days = [.. schedule.StepDays, schedule.FinalDay];
            if (days.Any(d => d is < 0 or > DunningSchedule.DayMax) || days.Zip(days.Skip(1)).Any(d => d.First >= d.Second))
                return Decision.Refuse("dunning_schedule_invalid", $"days are counted from the due date, from 0 to {DunningSchedule.DayMax}, each after the one before, and the final day after all of them");
        }
        return Decision.Accept<SellerEvent>(new DunningScheduleSet(c.Schedule, c.At));
    }
}
