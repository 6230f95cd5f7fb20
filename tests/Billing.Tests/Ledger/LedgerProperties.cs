using System.Text.Json;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Ledger;
using Billing.Periods;
using Billing.Statements;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Ledger;

/// <summary>Whatever is ordered, in whatever sequence: every account is explained by what the decisions themselves say, on every date.</summary>
public sealed class LedgerProperties
{
    /// <summary>Hours that pass before it, and what is ordered then: refused or not, as the decision says.</summary>
    private sealed record Step(int Hours, Action<LedgerBooks, DateTimeOffset> Order);

    private static readonly Gen<Step> AnyStep = Gen.Select(Gen.Int[0, 200], Gen.Int[0, 14], Gen.Int[0, 7], Gen.Long[1, 3_000], Gen.Int[0, 3_000_000], (hours, what, which, cents, tokens) => new Step(hours, (books, at) =>
    {
        var invoice = books.Invoices.ElementAtOrDefault(which % Math.Max(books.Invoices.Count, 1));
        // Of the size of a fee: up to thirty of a currency's major units.
        var (unit, amount) = (books.Currency.MinorUnit.Value, books.Currency.Digits == 2 ? cents * books.Currency.MinorUnit.Value : (1 + cents % 30) * books.Currency.MinorUnit.Value);
        switch (what)
        {
            case 0 or 1 or 2: Finalize(books, at, tokens, which); break;
            case 3: books.Grant($"crd_{at:O}_{cents}", amount, which > 3 ? at.AddDays(which * 9) : null, at); break;
            case 4 when which > 5: books.Keep(Decision.Accept<AccountEvent>(PercentOff("30", id: $"dis_{at:O}"))); break;
            case 4 when which > 3: books.Keep(Decision.Accept<AccountEvent>(Minimum(amount, $"com_{at:O}"))); break;
            case 5 when invoice is not null: books.Void(invoice, at); break;
            case 6 when invoice is not null: books.Credit(invoice, which > 5 ? null : amount, at); break;
            case 7 or 8 when invoice is not null: books.Pay(invoice, which > 3 ? Math.Max(((books.Invoice(invoice) as InvoiceState.Finalized)?.OutstandingMicros.Value) ?? 1, unit) : amount, at); break;
            case 9 when invoice is not null: books.Refund(invoice, amount, at); break;
            case 10 when invoice is not null: books.WriteOff(invoice, at); break;
            case 11 when invoice is not null: books.Dun(invoice, which, at); break;
            case 12: books.GrantTokens($"crd_tokens_{at:O}", tokens + 1, which > 3 ? at.AddDays(which * 9) : null, at); break;
            // A provider may say late what was paid or given back: before a write-off, or before there was an invoice.
            case 13 when invoice is not null: books.Pay(invoice, amount, at, at.AddDays(-9 * which)); break;
            case 14 when invoice is not null: books.Refund(invoice, amount, at, at.AddDays(-9 * which)); break;
        }
    }));

