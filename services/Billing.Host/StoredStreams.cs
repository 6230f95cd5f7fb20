using Billing.Accounts;
using Billing.Audit;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Sellers;
using Billing.Subscriptions;
using JasperFx.Events;
using Marten;
using Marten.Linq;

namespace Billing.Host;

/// <summary>
/// Many streams read in one query and folded as they come, so that closing a thousand periods costs a few round trips and a busy period no
/// memory. A stream that does not exist folds to the initial state.
/// </summary>
public sealed class StoredStreams
{
    private readonly Dictionary<string, object> _states = [];
    private readonly Dictionary<string, long> _versions = [];

    private readonly KnownEvents _known;

    private StoredStreams(HistoryPoint at) => _known = new(at);

    /// <param name="at">how much of history is looked at; all of it by default</param>
    public static async Task<StoredStreams> ReadAsync(IQuerySession session, IEnumerable<string> ids, CancellationToken ct, HistoryPoint at = default)
    {
        var streams = new StoredStreams(at);
        await streams.ReadMoreAsync(session, ids, ct);
        return streams;
    }

    /// <summary>Streams whose ids were learned from those that were read before.</summary>
    public async Task ReadMoreAsync(IQuerySession session, IEnumerable<string> ids, CancellationToken ct)
    {
        var wanted = ids.Where(id => id.Length > 0 && !_states.ContainsKey(id)).Distinct().ToArray();
        if (wanted.Length == 0) return;
        var events = session.Events.QueryAllRawEvents().Where(e => e.StreamKey!.IsOneOf(wanted)).OrderBy(e => e.StreamKey).ThenBy(e => e.Version);
        await foreach (var e in events.ToAsyncEnumerable(ct)) Add(e);
    }

    public long Version(string id) => _versions.GetValueOrDefault(id);
    public CustomerState Customer(string id) => State(id, CustomerState.Initial);
    public MenuState Menu(string id) => State(id, MenuState.Initial);
    public SubscriptionState Subscription(string id) => State(id, SubscriptionState.Initial);
    public PeriodState Period(string id) => State(id, PeriodState.Initial);
    public AccountState Account(string id) => State(id, AccountState.Initial);
    public InvoiceState Invoice(string id) => State(id, InvoiceState.Initial);

    public SellerState Seller(string id) => State(id, SellerState.Initial);

    private TState State<TState>(string id, TState initial) where TState : class => (TState?)_states.GetValueOrDefault(id) ?? initial;

    private void Add(IEvent e)
    {
        var id = e.StreamKey!;
        if (!_known.Has(e)) return;
        _versions[id] = e.Version;
        _states[id] = e.Data switch
        {
            CustomerEvent x => CustomerState.Evolve(Customer(id), x),
            MenuEvent x => MenuState.Evolve(Menu(id), x),
            SubscriptionEvent x => SubscriptionState.Evolve(Subscription(id), x),
            PeriodEvent x => PeriodState.Evolve(Period(id), x),
            InvoiceEvent x => InvoiceState.Evolve(Invoice(id), x),
            AccountEvent x => AccountState.Evolve(Account(id), x),
            SellerEvent x => SellerState.Evolve(Seller(id), x),
            _ => throw new System.Diagnostics.UnreachableException($"{e.EventTypeName} in {id} has no fold"),
        };
    }
}
