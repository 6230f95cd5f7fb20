namespace Billing.Periods;

/// <param name="Minutes">ahead of UTC, from then on</param>
public sealed record LocalOffset(DateTimeOffset From, int Minutes);

/// <summary>
/// What clocks show where the customer is, while a period lasts: printed days and dated terms go by them. The offsets are stored, as
/// the rules of the day on which the period was opened gave them, for rating must not change when the rules do.
/// </summary>
/// <param name="TimeZone">IANA</param>
/// <param name="Offsets">in order of time; none is UTC throughout</param>
public sealed record LocalTime(string TimeZone, ValueList<LocalOffset> Offsets)
{
    /// <summary>Only decisions ask here: what they learn is stored.</summary>
    public static LocalTime Of(string timeZone, DateTimeOffset from, DateTimeOffset to)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(timeZone);
        var offsets = new List<LocalOffset> { new(from, MinutesAt(from)) };
        for (var at = from; at < to;)
        {
            var next = at.AddDays(1) < to ? at.AddDays(1) : to;
            if (MinutesAt(next) != offsets[^1].Minutes) offsets.Add(new(Change(at, next), MinutesAt(next)));
            at = next;
        }
        return new(timeZone, offsets.All(o => o.Minutes == 0) ? [] : offsets.Where(o => o.From < to).ToValueList());

        int MinutesAt(DateTimeOffset at) => (int)zone.GetUtcOffset(at).TotalMinutes;

        DateTimeOffset Change(DateTimeOffset before, DateTimeOffset after)
        {
            for (var minutes = MinutesAt(before); after - before > TimeSpan.FromMinutes(1);)
            {
                var middle = before.AddMinutes(Math.Floor((after - before).TotalMinutes / 2));
                if (MinutesAt(middle) == minutes) before = middle;
                else after = middle;
            }
            return after;
        }
    }

    /// <summary>What clocks show at an instant, as if it were UTC: to be compared with dates.</summary>
    public DateTimeOffset At(DateTimeOffset instant)
    {
        var offset = Offsets.LastOrDefault(o => o.From <= instant) ?? (Offsets.Count > 0 ? Offsets[0] : null);
        return instant.ToUniversalTime().AddMinutes(offset?.Minutes ?? 0);
    }
}

/// <summary>Local time of a period's facts. Periods that were opened before it was noted go by UTC.</summary>
public static class LocalTimes
{
    /// <summary>What clocks show at the period's last moment: dated rates hold by it.</summary>
    public static DateTimeOffset LastMoment(this PeriodFacts facts) => Local(facts, facts.End.AddTicks(-1));

    public static DateTimeOffset Local(this PeriodFacts facts, DateTimeOffset at) => facts.LocalTime is { } local ? local.At(at) : at;
}
