using Billing.Accounts;
using Billing.Audit;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Marten;

namespace Billing.Host;

/// <summary>
/// What rating reads beside a period's own events, for many periods in a few queries: menus, earlier periods that are adjusted, the
/// customers' accounts, the seller. Accounts and seller are kept as events, for every invoice was made by a version of its own.
/// </summary>
public sealed class StoredTerms
{
    private readonly Dictionary<string, MenuTerms> _menus = [];
    private readonly Dictionary<string, PeriodFacts> _earlier = [];
    private readonly Dictionary<string, List<StreamEvent>> _histories = [];
    // By how many events of its account each closed period that is adjusted was invoiced; where it is not final, by all there are.
    private readonly Dictionary<string, long> _earlierAccounts = [];
    // Closed periods that are adjusted and whose invoices are void, with the time since when.
    private readonly Dictionary<string, DateTimeOffset> _voided = [];

    // Of menus and earlier periods that cannot be folded: only what refers to them cannot be rated.
    private readonly Dictionary<string, CorruptStreamException> _faults = [];

    public static async Task<StoredTerms> ReadAsync(IQuerySession session, IReadOnlyCollection<PeriodFacts> all, CancellationToken ct, HistoryPoint at = default)
    {
        var terms = new StoredTerms();
        await terms.ReadHistories(session, [.. all.SelectMany(f => new[] { AccountIds.Of(f.CustomerId), f.CustomerId }), SellerState.StreamId], at, ct);
        string[] adjusted = [.. all.SelectMany(f => f.Adjustments.Select(a => a.FromPeriodId)).Distinct()];
        var streams = await StoredStreams.ReadAsync(session, adjusted.Concat(adjusted.Select(InvoiceIds.Of)).Concat(all.SelectMany(InvoiceRating.MenusOf)), ct, at);
        foreach (var id in adjusted)
        {
            if ((streams.Fault(id) ?? streams.Fault(InvoiceIds.Of(id))) is { } fault)
            {
                terms._faults[id] = fault;
                continue;
            }
            if (streams.Period(id) is PeriodState.Closed closed) terms._earlier[id] = closed.Facts;
            if (streams.Invoice(InvoiceIds.Of(id)) is InvoiceState.Voided voided) terms._voided[id] = voided.At;
            var invoice = streams.Invoice(InvoiceIds.Of(id)) switch { InvoiceState.Finalized f => f, InvoiceState.Voided v => v.Was, _ => null };
            if (invoice is not null) terms._earlierAccounts[id] = invoice.Terms?.AccountVersion ?? 0;
        }
        foreach (var id in all.SelectMany(InvoiceRating.MenusOf).Distinct())
            if (streams.Fault(id) is { } fault) terms._faults[id] = fault;
            else if (streams.Menu(id) is MenuState.Received received) terms._menus[id] = received.Terms;
        return terms;
    }

    /// <summary>As they stand.</summary>
    /// <exception cref="InvalidOperationException">Something that is referred to is missing, or a CorruptStreamException: it cannot be folded.</exception>
    public RatingTerms Now(PeriodFacts facts) => At(
        facts, long.MaxValue, long.MaxValue, long.MaxValue,
        [.. facts.Adjustments.Select(a => a.FromPeriodId).Distinct().Select(id => new EarlierTerms(id, _earlierAccounts.GetValueOrDefault(id, long.MaxValue), _voided.ContainsKey(id) ? true : null))]);

    /// <summary>As an invoice was made by them.</summary>
    /// <exception cref="InvalidOperationException">Likewise.</exception>
    public RatingTerms At(PeriodFacts facts, InvoiceTermsCut cut) => At(facts, cut.AccountVersion, cut.SellerVersion, cut.CustomerVersion, cut.Earlier ?? []);

    /// <summary>The periods that it adjusts whose invoices were void by then. An invoice of before version 9 does not name them.</summary>
    public IReadOnlySet<string> VoidedBy(PeriodFacts facts, DateTimeOffset at) =>
        facts.Adjustments.Select(a => a.FromPeriodId).Where(id => _voided.TryGetValue(id, out var since) && since <= at).ToHashSet();

    /// <summary>What an invoice took from its customer's credit; nothing where it took none.</summary>
    public ValueList<CreditDraw> Drawn(string customerId, string invoiceId) =>
        History(AccountIds.Of(customerId)).Select(e => e.Data).OfType<CreditDrawn>().FirstOrDefault(d => d.InvoiceId == invoiceId)?.Draws ?? [];

    /// <summary>An event of a customer's account that cannot be read, which may be the one that drew; null where all can.</summary>
    public CorruptStreamException? UnreadableDraw(string customerId) => History(AccountIds.Of(customerId)).Select(e => e.Data).OfType<UnreadableEvent>().FirstOrDefault()?.Fault;

    /// <summary>What this batch has decided and not yet committed counts for the rest of it.</summary>
    public void Add(string accountId, IEnumerable<AccountEvent> events)
    {
        var history = History(accountId);
        foreach (var e in events) history.Add(new(accountId, history.Count + 1, 0, e.GetType().Name, e));
    }

    private RatingTerms At(PeriodFacts facts, long accountVersion, long sellerVersion, long? customerVersion, ValueList<EarlierTerms> earlier) => new(
        InvoiceRating.MenusOf(facts).ToDictionary(id => id, id => _menus.GetValueOrDefault(id) ?? throw Missing(id, "is referred to and not stored")),
        facts.Adjustments.Select(a => a.FromPeriodId).Distinct()
            .ToDictionary(id => id, id => _earlier.GetValueOrDefault(id) ?? throw Missing(id, "is adjusted and is not a closed period")),
        Account(facts, accountVersion),
        Fold<SellerState, SellerEvent>(SellerState.StreamId, sellerVersion, SellerState.Initial, SellerState.Evolve))
    {
        Identity = customerVersion is { } version
            ? Fold<TaxIdentity, CustomerEvent>(facts.CustomerId, version, new([], 0), (i, e) => new(e is CustomerTaxSet t ? [.. i.Sets, t] : i.Sets, i.Version + 1))
            : null,
        EarlierAccounts = earlier.ToDictionary(e => e.PeriodId, e => Account(facts, e.AccountVersion)),
        VoidedPeriods = earlier.Where(e => e.Voided == true).Select(e => e.PeriodId).ToHashSet(),
    };

    private AccountState Account(PeriodFacts facts, long through) => Fold<AccountState, AccountEvent>(AccountIds.Of(facts.CustomerId), through, AccountState.Initial, AccountState.Evolve);

    private InvalidOperationException Missing(string id, string why) => _faults.TryGetValue(id, out var fault) ? new CorruptStreamException(fault) : new InvalidOperationException($"{id} {why}");

    private TState Fold<TState, TEvent>(string id, long through, TState initial, Func<TState, TEvent, TState> evolve)
    {
        var (history, state) = (History(id), initial);
        for (var i = 0; i < Math.Min(through, history.Count); i++) state = history[i].Folded(state, evolve);
        return state;
    }

    private List<StreamEvent> History(string id) => _histories.TryGetValue(id, out var history) ? history : _histories[id] = [];

    private async Task ReadHistories(IQuerySession session, IEnumerable<string> ids, HistoryPoint at, CancellationToken ct)
    {
        var known = new KnownEvents(at);
        await foreach (var e in EventRows.ReadAsync(session, [.. ids.Distinct().Select(id => (id, 0L))], ct))
            if (known.Has(e.Stream, e.Sequence, e.Data)) History(e.Stream).Add(e);
    }
}
