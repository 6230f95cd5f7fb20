namespace Kernel.Tests;

public class PeriodTests
{
    [Theory]
    [InlineData("2026-01-31", 1, "2026-02-28", "2026-03-31")]
    [InlineData("2027-12-31", 2, "2028-02-29", "2028-03-31")]
    [InlineData("2026-01-15", 11, "2026-12-15", "2027-01-15")]
    public void Monthly_periods_are_counted_from_the_anchor(string anchor, int number, string start, string end) =>
        Assert.Equal(new Period(Utc(start), Utc(end)), Period.Monthly(Utc(anchor), number));

    [Fact]
    public void Every_instant_belongs_to_exactly_one_period()
    {
        var anchor = Utc("2026-01-31");
        for (var n = 0; n < 30; n++)
        {
            var (period, next) = (Period.Monthly(anchor, n), Period.Monthly(anchor, n + 1));
            Assert.Equal(period.End, next.Start);
            Assert.False(period.Contains(period.End));
            Assert.True(next.Contains(period.End));
        }
    }

    private static DateTimeOffset Utc(string date) => DateTimeOffset.Parse(date + "T00:00:00Z", System.Globalization.CultureInfo.InvariantCulture);
}
