using System.Text;
using Billing.Accounts;
using Billing.Audit;
using Billing.Dunning;
using Billing.Invoices;
using Billing.Ledger;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Billing.Statements;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Ledger;

/// <summary>A customer's account and invoices, kept by the real decisions, and the ledger that follows from their events.</summary>
internal sealed class LedgerBooks(string currency = "USD", string? customer = null)
{
    /// <summary>19 % on everything in one country; in the other a rate for each product.</summary>
    private static readonly SellerState Rates = SellerAfter(
        Seller, Vat, new TaxRateSet("FR", Products.Subscription, "TVA", Percent.Parse("20"), Vat.From, Jan1), new TaxRateSet("FR", Products.Usage, "TVA", Percent.Parse("5.5"), Vat.From, Jan1));

    private readonly string _customer = customer ?? Customer;
    private readonly List<RecordedEvent<AccountEvent>> _account = [];
    private readonly Dictionary<string, (InvoicedAmounts Amounts, string Document, PlanTimes? Times, List<RecordedEvent<InvoiceEvent>> Events)> _invoices = [];
    private long _sequence;

    public Currency Currency { get; } = Currency.Parse(currency);

    public static readonly Period Ever = new(DateTimeOffset.MinValue, DateTimeOffset.MaxValue);

    public static Period Before(DateTimeOffset at) => Ever with { End = at };

    public AccountState Account => _account.Select(e => e.Event).Aggregate(AccountState.Initial, AccountState.Evolve);
    public IReadOnlyCollection<string> Invoices => _invoices.Keys;
    public InvoicedAmounts Amounts(string invoice) => _invoices[invoice].Amounts;
    public string Document(string invoice) => _invoices[invoice].Document;
    public InvoiceState Invoice(string invoice) => _invoices[invoice].Events.Select(e => e.Event).Aggregate(InvoiceState.Initial, InvoiceState.Evolve);

    /// <summary>What happened to it and its account, for whoever adds up without the ledger.</summary>
    public NaiveInvoice Naive(string invoice) => new([.. _invoices[invoice].Events.Select(e => e.Event)], _invoices[invoice].Document, _invoices[invoice].Times);

    public IReadOnlyList<AccountEvent> AccountEvents => [.. _account.Select(e => e.Event)];

    public AccountState AccountBefore(DateTimeOffset at) => _account.Select(e => e.Event).Where(e => BusinessTimes.Of(e) < at).Aggregate(AccountState.Initial, AccountState.Evolve);

    public void Keep(Decision<AccountEvent> decision)
    {
        foreach (var e in decision.Events) _account.Add(new(AccountIds.Of(_customer), _account.Count + 1, ++_sequence, e));
    }

    public void Keep(string invoice, Decision<InvoiceEvent> decision)
    {
        var events = _invoices[invoice].Events;
        foreach (var e in decision.Events) events.Add(new(invoice, events.Count + 1, ++_sequence, e));
    }

    /// <summary>Finalizes the invoice of a closed period by the account as it stands, and draws the credit that it uses.</summary>
    /// <param name="earlier">closed periods that it adjusts</param>
    public string Finalize(PeriodFacts facts, DateTimeOffset at, params PeriodFacts[] earlier)
    {
        var terms = (Agreed(Some.Terms(currency)) with { Account = Account, Seller = Rates }).Earlier(earlier);
        var (id, period) = (InvoiceIds.Of(facts.PeriodId), new PeriodState.Closed(facts, facts.Usage, [], facts.End, 9));
        var decision = FinalizeInvoiceDecision.Decide(new(period, terms, $"INV-{_invoices.Count + 1:D6}", at), InvoiceState.Initial);
        var document = InvoiceDocument.Finalized(facts, terms, ((InvoiceFinalized)decision.Events[1]).Number, (InvoiceTermsCut)decision.Events[0]);
        var json = Encoding.UTF8.GetString(document.ToUtf8());
        _invoices[id] = (InvoicedAmounts.Of(json, facts.Plans), json, facts.Plans, []);
        Keep(id, decision);
        Keep(DrawCreditDecision.Decide(new DrawCredit(id, document.Rated.Draws, at), Account));
        return id;
    }

