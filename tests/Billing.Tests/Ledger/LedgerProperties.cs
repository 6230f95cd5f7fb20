using System.Text.Json;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Ledger;
using Billing.Periods;
using Billing.Statements;
using Billing.Subscriptions;
using Billing.Tests.Subscriptions;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Ledger;

/// <summary>Whatever is ordered, in whatever sequence: every account is explained by what the decisions themselves say, on every date.</summary>
public sealed class LedgerProperties
{
    /// <summary>Hours that pass before it, and what is ordered then: refused or not, as the decision says.</summary>
    private sealed record Step(int Hours, Action<LedgerBooks, LedgerLife, DateTimeOffset> Order);

    /// <summary>With one rate, with one for each product, and none.</summary>
    private static readonly TaxTreatmentSet[] Treatments =
        [Taxed(), Taxed() with { Jurisdiction = "FR" }, Taxed(TaxTreatment.ReverseCharge) with { Jurisdiction = "FR" }, Taxed(TaxTreatment.Exempt)];

    private static readonly Gen<Step> AnyStep = Gen.Select(Gen.Int[0, 400], Gen.Int[0, 22], Gen.Int[0, 7], Gen.Long[1, 3_000], Gen.Int[0, 3_000_000], LifecycleProperties.AnyOrder, (hours, what, which, cents, tokens, order) => new Step(hours, (books, life, at) =>
    {
        var invoice = books.Invoices.ElementAtOrDefault(which % Math.Max(books.Invoices.Count, 1));
        // Of the size of a fee: up to thirty of a currency's major units, in all the digits that it has.
        var unit = books.Currency.MinorUnit.Value;
        var amount = Math.Max((cents * 10_000 + tokens % 10_000) / unit, 1) * unit;
        switch (what)
        {
            case 0 or 1 or 2: Invoice(books, life, at, isEarly: which == 6); break;
            case 3: books.Grant($"crd_{at:O}_{cents}", amount, which > 3 ? at.AddDays(which * 9) : null, at); break;
            case 4 when which > 5: books.Keep(Decision.Accept<AccountEvent>(PercentOff("30", id: $"dis_{at:O}"))); break;
            case 4 when which > 3: books.Keep(Decision.Accept<AccountEvent>(Minimum(amount, $"com_{at:O}") with { SubscriptionId = life.SubscriptionId })); break;
            case 4 when which > 0 && books.Account.Credit.Count > 0: books.End(books.Account.Credit[tokens % books.Account.Credit.Count].GrantId, which > 2 ? null : at.AddDays(which * 9), at); break;
            case 5 when invoice is not null: books.Void(invoice, at); break;
            // By a clock that is behind the one that wrote what stands there already, or not.
            case 6 when invoice is not null: books.Credit(invoice, which > 5 ? null : amount, which % 2 == 0 ? at : at.AddDays(-9 * which)); break;
            case 7 or 8 when invoice is not null: books.Pay(invoice, which > 3 ? Math.Max(((books.Invoice(invoice) as InvoiceState.Finalized)?.OutstandingMicros.Value) ?? 1, unit) : amount, at); break;
            case 9 when invoice is not null: books.Refund(invoice, amount, at); break;
            case 10 when invoice is not null: books.WriteOff(invoice, at); break;
            case 11 when invoice is not null: books.Dun(invoice, which, at); break;
            case 12: books.GrantTokens($"crd_tokens_{at:O}", tokens + 1, which > 3 ? at.AddDays(which * 9) : null, at); break;
            // A provider may say late what was paid or given back: before a write-off, or before there was an invoice.
            case 13 when invoice is not null: books.Pay(invoice, amount, at, at.AddDays(-9 * which)); break;
            case 14 when invoice is not null: books.Refund(invoice, amount, at, at.AddDays(-9 * which)); break;
            case 15: books.Keep(Decision.Accept<AccountEvent>(Treatments[which % Treatments.Length] with { At = at, From = at })); break;
            // Of a period that is closed it is late; some of it is taken back.
            case 16 or 17: life.Report(which, which % 3 == 0 ? -tokens : tokens, at); break;
            case > 17: life.Order(s => order(s, at)); break;
        }
    }));

    /// <summary>The invoices of all periods that have ended; early also that of the one that has not, as by an instance whose clock is ahead.</summary>
    private static void Invoice(LedgerBooks books, LedgerLife life, DateTimeOffset at, bool isEarly)
    {
        life.Order(s => CatchUpDecision.Decide(new(at), s));
        while (life.Close(at) is { } closed) Finalize(closed);
        if (isEarly && life.Close(at, isEarly) is { } early) Finalize(early);

        void Finalize((PeriodFacts Facts, PeriodFacts[] Earlier) closed)
        {
            if (!closed.Facts.IsEmpty) books.Finalize(closed.Facts, at, closed.Earlier);
        }
    }

    private static readonly Gen<LedgerBooks> AnyBooks = Gen.OneOf(BooksIn("USD"), BooksIn("JPY"), BooksIn("KWD"));

    private static Gen<LedgerBooks> BooksIn(string currency, string name = "acme") => Gen.Select(AnyStep.Array[1, 40], Gen.Int[0, 3], Gen.Int[-20, 40], Gen.Bool, (steps, treatment, trialDays, isMetered) =>
    {
        var (customer, at) = (Ids.Derive(Ids.Customer, Jan1, name), Jan1);
        var (books, life) = (new LedgerBooks(currency, customer), new LedgerLife(customer, Ids.Derive(Ids.Subscription, Jan1, name), isMetered ? Metered : Small, trialDays));
        books.Keep(Decision.Accept<AccountEvent>(Treatments[treatment] with { From = Jan1 }));
        foreach (var step in steps)
        {
            at = at.AddHours(step.Hours).AddMinutes(1);
            step.Order(books, life, at);
        }
        Invoice(books, life, at.AddMinutes(1), isEarly: false);
        return books;
    });

    private static readonly Gen<DateTimeOffset> AnyDate = Gen.Int[0, 500 * 24 * 60].Select(minutes => Jan1.AddMinutes(minutes));

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

    [Fact]
    public void Books_of_two_customers_in_one_currency_add_up_and_each_invoice_stands_as_it_does_alone() => Gen.Select(BooksIn("USD"), BooksIn("USD", "bolt"), AnyDate).Sample((a, b, date) =>
    {
        var journal = a.Journal(LedgerBooks.Before(date)).Concat(b.Journal(LedgerBooks.Before(date))).Order(JournalOrder.Default).ToArray();
        var (both, alone) = (TrialBalance.Of(journal), new[] { a.Balance(date), b.Balance(date) });
        return journal.Select(e => e.EntryId).Distinct().Count() == journal.Length
            && both.Balances.All(x => x.BalanceMicros == Micros.Sum(alone.Select(balance => balance[a.Currency, x.Account])))
            && alone.SelectMany(balance => balance.Balances).All(x => both.Balances.Any(y => y.Account == x.Account))
            && ContractPositions.Of(journal).All.SequenceEqual(Positions(a, date).Concat(Positions(b, date)).OrderBy(p => p.InvoiceId, StringComparer.Ordinal));
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
