using Billing.Accounts;
using Billing.Dunning;
using Billing.Invoices;
using Billing.Ledger;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Ledger;

/// <summary>A new event of an account or an invoice says here whether it moves money. Its currency is its account's.</summary>
public sealed class EveryEventTests
{
    private static readonly AccountEvent[] AccountEvents =
    [
        Minimum(1), PercentOff("1"), new AgreementEnded("com_1", Mar1, Jan1), Money(1_000_000), Prepaid(1), Taxed(), new CreditDrawn("inv_1", [new("crd_1", 0, new(1_000_000)), new("crd_2", 1, new(12))], Feb1),
        new CreditReturned("inv_1", Mar1),
    ];

    private static readonly DunningSchedule Schedule = new([1], 2, DunningFinalAction.MarkUncollectible);

    private static readonly InvoiceEvent[] InvoiceEvents =
    [
        new InvoiceTermsCut("acct_1", 1, 2, Feb1, Feb1), new InvoiceFinalized("INV-1", January, Subscription, Customer, Usd, new(1_190_000), "ab", Feb1), new InvoiceFellOverdue(new(1_190_000), Mar1),
        new PaymentRecorded("bank", "1", new(1_190_000), Feb1, Feb1), new RefundRecorded("bank", "2", new(1_190_000), Feb1, Feb1),
        new CreditNoteIssued("cn_1", "CN-1", "outage", [new("VAT", new(1_000_000), new(190_000))], new(1_190_000), "cd", Feb1), new DunningStarted(Schedule, Feb1, Mar1),
        new DunningStepTaken(1, new(1_190_000), Mar1, Mar1), new DunningHeld("disputed", Mar1), new DunningReleased(Mar1), new PaymentFailed("stripe", "1", "declined", Mar1, Mar1),
        new DunningExhausted(DunningFinalAction.MarkUncollectible, new(1_190_000), Mar1, Mar1), new InvoiceWrittenOff(new(1_190_000), "x", Mar1), new InvoiceVoided("x", Mar1),
    ];

    [Fact]
    public void Every_event_is_posted_once_or_moves_no_money()
    {
        Assert.Equal(TypesOf<AccountEvent>(), AccountEvents.Select(e => e.GetType().Name).Order());
        Assert.Equal(TypesOf<InvoiceEvent>(), InvoiceEvents.Select(e => e.GetType().Name).Order());
        var account = new CreditPostings([.. AccountEvents.Select((e, i) => new RecordedEvent<AccountEvent>("acct_1", i + 1, i + 1, e))], Customer, Usd).Entries(LedgerBooks.Ever);
        Assert.Equal(["credit_drawn", "credit_returned", "money_credit_granted"], account.Select(e => e.Kind).Order());
        var amounts = new InvoicedAmounts(new(Jan1, Feb1), [new(LedgerAccount.UsageRevenue, new(1_000_000), [new(Jan1, Feb1)])], [new("VAT", new(190_000))]);
        var invoice = new InvoicePostings([.. InvoiceEvents.Select((e, i) => new RecordedEvent<InvoiceEvent>("inv_1", i + 1, i + 10, e))], amounts).Entries(LedgerBooks.Ever);
        Assert.Equal(["credit_note_issued", "invoice_finalized", "invoice_voided", "invoice_written_off", "payment_recorded", "refund_recorded", "revenue_recognized"], invoice.Select(e => e.Kind).Order());
    }

    [Fact]
    public void Currencies_are_never_added_up()
    {
        IEnumerable<JournalEntry> In(string currency, long micros) => new CreditPostings([new("acct_1", 1, 1, Money(micros))], Customer, Currency.Parse(currency)).Entries(LedgerBooks.Ever);
        var balance = TrialBalance.Of([.. In("USD", 5_000_000), .. In("EUR", 7_000_000), .. In("USD", 1_000_000)]);
        Assert.Equal(
            [("EUR", "2000", -7_000_000), ("EUR", "4900", 7_000_000), ("USD", "2000", -6_000_000), ("USD", "4900", 6_000_000)],
            balance.Balances.Select(b => (b.Currency.Code, b.Account.Code, b.BalanceMicros.Value)));
    }

    private static IEnumerable<string> TypesOf<T>() => typeof(T).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(T))).Select(t => t.Name).Order();
}
