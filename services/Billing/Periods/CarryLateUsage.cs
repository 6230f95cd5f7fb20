namespace Billing.Periods;

/// <summary>Notes on a closed period that its late usage is invoiced with another one. Committed together with that one's adjustment.</summary>
public sealed record CarryLateUsage(string IntoPeriodId, DateTimeOffset At);

public static class CarryLateUsageDecision
{
    public static Decision<PeriodEvent> Decide(CarryLateUsage c, PeriodState state) => state switch
    {
        PeriodState.Closed { HasLate: true } s => Decision.Accept<PeriodEvent>(new LateUsageCarried(c.IntoPeriodId, s.Version, c.At)),
        PeriodState.Closed => Decision.NoChange,
        _ => Decision.Refuse("period_not_closed", "only a closed period has late usage"),
    };
}
