namespace Billing.Periods;

/// <summary>
/// Closes the books of a period. What became late on earlier ones is added first, so that it is on this period's invoice.
/// </summary>
/// <param name="Previous">the period before; None for the first</param>
/// <param name="EarlierClosed">closed periods of the subscription that may have late usage, the previous one among them</param>
/// <param name="CustomerDetailsSha256">of the customer's details as they stand; empty without any</param>
/// <param name="Cut">the reports that billing had applied when usage was asked after the period's end and grace</param>
public sealed record ClosePeriod(
    PeriodState Previous, IReadOnlyList<PeriodState.Closed> EarlierClosed, ValueList<ReportHead> Cut, TimeSpan Grace, DateTimeOffset At,
    string CustomerDetailsSha256 = "");

public static class ClosePeriodDecision
{
    public static Decision<PeriodEvent> Decide(ClosePeriod c, PeriodState state) => state switch
    {
        PeriodState.None => Decision.Refuse("period_unknown", "there is no such period"),
        PeriodState.Closed => Decision.NoChange,
        PeriodState.Open o when c.At < o.Facts.End + c.Grace =>
            Decision.Refuse("period_not_over", $"the period ends at {o.Facts.End:O} and closes {c.Grace} later"),
        PeriodState.Open { Facts.Number: > 0 } when c.Previous is not PeriodState.Closed =>
            Decision.Refuse("previous_period_open", "periods close in order: the one before is still open"),
        PeriodState.Open => Decision.Accept<PeriodEvent>([.. LateUsage.Of(c.EarlierClosed, c.At), new PeriodClosed(c.Cut, c.At, c.CustomerDetailsSha256.Length > 0 ? c.CustomerDetailsSha256 : null)]),
        _ => throw new System.Diagnostics.UnreachableException(),
    };
}

public static class LateUsage
{
    /// <summary>What closed periods have that no invoice demands yet, as it is added to the period that is closed next.</summary>
    public static IEnumerable<LateUsageAdded> Of(IEnumerable<PeriodState.Closed> earlier, DateTimeOffset at) => earlier.Where(e => e.HasLate).OrderBy(e => e.Facts.Number).Select(e =>
        new LateUsageAdded(e.Facts.PeriodId, e.Facts.MenuId, e.Facts.Number, e.Facts.Start, e.Facts.End, e.Version, e.Billed, e.Late, at,
            e.Facts.Plans.IsPlainFor(e.Billed) && e.Facts.Plans.IsPlainFor(e.Late) ? null : e.Facts.Plans));
}
