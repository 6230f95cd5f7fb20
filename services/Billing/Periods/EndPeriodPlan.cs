namespace Billing.Periods;

/// <summary>Ends the plan of a period, for the subscription was cancelled. Committed together with the cancellation.</summary>
public sealed record EndPeriodPlan(DateTimeOffset From, DateTimeOffset At);

public static class EndPeriodPlanDecision
{
    public static Decision<PeriodEvent> Decide(EndPeriodPlan c, PeriodState state) => state switch
    {
        PeriodState.Open o when o.Facts.Plans.EndedAt <= c.From => Decision.NoChange,
        PeriodState.Open o when c.From < o.Facts.Start || c.From >= o.Facts.End =>
            Decision.Refuse("outside_period", $"{c.From:O} is not within {o.Facts.Start:O} to {o.Facts.End:O}"),
        PeriodState.Open => Decision.Accept<PeriodEvent>(new PeriodPlanEnded(c.From, c.At)),
        _ => Decision.Refuse("period_not_open", "only an open period can change: what is closed is invoiced"),
    };
}