    /// <summary>The invoice of a period that ended right then, or is billed before its end, with a plan change, a trial, a pause or a cancellation in it.</summary>
    private static void Finalize(LedgerBooks books, DateTimeOffset at, int tokens, int which)
    {
        var end = which == 6 ? at.AddDays(5) : at;
        var (start, middle) = (end.AddDays(-30), at.AddDays(-11).AddMinutes(-17));
        List<PeriodEvent> events = [new PeriodOpened(Subscription, Customer, Menu, which > 3 ? Small : Metered, books.Invoices.Count, start, end, "", start, Trial: which == 7)];
        if (which is 4 or 7) events.Add(new PeriodPlanChanged(Menu, Metered, false, middle, middle));
        if (which is 2 or 5) events.Add(new PeriodPlanChanged(Menu, which > 3 ? Small : Metered, false, middle, middle, Paused: true));
        if (which == 5) events.Add(new PeriodPlanChanged(Menu, Small, false, at.AddDays(-3), middle));
        if (which == 1) events.Add(new PeriodPlanEnded(middle, middle));
        events.Add(Usage(1, Tokens(Metered, TokenKind.Output, tokens)));
        PeriodFacts? before = null;
        if (tokens % 3 > 0)
        {
            before = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 2_000_000)));
            events.Add(new LateUsageAdded(before.PeriodId, Menu, 0, Jan1, Feb1, 9, before.Usage, [Tokens(Metered, TokenKind.Output, tokens % 3 == 1 ? tokens : -Math.Min(tokens, 2_000_000))], at, before.Plans));
        }
        books.Finalize(FactsAfter([.. events]), at, before);
    }

    private static readonly Gen<LedgerBooks> AnyBooks = Gen.OneOf(BooksIn("USD"), BooksIn("JPY"));

    private static Gen<LedgerBooks> BooksIn(string currency) => AnyStep.Array[1, 40].Select(steps =>
    {
        var (books, at) = (new LedgerBooks(currency), Jan1.AddDays(40));
        books.Keep(Decision.Accept<AccountEvent>(Taxed()));
        foreach (var step in steps)
        {
            at = at.AddHours(step.Hours).AddMinutes(1);
            step.Order(books, at);
        }
        return books;
    });

    private static readonly Gen<DateTimeOffset> AnyDate = Gen.Int[0, 400 * 24 * 60].Select(minutes => Jan1.AddMinutes(minutes));

    [Fact]
    public void Every_entry_is_balanced_and_the_trial_balance_is_zero_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
        books.Journal(LedgerBooks.Before(date)).All(e => Micros.Sum(e.Lines.Select(l => l.AmountMicros)) == Micros.Zero && e.Lines.Count > 1) && Micros.Sum(books.Balance(date).Balances.Select(b => b.BalanceMicros)) == Micros.Zero);

    [Fact]
    public void Receivables_are_what_the_invoices_say_is_left_to_pay_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
        Positions(books, date).All(p => p.ReceivableMicros == books.Naive(p.InvoiceId).Demanded(date).Outstanding)
        && books.Balance(date)[books.Currency, LedgerAccount.Receivables] == Micros.Sum(books.Invoices.Select(i => books.Naive(i).Demanded(date).Outstanding)));

    /// <summary>What is left to pay when all is known is also what the invoices themselves say.</summary>
    [Fact]
    public void In_the_end_that_is_what_each_invoice_says_of_itself() => AnyBooks.Sample(books => books.Invoices.All(i =>
        books.Naive(i).Demanded(DateTimeOffset.MaxValue) == (books.Invoice(i) is InvoiceState.Finalized f ? (f.OutstandingMicros, f.WrittenOffMicros) : (Micros.Zero, Micros.Zero))));

    [Fact]
    public void A_customers_statement_is_its_page_of_the_receivables_between_any_two_dates() => Gen.Select(AnyBooks, AnyDate, AnyDate).Sample((books, a, b) =>
    {
        var (from, to) = a < b ? (a, b) : (b, a);
        var statement = books.Statement(new(from, to));
        var (opening, closing) = (books.Balance(from)[books.Currency, LedgerAccount.Receivables], books.Balance(to)[books.Currency, LedgerAccount.Receivables]);
        return statement is null
            ? (opening, closing) == default
            : (statement.OpeningMicros, statement.ClosingMicros) == (opening, closing) && opening + Micros.Sum(statement.Lines.Select(l => l.AmountMicros)) == closing
              && statement.Lines.All(l => from <= l.At && l.At < to) && Ages(statement.Ageing).Skip(1).All(m => m >= Micros.Zero) && Micros.Sum(Ages(statement.Ageing)) == closing;
    });

    private static Micros[] Ages(Ageing a) => [a.CurrentMicros, a.To30DaysMicros, a.To60DaysMicros, a.To90DaysMicros, a.Over90DaysMicros];

    [Fact]
    public void Bad_debt_is_what_was_written_off_and_not_paid_after_all_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
        books.Balance(date)[books.Currency, LedgerAccount.BadDebt] == Micros.Sum(books.Invoices.Select(i => books.Naive(i).Demanded(date).WrittenOff)));

    [Fact]
    public void Customer_credit_is_what_the_account_says_is_left_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
        -books.Balance(date)[books.Currency, LedgerAccount.CustomerCredit].Value == books.AccountBefore(date).CreditFor(date.AddTicks(-1), date).Where(g => g.IsMoney).Sum(g => g.Left));

    [Fact]
    public void What_is_recognized_and_deferred_less_unbilled_is_what_was_invoiced_before_tax_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
        Positions(books, date).All(p =>
            p.RecognizedMicros + p.DeferredMicros - p.UnbilledMicros == (books.Naive(p.InvoiceId).Stands(date) ? books.Amounts(p.InvoiceId).NetMicros : Micros.Zero)
            && (p.DeferredMicros == Micros.Zero || p.UnbilledMicros == Micros.Zero)));

    [Fact]
    public void Cash_tax_and_credit_notes_are_what_was_paid_taxed_and_credited_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
    {
        var balance = books.Balance(date);
        var credited = books.Invoices.SelectMany(i => books.Naive(i).Events).OfType<CreditNoteIssued>().Where(n => n.At < date).SelectMany(n => n.Parts).ToArray();
        return balance[books.Currency, LedgerAccount.Cash] == Micros.Sum(books.Invoices.Select(i => books.Naive(i).Paid(date)))
            && -balance[books.Currency, LedgerAccount.TaxPayable] == Micros.Sum(books.Invoices.Where(i => books.Naive(i).Stands(date)).Select(i => books.Amounts(i).TaxMicros)) - Micros.Sum(credited.Select(p => p.TaxMicros))
            && balance[books.Currency, LedgerAccount.CreditNotes] == Micros.Sum(credited.Select(p => p.NetMicros));
    });

    [Fact]
    public void Credit_granted_is_the_sum_of_all_grants_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
        books.Balance(date)[books.Currency, LedgerAccount.CreditGranted].Value == books.AccountBefore(date).Credit.Where(g => g.IsMoney).Sum(g => g.Granted));

    [Fact]
    public void Credit_granted_is_what_was_drawn_what_expired_and_what_is_left_on_every_date() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
    {
        var (balance, (granted, drawn, expired, left)) = (books.Balance(date), NaiveCredit.Of(books.AccountEvents, date));
        return granted == drawn + expired + left
            && (balance[books.Currency, LedgerAccount.CreditGranted], -balance[books.Currency, LedgerAccount.CreditExpired], -balance[books.Currency, LedgerAccount.CustomerCredit]) == (granted, expired, left);
    });

    /// <summary>Each part of an invoice is rounded by itself, and may be two micros off: one for what is off it, and one for the day.</summary>
    [Fact]
    public void Revenue_is_earned_evenly_while_it_is_served_day_by_day() => Gen.Select(AnyBooks, AnyDate).Sample((books, date) =>
    {
        var (day, parts) = (new DateTimeOffset(date.Date, TimeSpan.Zero), books.Invoices.Sum(i => books.Naive(i).Parts));
        long Told(IEnumerable<JournalEntry> entries) => -entries.SelectMany(e => e.Lines).Where(l => l.Account == LedgerAccount.SubscriptionRevenue || l.Account == LedgerAccount.UsageRevenue).Sum(l => l.AmountMicros.Value);
        decimal Earned(DateTimeOffset before) => books.Invoices.Sum(i => books.Naive(i).Earned(before));
        return Math.Abs(Told(books.Journal(LedgerBooks.Before(date))) - Earned(date)) <= 2 * parts
            && Math.Abs(Told(books.Journal(new(day, day.AddDays(1)))) - (Earned(day.AddDays(1)) - Earned(day))) <= 4 * parts;
    });

    [Fact]
    public void Books_of_two_currencies_in_one_ledger_are_each_what_they_are_alone() => Gen.Select(BooksIn("USD"), BooksIn("JPY"), AnyDate).Sample((a, b, date) =>
    {
        var both = TrialBalance.Of(a.Journal(LedgerBooks.Before(date)).Concat(b.Journal(LedgerBooks.Before(date))).Order(JournalOrder.Default));
        return both.Balances.GroupBy(x => x.Currency).All(g => Micros.Sum(g.Select(x => x.BalanceMicros)) == Micros.Zero)
            && new[] { a, b }.All(books => both.Balances.Where(x => x.Currency == books.Currency).SequenceEqual(books.Balance(date).Balances));
    });

    /// <summary>Every other account is explained by now, and all of them add up to zero: what is left is that of expired credit.</summary>
    [Fact]
    public void Revenue_of_each_kind_is_what_the_documents_sell_of_it_when_all_is_served() => AnyBooks.Sample(books =>
    {
        var balance = books.Balance(DateTimeOffset.MaxValue);
        var sold = books.Invoices.Where(i => books.Invoice(i) is InvoiceState.Finalized).SelectMany(i => Lines(books.Document(i))).ToArray();
        return -balance[books.Currency, LedgerAccount.SubscriptionRevenue].Value == sold.Where(l => l.Product == "subscription").Sum(l => l.Micros)
            && -balance[books.Currency, LedgerAccount.UsageRevenue].Value == sold.Where(l => l.Product == "usage").Sum(l => l.Micros)
            && balance[books.Currency, LedgerAccount.Unbilled] == Micros.Zero && balance[books.Currency, LedgerAccount.DeferredRevenue] == Micros.Zero;
    });

    /// <summary>Lines before tax and money credit, which are nothing that was sold.</summary>
    private static IEnumerable<(string Product, long Micros)> Lines(string document)
    {
        using var json = JsonDocument.Parse(document);
        return [.. json.RootElement.GetProperty("lines").EnumerateArray().Where(l => l.GetProperty("kind").GetString() is not ("tax" or "credit"))
            .Select(l => (l.GetProperty("product").GetString()!, l.GetProperty("amountMicros").GetInt64()))];
    }

    [Fact]
    public void A_journal_cut_anywhere_adds_up_to_the_whole() => Gen.Select(AnyBooks, AnyDate, AnyDate, AnyDate).Sample((books, a, b, c) =>
    {
        DateTimeOffset[] cuts = [DateTimeOffset.MinValue, .. new[] { a, b, c }.Order(), DateTimeOffset.MaxValue];
        var parts = cuts.Zip(cuts.Skip(1)).SelectMany(w => books.Journal(new(w.First, w.Second))).ToArray();
        return Told(TrialBalance.Of(parts)).SequenceEqual(Told(books.Balance(DateTimeOffset.MaxValue)));
    });

    [Fact]
    public void Recognition_by_day_sums_to_the_whole() => Gen.Select(Gen.Long[-1_000_000_000_000_000, 1_000_000_000_000_000], Gen.Int[1, 400 * 24 * 60], Gen.Int[0, 59]).Sample((micros, minutes, offset) =>
    {
        var part = new RevenuePart(LedgerAccount.UsageRevenue, new(micros), [new(Jan1.AddSeconds(offset), Jan1.AddSeconds(offset).AddMinutes(minutes))]);
        var days = Enumerable.Range(0, minutes / 1440 + 2).Select(d => part.EarnedBefore(Jan1.AddDays(d + 1)) - part.EarnedBefore(Jan1.AddDays(d))).ToArray();
        return Micros.Sum(days).Value == micros && days.All(d => Math.Sign(d.Value) * Math.Sign(micros) >= 0);
    });

    private static IEnumerable<ContractPosition> Positions(LedgerBooks books, DateTimeOffset date) => ContractPositions.Of(books.Journal(LedgerBooks.Before(date))).All;

    private static IEnumerable<(string, long)> Told(TrialBalance balance) => balance.Balances.Where(b => b.BalanceMicros != Micros.Zero).Select(b => (b.Account.Code, b.BalanceMicros.Value));
}
