namespace Billing.Periods;

/// <summary>Lets another plan hold in a period, or the same one without trial, or rest. Committed together with the subscription's event that caused it.</summary>
public sealed record ChangePeriodPlan(string MenuId, string PlanId, bool Trial, DateTimeOffset From, DateTimeOffset At, bool Paused = false);

public static class ChangePeriodPlanDecision
{
    public static Decision<PeriodEvent> Decide(ChangePeriodPlan c, PeriodState state) => state switch
    {
        PeriodState.Open o when o.Facts.MenuId == c.MenuId && o.Facts.Plans.With(c.PlanId, c.From, c.Trial, c.Paused) == o.Facts.Plans => Decision.NoChange,
        PeriodState.Open o when c.From < o.Facts.Start || c.From >= o.Facts.End =>
            Decision.Refuse("outside_period", $"{c.From:O} is not within {o.Facts.Start:O} to {o.Facts.End:O}"),
        PeriodState.Open o when c.MenuId != o.Facts.MenuId && c.From > o.Facts.Start =>
            Decision.Refuse("menu_within_period", "a period is rated by one menu: another one begins with a period"),
        PeriodState.Open => Decision.Accept<PeriodEvent>(new PeriodPlanChanged(c.MenuId, c.PlanId, c.Trial, c.From, c.At, c.Paused)),
        _ => Decision.Refuse("period_not_open", "only an open period can change: what is closed is invoiced"),
    };
}
