namespace Billing.Subscriptions;

/// <summary>Periods turn at local midnight of this day of the month, or of the month's last day where it is shorter.</summary>
/// <param name="DayOfMonth">1 to 31</param>
/// <param name="TimeZone">IANA, such as Europe/Berlin</param>
public sealed record BillingAnchor(int DayOfMonth, string TimeZone);

/// <summary>
/// Where the boundaries of billing periods lie. Without an anchor they are counted in months from the instant of the start, in UTC. With one,
/// the first period runs from the start to the first anchor day after it, and each later one from anchor day to anchor day.
/// Only decisions ask here, and what they learn is stored with their events: a fold must not depend on the time zone rules of the day.
/// </summary>
public static class BillingCalendar
{
    public static bool Knows(string timeZone) => timeZone.Length > 0 && TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out var zone) && zone.HasIanaId;

    /// <summary>The start of a period, in UTC; period 0 starts with the subscription. The end of period n is the start of n + 1.</summary>
    public static DateTimeOffset StartOf(int number, DateTimeOffset startedAt, BillingAnchor? anchor) =>
        number == 0 ? startedAt.ToUniversalTime()
        : anchor is null ? Period.Monthly(startedAt, number).Start
        : Boundary(startedAt, anchor, number);

    /// <summary>
    /// The start of the whole period of which the first one is a part: what its fee is a fraction of. Who starts on the anchor day
    /// starts a whole period.
    /// </summary>
    public static DateTimeOffset FullStart(DateTimeOffset startedAt, BillingAnchor? anchor)
    {
        if (anchor is null) return startedAt.ToUniversalTime();
        var before = Boundary(startedAt, anchor, 0);
        var zone = TimeZoneInfo.FindSystemTimeZoneById(anchor.TimeZone);
        return Local(before, zone).Date == Local(startedAt, zone).Date ? startedAt.ToUniversalTime() : before;
    }

    /// <summary>The n-th boundary after the start; 0 is the last one at or before it.</summary>
    private static DateTimeOffset Boundary(DateTimeOffset startedAt, BillingAnchor anchor, int number)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(anchor.TimeZone);
        var local = Local(startedAt, zone);
        var month = new DateOnly(local.Year, local.Month, 1);
        if (Midnight(DayOf(month, anchor.DayOfMonth), zone) > startedAt) month = month.AddMonths(-1);
        return Midnight(DayOf(month.AddMonths(number), anchor.DayOfMonth), zone);
    }

    private static DateOnly DayOf(DateOnly month, int day) => month.AddDays(Math.Min(day, DateTime.DaysInMonth(month.Year, month.Month)) - 1);

    /// <summary>The first instant of a day, in UTC.</summary>
    public static DateTimeOffset StartOf(DateOnly day, string timeZone) => Midnight(day, TimeZoneInfo.FindSystemTimeZoneById(timeZone));

    /// <summary>The first instant of the day. Where clocks skip midnight it is the instant of the skip; where midnight comes twice, the first one.</summary>
    private static DateTimeOffset Midnight(DateOnly day, TimeZoneInfo zone)
    {
        var local = day.ToDateTime(TimeOnly.MinValue);
        if (zone.IsInvalidTime(local)) return new DateTimeOffset(local, zone.GetUtcOffset(local.AddHours(-3))).ToUniversalTime();
        var offset = zone.IsAmbiguousTime(local) ? zone.GetAmbiguousTimeOffsets(local).Max() : zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset).ToUniversalTime();
    }

    /// <summary>What clocks show at an instant, as if it were UTC: to be compared with dates.</summary>
    public static DateTimeOffset Shown(DateTimeOffset at, string timeZone) => new(Local(at, TimeZoneInfo.FindSystemTimeZoneById(timeZone)), TimeSpan.Zero);

    /// <summary>The first instant at which clocks show it; the first or the last one that there is, where they show it before or after that.</summary>
    /// <param name="shown">as if it were UTC; where clocks skip it, the instant at which they would have shown it without that</param>
    public static DateTimeOffset MomentOf(DateTimeOffset shown, string timeZone)
    {
        var (local, zone) = (shown.DateTime, TimeZoneInfo.FindSystemTimeZoneById(timeZone));
        var offset = zone.IsAmbiguousTime(local) ? zone.GetAmbiguousTimeOffsets(local).Max() : zone.GetUtcOffset(local);
        return shown.UtcTicks - offset.Ticks < DateTimeOffset.MinValue.UtcTicks ? DateTimeOffset.MinValue : shown.UtcTicks - offset.Ticks > DateTimeOffset.MaxValue.UtcTicks ? DateTimeOffset.MaxValue : shown - offset;
    }

    private static DateTime Local(DateTimeOffset at, TimeZoneInfo zone) => TimeZoneInfo.ConvertTime(at, zone).DateTime;
}
