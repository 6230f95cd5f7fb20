using Billing.Invoices;
using Billing.Ledger;
using Billing.Rating;
using Billing.Statements;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Statements;

/// <summary>Invoices of 100.00, each due 14 days after its number.</summary>
public sealed class CustomerStatementTests
{
    private static readonly Currency Eur = Currency.Parse("EUR");
    private long _sequence;

    private static DateTimeOffset Feb(int day) => Feb1.AddDays(day - 1);

    private List<RecordedEvent<InvoiceEvent>> Invoice(string number, DateTimeOffset at, Currency currency, params InvoiceEvent[] after) =>
        [.. new InvoiceEvent[] { new InvoiceTermsCut("acct_1", 1, 2, at.AddDays(14), at, RatingVersion: RatingVersions.Latest), new InvoiceFinalized(number, "per_1", Subscription, Customer, currency, new(100_000_000), "ab", at) }
            .Concat(after).Select((e, i) => new RecordedEvent<InvoiceEvent>($"inv_{number}", i + 1, ++_sequence, e))];

    private static PaymentRecorded Paid(int euros, DateTimeOffset paidAt) => new("bank", "4711", new(euros * 1_000_000), paidAt, paidAt.AddDays(1));

    private static string[] Told(CustomerStatement s) => [.. s.Lines.Select(l => $"{l.At:MM-dd} {l.Kind} {l.Number} {l.Text}: {l.AmountMicros.ToMajorUnits(Usd)} = {l.BalanceMicros.ToMajorUnits(Usd)}")];

    [Fact]
    public void Lines_stand_by_the_date_that_they_count_for_with_what_is_owed_after_each()
    {
        var statement = CustomerStatement.Of(
            [
                Invoice("INV-1", Jan1, Usd, Paid(40, Feb(2)), new CreditNoteIssued("cn_1", "CN-1", "outage", [], new(10_000_000), "cd", Feb(4))),
                Invoice("INV-2", Feb1, Usd, new InvoiceVoided("wrong plan", Feb(3)) { By = new("ada", "") }),
                Invoice("INV-3", Feb(5), Usd, Paid(130, Feb(6)), new RefundRecorded("bank", "4712", new(30_000_000), Feb(7), Feb(8))),
            ], new(Feb1, Mar1)).Single();
        Assert.Equal(100_000_000, statement.OpeningMicros.Value);
        Assert.Equal(
            [
                "02-01 invoice INV-2 : 100.00 = 200.00", "02-02 payment INV-1 bank 4711: -40.00 = 160.00", "02-03 void INV-2 wrong plan: -100.00 = 60.00", "02-04 credit_note INV-1 CN-1: outage: -10.00 = 50.00",
                "02-05 invoice INV-3 : 100.00 = 150.00", "02-06 payment INV-3 bank 4711: -130.00 = 20.00", "02-07 refund INV-3 bank 4712: 30.00 = 50.00",
            ], Told(statement));
        Assert.Equal(50_000_000, statement.ClosingMicros.Value);
    }

    [Fact]
    public void What_was_written_off_is_not_owed_and_what_comes_in_after_all_is_no_credit()
    {
        var statement = CustomerStatement.Of([Invoice("INV-1", Jan1, Usd, new InvoiceWrittenOff(new(100_000_000), "insolvent", Feb(2)), Paid(60, Feb(3)))], new(Jan1, Mar1)).Single();
        Assert.Equal(
            ["01-01 invoice INV-1 : 100.00 = 100.00", "02-02 write_off INV-1 insolvent: -100.00 = 0.00", "02-03 payment INV-1 bank 4711: -60.00 = -60.00", "02-03 recovery INV-1 written off before: 60.00 = 0.00"], Told(statement));
        Assert.Equal(0, statement.ClosingMicros.Value);
    }

    [Fact]
    public void Each_currency_has_a_statement_of_its_own() =>
        Assert.Equal(["EUR 100.00", "USD 200.00"], CustomerStatement.Of([Invoice("INV-1", Jan1, Usd), Invoice("INV-2", Jan1, Eur), Invoice("INV-3", Jan1, Usd)], new(Jan1, Mar1)).Select(s => $"{s.Currency} {s.ClosingMicros.ToMajorUnits(s.Currency)}"));

    [Theory, InlineData(-1, 0), InlineData(0, 0), InlineData(0.1, 1), InlineData(30, 1), InlineData(30.1, 2), InlineData(60, 2), InlineData(61, 3), InlineData(90, 3), InlineData(90.1, 4), InlineData(400, 4)]
    public void What_is_owed_ages_by_the_days_for_which_it_is_late(double daysLate, int bucket)
    {
        var end = Jan1.AddDays(14 + daysLate);
        var ageing = CustomerStatement.Of([Invoice("INV-1", Jan1, Usd)], new(Jan1, end)).Single().Ageing;
        Assert.Equal(Enumerable.Range(0, 5).Select(b => b == bucket ? 100_000_000L : 0), new[] { ageing.CurrentMicros, ageing.To30DaysMicros, ageing.To60DaysMicros, ageing.To90DaysMicros, ageing.Over90DaysMicros }.Select(m => m.Value));
    }

    /// <summary>Days in which a span ends, after an invoice that is to be paid by the 15th: the 15th itself, the 16th, the 30th day after it and the one after that.</summary>
    [Theory, InlineData(15, 0), InlineData(16, 1), InlineData(45, 1), InlineData(46, 2)]
    public void An_age_is_of_whole_days_whenever_on_them_it_is_asked_for(int day, int bucket)
    {
        foreach (var hour in new[] { 0.1, 12, 24 })
        {
            var end = Jan1.AddDays(day - 1).AddHours(hour);
            // Final at one o'clock or at midnight: an invoice of before its last day was whole names the same day.
            foreach (var (finalAt, due, version) in new[]
            {
                (Jan1.AddHours(1), Jan1.AddDays(15), RatingVersions.Latest), (Jan1.AddHours(1), Jan1.AddDays(14).AddHours(1), RatingVersions.AsAgreedThen),
                (Jan1, Jan1.AddDays(15), RatingVersions.Latest), (Jan1, Jan1.AddDays(14), RatingVersions.AsAgreedThen),
            })
            {
                var events = Invoice("INV-1", finalAt, Usd);
                events[0] = events[0] with { Event = ((InvoiceTermsCut)events[0].Event) with { DueAt = due, RatingVersion = version } };
                var ageing = CustomerStatement.Of([events], new(Jan1, end)).Single().Ageing;
                Assert.Equal(bucket, Array.FindIndex([ageing.CurrentMicros, ageing.To30DaysMicros, ageing.To60DaysMicros], m => m != Micros.Zero));
            }
        }
    }

    [Fact]
    public void What_was_paid_too_much_stands_below_zero_and_makes_nothing_else_younger()
    {
        var ageing = CustomerStatement.Of([Invoice("INV-1", Jan1, Usd), Invoice("INV-2", Jan1, Usd, Paid(110, Feb1))], new(Jan1, Mar1)).Single().Ageing;
        Assert.Equal((-10_000_000, 100_000_000), (ageing.CurrentMicros.Value, ageing.To60DaysMicros.Value));
    }
}
