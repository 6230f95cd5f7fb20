using System.Text;
using Billing.Documents;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Periods;

/// <summary>Days of a period as its customer's clocks have them.</summary>
public sealed class LocalTimeTests
{
    private static PeriodFacts FactsOf(string zone, DateTimeOffset within)
    {
        var anchor = new BillingAnchor(1, zone);
        var (start, end) = (BillingCalendar.StartOf(1, within.AddMonths(-1), anchor), BillingCalendar.StartOf(2, within.AddMonths(-1), anchor));
        return FactsAfter(Opened(Small) with { Start = start, End = end, LocalTime = LocalTime.Of(zone, start, end) });
    }

    [Theory]
    [InlineData("Europe/Berlin", 1, "2026-01-01 to 2026-01-31")]
    [InlineData("America/New_York", 1, "2026-01-01 to 2026-01-31")]
    [InlineData("Asia/Kathmandu", 2, "2026-02-01 to 2026-02-28")]
    [InlineData("Europe/Berlin", 3, "2026-03-01 to 2026-03-31")]
    [InlineData("Australia/Lord_Howe", 4, "2026-04-01 to 2026-04-30")]
    public void A_month_has_its_own_first_and_last_day_on_the_line_and_at_the_head(string zone, int month, string days)
    {
        var facts = FactsOf(zone, Jan1.AddMonths(month - 1).AddDays(14));
        var document = InvoiceDocument.Draft(facts, RatingTerms.Of(Book()));
        Assert.Equal($"Small, {days}", document.Rated.Lines[0].Description);
        Assert.Equal($"{days} ({zone})", Printing.Invoice(Encoding.UTF8.GetString(document.ToUtf8()), null, "draft").Facts.Single(f => f.Label == "Billing period").Value);
    }

    [Fact]
    public void Offsets_are_stored_where_clocks_change_within_the_period()
    {
        var march = FactsOf("Europe/Berlin", Mar1.AddDays(14)).LocalTime!;
        Assert.Equal([(Mar1.AddHours(-1), 60), (new DateTimeOffset(2026, 3, 29, 1, 0, 0, TimeSpan.Zero), 120)], march.Offsets.Select(o => (o.From, o.Minutes)));
        Assert.Empty(FactsOf("UTC", Mar1.AddDays(14)).LocalTime!.Offsets);
    }

    [Fact]
    public void A_period_of_before_local_time_was_noted_is_printed_as_it_was()
    {
        var document = InvoiceDocument.Draft(FactsAfter(Opened(Small)), RatingTerms.Of(Book()));
        Assert.Equal("Small, 2026-01-01 to 2026-02-01", document.Rated.Lines[0].Description);
        Assert.DoesNotContain("timeZone", Encoding.UTF8.GetString(document.ToUtf8()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_segment_ends_on_the_day_before_the_next_one_begins()
    {
        var change = new PeriodPlanChanged(Menu, Metered, false, Jan1.AddDays(10).AddHours(-1), Jan1);
        var start = Jan1.AddHours(-1);
        var facts = FactsAfter(Opened(Small) with { Start = start, End = Feb1.AddHours(-1), LocalTime = LocalTime.Of("Europe/Berlin", start, Feb1.AddHours(-1)) }, change);
        Assert.Equal(
            ["Small, 2026-01-01 to 2026-01-10, 32.2581 % of 2026-01-01 to 2026-01-31", "Metered, 2026-01-11 to 2026-01-31, 67.7419 % of 2026-01-01 to 2026-01-31"],
            InvoiceRating.Rate(facts, Book()).Lines.Select(l => l.Description));
    }
}
