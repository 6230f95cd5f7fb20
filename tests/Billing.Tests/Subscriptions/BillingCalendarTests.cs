using System.Globalization;
using Billing.Subscriptions;
using CsCheck;

namespace Billing.Tests.Subscriptions;

public sealed class BillingCalendarTests
{
    private static DateTimeOffset At(string utc) => DateTimeOffset.Parse(utc + "Z", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    /// <summary>Start, anchor day, time zone, start of the whole first period, and where periods 1, 2, 3 begin. All in UTC.</summary>
    public static TheoryData<string, int, string, string, string[]> Boundaries => new()
    {
        { "2026-01-10T12:00", 15, "UTC", "2025-12-15T00:00", ["2026-01-15T00:00", "2026-02-15T00:00", "2026-03-15T00:00"] },
        { "2026-01-20T12:00", 15, "UTC", "2026-01-15T00:00", ["2026-02-15T00:00", "2026-03-15T00:00", "2026-04-15T00:00"] },
        // On the anchor day a whole period begins, at whatever hour.
        { "2026-01-15T18:30", 15, "UTC", "2026-01-15T18:30", ["2026-02-15T00:00", "2026-03-15T00:00", "2026-04-15T00:00"] },
        // The 31st is the last day of shorter months, and the 31st again after them.
        { "2026-01-31T08:00", 31, "UTC", "2026-01-31T08:00", ["2026-02-28T00:00", "2026-03-31T00:00", "2026-04-30T00:00"] },
        { "2026-02-28T08:00", 31, "UTC", "2026-02-28T08:00", ["2026-03-31T00:00", "2026-04-30T00:00", "2026-05-31T00:00"] },
        // Leap years.
        { "2028-01-30T08:00", 30, "UTC", "2028-01-30T08:00", ["2028-02-29T00:00", "2028-03-30T00:00", "2028-04-30T00:00"] },
        { "2028-02-29T08:00", 29, "UTC", "2028-02-29T08:00", ["2028-03-29T00:00", "2028-04-29T00:00", "2028-05-29T00:00"] },
        // Local midnight: an hour before that of UTC in Berlin's winter, two in its summer, nine in Tokyo, five or four after it in New York.
        { "2026-02-10T12:00", 1, "Europe/Berlin", "2026-01-31T23:00", ["2026-02-28T23:00", "2026-03-31T22:00", "2026-04-30T22:00"] },
        { "2026-09-10T12:00", 1, "Europe/Berlin", "2026-08-31T22:00", ["2026-09-30T22:00", "2026-10-31T23:00", "2026-11-30T23:00"] },
        { "2026-01-31T16:00", 1, "Asia/Tokyo", "2026-01-31T16:00", ["2026-02-28T15:00", "2026-03-31T15:00", "2026-04-30T15:00"] },
        { "2026-02-10T12:00", 1, "America/New_York", "2026-02-01T05:00", ["2026-03-01T05:00", "2026-04-01T04:00", "2026-05-01T04:00"] },
        // Clocks skip midnight of 2018-11-04 in Sao Paulo: the day begins at one o'clock, the instant of the skip.
        { "2018-10-10T12:00", 4, "America/Sao_Paulo", "2018-10-04T03:00", ["2018-11-04T03:00", "2018-12-04T02:00", "2019-01-04T02:00"] },
        // Midnight comes twice on 2026-11-01 in Havana: the day begins with the first.
        { "2026-10-10T12:00", 1, "America/Havana", "2026-10-01T04:00", ["2026-11-01T04:00", "2026-12-01T05:00", "2027-01-01T05:00"] },
        // A day that never was: Apia left out 2011-12-30. The month's turn is not moved by it.
        { "2011-12-10T12:00", 31, "Pacific/Apia", "2011-11-30T10:00", ["2011-12-30T10:00", "2012-01-30T10:00", "2012-02-28T10:00"] },
    };

    [Theory, MemberData(nameof(Boundaries))]
    public void Periods_turn_at_local_midnight_of_the_anchor_day(string start, int day, string zone, string fullStart, string[] boundaries)
    {
        var anchor = new BillingAnchor(day, zone);
        Assert.Equal(At(fullStart), BillingCalendar.FullStart(At(start), anchor));
        Assert.Equal(At(start), BillingCalendar.StartOf(0, At(start), anchor));
        Assert.Equal(boundaries.Select(At), Enumerable.Range(1, 3).Select(n => BillingCalendar.StartOf(n, At(start), anchor)));
    }

    [Fact]
    public void Without_an_anchor_periods_are_months_from_the_instant_of_the_start() => Assert.Equal(
        [At("2026-01-31T10:30"), At("2026-02-28T10:30"), At("2026-03-31T10:30")],
        Enumerable.Range(0, 3).Select(n => BillingCalendar.StartOf(n, At("2026-01-31T10:30"), null)));

    [Fact]
    public void Boundaries_follow_each_other_a_month_apart() => Gen.Select(
        Gen.Long[0, 20L * 365 * 24 * 60], Gen.Int[1, 31],
        Gen.OneOf(Gen.Const("UTC"), Gen.Const("Europe/Berlin"), Gen.Const("America/New_York"), Gen.Const("Asia/Kolkata"), Gen.Const("Australia/Lord_Howe"), Gen.Const("Africa/Cairo")))
        .Sample((minutes, day, zone) =>
        {
            var (start, anchor) = (At("2015-01-01T00:00").AddMinutes(minutes), new BillingAnchor(day, zone));
            var starts = Enumerable.Range(0, 15).Select(n => BillingCalendar.StartOf(n, start, anchor)).ToArray();
            var lengths = starts.Skip(1).Zip(starts.Skip(2), (a, b) => (b - a).TotalDays);
            return BillingCalendar.FullStart(start, anchor) <= start && starts[1] > start && (starts[1] - start).TotalDays <= 31.1 && lengths.All(d => d is > 27.9 and < 31.1);
        });

    /// <summary>Programs write them for "always" and "never".</summary>
    [Theory, InlineData("Asia/Tokyo"), InlineData("America/Los_Angeles"), InlineData("UTC")]
    public void The_first_and_the_last_day_that_there_is_have_a_moment_everywhere(string zone)
    {
        Assert.InRange(BillingCalendar.MomentOf(DateTimeOffset.MinValue, zone), DateTimeOffset.MinValue, DateTimeOffset.MinValue.AddDays(1));
        Assert.InRange(BillingCalendar.MomentOf(DateTimeOffset.MaxValue, zone), DateTimeOffset.MaxValue.AddDays(-1), DateTimeOffset.MaxValue);
    }

    [Fact]
    public void Only_names_of_IANA_are_known() =>
        Assert.Equal([true, true, false, false, false], new[] { "Europe/Berlin", "UTC", "W. Europe Standard Time", "Mars/Olympus", "" }.Select(BillingCalendar.Knows));
}
