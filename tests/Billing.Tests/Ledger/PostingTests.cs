using System.Globalization;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Ledger;
using Billing.Periods;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Ledger;

/// <summary>January on Metered: 5.00, and 600,000 tokens beyond the cap for 7.50; 19 % VAT. Final an hour after its end.</summary>
public sealed class PostingTests
{
    private static readonly DateTimeOffset Final = Feb1 + Grace;
    private readonly LedgerBooks _books = new();

    private string January_(params PeriodEvent[] more) => _books.Finalize(FactsAfter([Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), .. more]), Final);
    private static DateTimeOffset Feb(int day) => Feb1.AddDays(day - 1);

    public PostingTests() => _books.Keep(Decision.Accept<AccountEvent>(Taxed()));

    [Fact]
    public void Revenue_is_earned_while_it_is_served_and_demanded_by_the_invoice()
    {
        January_();
        Assert.Equal(
            [
                "01-31 revenue_recognized: Unbilled revenue 12.50, Subscription revenue -5.00, Usage revenue -7.50",
                "02-01 invoice_finalized: Receivables 14.88, Tax payable -2.38, Unbilled revenue -12.50",
            ], _books.Told(LedgerBooks.Ever));
    }

    public static TheoryData<string, long, long, long> Moments => new()
    {
        { "2026-01-01T00:00:00Z", 0, 0, 0 },
        { "2026-01-01T00:00:01Z", 3, 1, 2 }, // 5,000,000 / 2,678,400 s is 1.87 a second, 7,500,000 is 2.8: rounded down apart
        { "2026-01-16T12:00:00Z", 6_250_000, 2_500_000, 3_750_000 },
        { "2026-01-31T23:59:59Z", 12_499_995, 4_999_998, 7_499_997 },
        { "2026-02-01T00:00:00Z", 12_500_000, 5_000_000, 7_500_000 },
        { "2026-02-01T02:00:00Z", 0, 5_000_000, 7_500_000 },
    };

    [Theory, MemberData(nameof(Moments))]
    public void What_is_earned_and_not_invoiced_is_unbilled_on_every_date(string before, long unbilled, long subscription, long usage)
    {
        January_();
        var balance = _books.Balance(DateTimeOffset.Parse(before, System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal((unbilled, subscription, usage), (Of(balance, LedgerAccount.Unbilled), -Of(balance, LedgerAccount.SubscriptionRevenue), -Of(balance, LedgerAccount.UsageRevenue)));
    }

    [Fact]
    public void An_invoice_before_its_time_is_deferred_until_it_is_served()
    {
        var amounts = new InvoicedAmounts(new(Jan1, Feb1), [new(LedgerAccount.SubscriptionRevenue, new(31_000_000), [new(Jan1, Feb1)])], []);
        RecordedEvent<InvoiceEvent>[] events = [new("inv_1", 1, 1, new InvoiceFinalized("INV-1", January, Subscription, Customer, Usd, new(31_000_000), "", Jan1.AddDays(10)))];
        var postings = new InvoicePostings(events, amounts);
        (long, long, long) Stands(DateTimeOffset before)
        {
            var balance = TrialBalance.Of(postings.Entries(LedgerBooks.Before(before)));
            return (Of(balance, LedgerAccount.Unbilled), -Of(balance, LedgerAccount.DeferredRevenue), Of(balance, LedgerAccount.Receivables));
        }
        Assert.Equal((10_000_000, 0, 0), Stands(Jan1.AddDays(10)));
        Assert.Equal((0, 21_000_000, 31_000_000), Stands(Jan1.AddDays(10).AddTicks(1)));
        Assert.Equal((0, 14_000_000, 31_000_000), Stands(Jan1.AddDays(17)));
        Assert.Equal((0, 0, 31_000_000), Stands(Feb1));
    }

    [Fact]
    public void A_period_over_two_months_is_recognized_month_by_month()
    {
        var start = Jan1.AddDays(21);
        _books.Finalize(FactsAfter(Opened(Small) with { Start = start, End = start.AddDays(20) }), start.AddDays(21));
        Assert.Equal(
            [
                "01-31 revenue_recognized: Unbilled revenue 10.00, Subscription revenue -10.00", "02-10 revenue_recognized: Unbilled revenue 10.00, Subscription revenue -10.00",
                "02-12 invoice_finalized: Receivables 23.80, Tax payable -3.80, Unbilled revenue -20.00",
            ], _books.Told(LedgerBooks.Ever));
    }

    [Fact]
    public void Each_fee_is_earned_while_its_plan_held_and_a_trial_earns_nothing()
    {
        _books.Keep(Decision.Accept<AccountEvent>(PercentOff("50")));
        _books.Finalize(FactsAfter(Opened(Small) with { Trial = true }, new PeriodPlanChanged(Menu, Small, false, Jan1.AddDays(10), Jan1), new PeriodPlanChanged(Menu, Metered, false, Jan1.AddDays(20), Jan1)), Final);
        long Earned(DateTimeOffset before) => -Of(_books.Balance(before), LedgerAccount.SubscriptionRevenue);
        // 20.00 × 10/31 and 5.00 × 11/31, rounded to 6.45 and 1.77, and half of each.
        Assert.Equal([0, 3_225_000, 4_110_000], [Earned(Jan1.AddDays(10)), Earned(Jan1.AddDays(20)), Earned(Feb1)]);
    }

    [Fact]
    public void A_cancelled_period_is_earned_until_it_was_cancelled()
    {
        January_(new PeriodPlanEnded(Jan1.AddDays(10), Jan1.AddDays(10)));
        var earned = _books.Amounts(_books.Invoices.Single()).NetMicros;
        Assert.Equal(earned.Value, Of(_books.Balance(Jan1.AddDays(10)), LedgerAccount.Unbilled));
    }

    [Fact]
    public void Payments_and_refunds_move_cash_on_the_providers_day()
    {
        var invoice = January_();
        _books.Pay(invoice, 15_000_000, Feb(3));
        _books.Refund(invoice, 120_000, Feb(4));
        Assert.Equal(["02-03 payment_recorded: Cash 15.00, Receivables -15.00", "02-04 refund_recorded: Receivables 0.12, Cash -0.12"], _books.Told(new(Feb(2), Mar1)));
        Assert.Equal((-120_000, 0), (Of(_books.Balance(Feb(4)), LedgerAccount.Receivables), Of(_books.Balance(Mar1), LedgerAccount.Receivables)));
    }

    [Fact]
    public void What_is_written_off_is_bad_debt_until_it_is_paid_or_credited_after_all()
    {
        var invoice = January_();
        _books.WriteOff(invoice, Feb(3));
        _books.Pay(invoice, 10_000_000, Feb(4));
        _books.Credit(invoice, 1_190_000, Feb(5));
        _books.Pay(invoice, 5_000_000, Feb(6));
        Assert.Equal(
            [
                "02-03 invoice_written_off: Bad debt 14.88, Receivables -14.88", "02-04 payment_recorded: Cash 10.00, Bad debt -10.00",
                "02-05 credit_note_issued: Credit notes 1.00, Tax payable 0.19, Bad debt -1.19", "02-06 payment_recorded: Cash 5.00, Bad debt -3.69, Receivables -1.31",
            ], _books.Told(new(Feb(2), Mar1)));
    }

    [Fact]
    public void Bad_debt_is_never_below_zero_though_a_payment_before_the_write_off_is_heard_of_after_it()
    {
        var invoice = January_();
        _books.WriteOff(invoice, Feb(4));
        _books.Pay(invoice, 10_000_000, Feb(6), paidAt: Feb(3));
        Assert.Equal(
            [
                "02-03 payment_recorded: Cash 10.00, Receivables -10.00", "02-04 invoice_written_off: Bad debt 14.88, Receivables -14.88", "02-04 bad_debt_recovered: Receivables 10.00, Bad debt -10.00",
            ], _books.Told(new(Feb(2), Mar1)));
        foreach (var (day, bad, receivable) in new[] { (3, 0, 14_880_000), (4, 0, 4_880_000), (5, 4_880_000, 0), (7, 4_880_000, 0) })
            Assert.Equal((bad, receivable), (Of(_books.Balance(Feb(day)), LedgerAccount.BadDebt), Of(_books.Balance(Feb(day)), LedgerAccount.Receivables)));
        Assert.Equal(["02-03 payment -10.00 = 4.88", "02-04 write_off -14.88 = -10.00", "02-04 recovery 10.00 = 0.00"],
            _books.Statement(new(Feb(3), Mar1))!.Lines.Select(l => $"{l.At:MM-dd} {l.Kind} {l.AmountMicros.ToMajorUnits(Usd)} = {l.BalanceMicros.ToMajorUnits(Usd)}"));
    }

    /// <summary>As by two instances whose clocks are apart, or by a call that had waited: the note is behind the write-off in the invoice, and before it in time.</summary>
    [Fact]
    public void Bad_debt_is_what_is_not_credited_after_all_though_the_note_is_dated_before_the_write_off()
    {
        var invoice = January_();
        _books.WriteOff(invoice, Feb(4).AddSeconds(10));
        _books.Credit(invoice, 5_000_000, Feb(4));
        Assert.Equal(
            [
                "02-04 credit_note_issued: Credit notes 4.20, Tax payable 0.80, Receivables -5.00", "02-04 invoice_written_off: Bad debt 14.88, Receivables -14.88", "02-04 bad_debt_recovered: Receivables 5.00, Bad debt -5.00",
            ], _books.Told(new(Feb(2), Mar1)));
        Assert.Equal((9_880_000, 0), (Of(_books.Balance(Mar1), LedgerAccount.BadDebt), Of(_books.Balance(Mar1), LedgerAccount.Receivables)));
        Assert.Equal(0, _books.Statement(new(Feb(3), Mar1))!.ClosingMicros.Value);
    }

    [Fact]
    public void A_credit_note_gives_back_revenue_and_tax_by_its_parts()
    {
        var invoice = January_();
        _books.Credit(invoice, 1_190_000, Feb(3));
        Assert.Equal(["02-03 credit_note_issued: Credit notes 1.00, Tax payable 0.19, Receivables -1.19"], _books.Told(new(Feb(2), Mar1)));
        _books.Credit(invoice, null, Feb(5));
        Assert.Equal(["02-05 credit_note_issued: Credit notes 11.50, Tax payable 2.19, Receivables -13.69"], _books.Told(new(Feb(4), Mar1)));
    }

    [Fact]
    public void Credit_is_owed_until_it_pays_and_revenue_does_not_know_of_it()
    {
        _books.Grant("crd_1", 10_000_000, null, Jan1.AddDays(4));
        January_();
        Assert.Equal(
            [
                "01-05 money_credit_granted: Credit granted 10.00, Customer credit -10.00",
                "01-31 revenue_recognized: Unbilled revenue 12.50, Subscription revenue -5.00, Usage revenue -7.50",
                "02-01 invoice_finalized: Receivables 12.98, Tax payable -0.48, Unbilled revenue -12.50",
                "02-01 credit_drawn: Customer credit 10.00, Receivables -10.00",
            ], _books.Told(LedgerBooks.Ever));
        Assert.Equal(2_980_000, Of(_books.Balance(Mar1), LedgerAccount.Receivables));
    }

    [Fact]
    public void Voiding_takes_everything_back_on_its_day_and_credit_is_there_again()
    {
        _books.Grant("crd_1", 10_000_000, null, Jan1.AddDays(4));
        _books.Void(January_(), Feb(10));
        Assert.Equal(
            [
                "02-10 invoice_voided: Tax payable 0.48, Subscription revenue 5.00, Usage revenue 7.50, Receivables -12.98", "02-10 credit_returned: Receivables 10.00, Customer credit -10.00",
            ], _books.Told(new(Feb(2), Mar1)));
        Assert.Equal(["2000 -10000000", "4900 10000000"], _books.Balance(Mar1).Balances.Where(b => b.BalanceMicros != Micros.Zero).Select(b => string.Create(CultureInfo.InvariantCulture, $"{b.Account.Code} {b.BalanceMicros.Value}")));
        // January's books, as they are known now, stand.
        Assert.Equal(12_500_000, Of(_books.Balance(Feb1), LedgerAccount.Unbilled));
    }

    [Fact]
    public void What_is_left_of_credit_is_released_at_its_expiry()
    {
        _books.Grant("crd_1", 20_000_000, Feb(15), Jan1.AddDays(4));
        January_();
        Assert.Equal(["02-15 credit_expired: Customer credit 7.50, Credit expired -7.50"], _books.Told(new(Feb(2), Mar1)));
    }

    [Fact]
    public void What_is_left_of_credit_is_released_when_it_is_taken_back_and_not_at_its_expiry()
    {
        _books.Grant("crd_1", 20_000_000, Feb(15), Jan1.AddDays(4));
        var invoice = January_();
        _books.End("crd_1", null, Feb(10));
        Assert.Equal(["02-10 credit_expired: Customer credit 7.50, Credit expired -7.50"], _books.Told(new(Feb(2), Mar1)));
        Assert.Equal(Feb(10), _books.Journal(new(Feb(2), Mar1)).Single().PostedAt);
        // What the invoice had used is not there again.
        _books.Void(invoice, Feb(20));
        Assert.Equal("02-20 credit_returned: Receivables 12.50, Credit expired -12.50", _books.Told(LedgerBooks.Ever)[^1]);
    }

    [Fact]
    public void Credit_that_is_taken_back_after_its_expiry_was_released_then()
    {
        _books.Grant("crd_1", 20_000_000, Feb(5), Jan1.AddDays(4));
        _books.End("crd_1", Feb(3), Jan1.AddDays(9));
        _books.End("crd_1", null, Feb(10));
        Assert.Equal(["02-03 credit_expired: Customer credit 20.00, Credit expired -20.00"], _books.Told(new(Feb1, Mar1)));
        Assert.Equal(Jan1.AddDays(9), _books.Journal(new(Feb1, Mar1)).Single().PostedAt);
    }

    [Fact]
    public void A_period_that_began_before_the_expiry_takes_the_release_back()
    {
        _books.Grant("crd_1", 5_000_000, Jan1.AddDays(20), Jan1.AddDays(4));
        var invoice = January_();
        Assert.Equal("01-21 credit_expired: Customer credit 5.00, Credit expired -5.00", _books.Told(LedgerBooks.Ever)[1]);
        Assert.Equal("02-01 credit_drawn: Credit expired 5.00, Receivables -5.00", _books.Told(LedgerBooks.Ever)[^1]);
        _books.Void(invoice, Feb(10));
        Assert.Equal("02-10 credit_returned: Receivables 5.00, Credit expired -5.00", _books.Told(LedgerBooks.Ever)[^1]);
    }

    [Fact]
    public void An_entrys_id_is_the_same_whenever_it_is_computed()
    {
        _books.Pay(January_(), 5_000_000, Feb(3));
        var all = _books.Journal(LedgerBooks.Ever).Select(e => e.EntryId).ToArray();
        Assert.Equal(all, _books.Journal(LedgerBooks.Ever).Select(e => e.EntryId));
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.Equal(all[1..], _books.Journal(new(Feb1, Mar1)).Select(e => e.EntryId));
    }

    private static long Of(TrialBalance balance, LedgerAccount account) => balance[Usd, account].Value;
}