    public void Void(string invoice, DateTimeOffset at)
    {
        var decision = VoidInvoiceDecision.Decide(new("wrong customer", at, LateUsageTies.None), Invoice(invoice));
        Keep(invoice, decision);
        if (decision.Events.Count > 0) Keep(DrawCreditDecision.Decide(new ReturnCredit(invoice, at), Account));
    }

    public void Credit(string invoice, long? micros, DateTimeOffset at) => Keep(invoice, IssueCreditNoteDecision.Decide(
        new(invoice, $"cn_{_sequence}", $"CN-{_sequence:D6}", micros is { } m ? new Micros(m) : null, "outage", TaxedParts.Of(_invoices[invoice].Document), at), Invoice(invoice)));

    /// <param name="paidAt">where that was earlier than anybody heard of it</param>
    public void Pay(string invoice, long micros, DateTimeOffset at, DateTimeOffset? paidAt = null) => Keep(invoice, RecordPaymentDecision.Decide(new("stripe", $"pi_{_sequence}", new(micros), currency, paidAt ?? at, at), Invoice(invoice)));

    public void Refund(string invoice, long micros, DateTimeOffset at, DateTimeOffset? refundedAt = null) =>
        Keep(invoice, RecordRefundDecision.Decide(new("stripe", $"re_{_sequence}", new(micros), currency, refundedAt ?? at, at), Invoice(invoice)));

    /// <summary>What dunning does to it: it falls overdue, is held or released, or the next step is taken.</summary>
    public void Dun(string invoice, int which, DateTimeOffset at) => Keep(invoice, which switch
    {
        0 or 1 => MarkOverdueDecision.Decide(new(at, new([1, 3, 7], 10, DunningFinalAction.MarkUncollectible)), Invoice(invoice)),
        2 => HoldDunningDecision.Decide(new("disputed", at), Invoice(invoice)),
        3 => ReleaseDunningDecision.Decide(new(at), Invoice(invoice)),
        _ => TakeDunningStepsDecision.Decide(new(at), Invoice(invoice)),
    });

    public void GrantTokens(string id, long tokens, DateTimeOffset? expires, DateTimeOffset at) =>
        Keep(GrantCreditDecision.Decide(new GrantTokenCredit(id, "Tokens", tokens, [TokenKind.Output], 0, expires, at), Account));

    public void WriteOff(string invoice, DateTimeOffset at) => Keep(invoice, WriteOffInvoiceDecision.Decide(new("insolvent", at), Invoice(invoice)));

    /// <summary>Null while nothing was invoiced.</summary>
    public CustomerStatement? Statement(Period window) => CustomerStatement.Of(_invoices.Values.Select(i => (IReadOnlyList<RecordedEvent<InvoiceEvent>>)i.Events), window).SingleOrDefault();

    public void Grant(string id, long micros, DateTimeOffset? expires, DateTimeOffset at) => Keep(GrantCreditDecision.Decide(new GrantMoneyCredit(id, "Welcome", new(micros), Currency, 0, expires, at), Account));

    /// <param name="until">null takes it back at once</param>
    public void End(string grant, DateTimeOffset? until, DateTimeOffset at) => Keep(EndAgreementDecision.Decide(new(grant, until, at, at), Account));

    public IEnumerable<JournalEntry> Journal(Period window) =>
        new CreditPostings(_account, _customer, Currency).Entries(window).Concat(_invoices.Values.SelectMany(i => new InvoicePostings(i.Events, i.Amounts).Entries(window))).Order(JournalOrder.Default);

    /// <summary>The entries as lines of text: what it is, the day, and each account with its amount, debits above zero.</summary>
    public string[] Told(Period window) => [.. Journal(window).Select(e => $"{e.At:MM-dd} {e.Kind}: {string.Join(", ", e.Lines.Select(l => $"{l.Account.Name} {l.AmountMicros.ToMajorUnits(Currency)}"))}")];

    public TrialBalance Balance(DateTimeOffset before) => TrialBalance.Of(Journal(Before(before)));
}
