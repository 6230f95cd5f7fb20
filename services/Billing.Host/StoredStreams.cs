using System.Diagnostics;
using Billing.Accounts;
using Billing.Audit;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Operations;
using Billing.Periods;
using Billing.Sellers;
using Billing.Subscriptions;
using Billing.Webhooks;
using Marten;

namespace Billing.Host;

/// <summary>
/// Many streams read in one query and folded as they come, so that closing a thousand periods costs a few round trips and a busy period no
/// memory. A stream that does not exist folds to the initial state. One that cannot be folded stops nobody but those who ask for its state.
/// </summary>
public sealed class StoredStreams
{
    private readonly Dictionary<string, object> _states = [];
    private readonly Dictionary<string, long> _versions = [];
    private readonly Dictionary<string, CorruptStreamException> _faults = [];
    private readonly Dictionary<string, List<DateTimeOffset>> _times = [];

    /// <summary>Below, reading them all is cheaper than looking for a view.</summary>
    private const int BusyEvents = 20;

    private readonly KnownEvents _known;

    private readonly bool _fromViews;

    private StoredStreams(HistoryPoint at, bool fromViews) => (_known, _fromViews) = (new(at), fromViews);

    /// <param name="at">how much of history is looked at; all of it by default</param>
    public static Task<StoredStreams> ReadAsync(IQuerySession session, IEnumerable<string> ids, CancellationToken ct, HistoryPoint at = default) => Read(new(at, fromViews: false), session, ids, ct);

    /// <summary>To decide on: busy periods from their views and what came after. Whoever writes or checks the books reads them from their beginning.</summary>
    public static Task<StoredStreams> ReadToDecideAsync(IQuerySession session, IEnumerable<string> ids, CancellationToken ct) => Read(new(default, fromViews: true), session, ids, ct);

    private static async Task<StoredStreams> Read(StoredStreams streams, IQuerySession session, IEnumerable<string> ids, CancellationToken ct)
    {
        await streams.ReadMoreAsync(session, ids, ct);
        return streams;
    }

    /// <summary>Streams whose ids were learned from those that were read before.</summary>
    public async Task ReadMoreAsync(IQuerySession session, IEnumerable<string> ids, CancellationToken ct)
    {
        var wanted = ids.Where(id => id.Length > 0 && !_states.ContainsKey(id) && !_faults.ContainsKey(id)).Distinct().ToArray();
        if (wanted.Length == 0) return;
        if (_fromViews) await ReadViews(session, wanted, ct);
        await foreach (var e in EventRows.ReadAsync(session, [.. wanted.Select(id => (id, Version(id)))], ct)) Add(e);
    }

    /// <summary>
    /// A period that usage reported to many times is not folded from its beginning where its view will do: that is that fold up to a version, and the events after it are few.
    /// Whatever is decided on it is written on the version that was reached, as ever.
    /// </summary>
    private async Task ReadViews(IQuerySession session, string[] wanted, CancellationToken ct)
    {
        string[] periods = [.. wanted.Where(id => id.StartsWith(Ids.Period, StringComparison.Ordinal))];
        if (periods.Length == 0) return;
        string[] busy = [.. await session.AdvancedSql.QueryAsync<string>("select id from billing.mt_streams where id = any(?) and version > ?", ct, periods, BusyEvents)];
        if (busy.Length == 0) return;
        foreach (var view in await session.LoadManyAsync<PeriodView>(ct, busy))
            if (view.State is { } state) (_states[view.Id], _versions[view.Id]) = (state, view.Version);
    }

    /// <summary>Why a stream cannot be folded, and at which event; null where it can.</summary>
    public CorruptStreamException? Fault(string id) => _faults.GetValueOrDefault(id);

    /// <summary>
    /// Now, or when the latest of an invoice's events was written, where a clock that is ahead wrote it: what happens to an invoice rises in time with what happened to it. One that is further ahead than clocks are that are
    /// kept right was wrong, and dates nothing that follows; only before the invoice itself nothing happens to it.
    /// </summary>
    public DateTimeOffset NotBefore(string invoiceId, DateTimeOffset now)
    {
        var latest = _times.GetValueOrDefault(invoiceId, []).Select(at => NumberSeries.Issued(now, at)).Append(now).Max();
        return Invoice(invoiceId) is InvoiceState.Finalized { Invoice.At: var final } && final > latest ? final : latest;
    }

    public long Version(string id) => _versions.GetValueOrDefault(id);
    public CustomerState Customer(string id) => State(id, CustomerState.Initial);
    public MenuState Menu(string id) => State(id, MenuState.Initial);
    public SubscriptionState Subscription(string id) => State(id, SubscriptionState.Initial);
    public PeriodState Period(string id) => State(id, PeriodState.Initial);
    public AccountState Account(string id) => State(id, AccountState.Initial);
    public InvoiceState Invoice(string id) => State(id, InvoiceState.Initial);

    public SellerState Seller(string id) => State(id, SellerState.Initial);

    /// <exception cref="CorruptStreamException">It cannot be folded.</exception>
    private TState State<TState>(string id, TState initial) where TState : class =>
        _faults.TryGetValue(id, out var fault) ? throw new CorruptStreamException(fault) : (TState?)_states.GetValueOrDefault(id) ?? initial;

    private void Add(StreamEvent e)
    {
        var id = e.Stream;
        if (_faults.ContainsKey(id) || !_known.Has(id, e.Sequence, e.Data)) return;
        _versions[id] = e.Version;
        if (e.Data is InvoiceEvent && BusinessTimes.Of(e.Data) is { } at)
        {
            if (!_times.TryGetValue(id, out var times)) _times[id] = times = [];
            times.Add(at);
        }
        try
        {
            _states[id] = Evolve(e);
        }
        catch (CorruptStreamException fault)
        {
            _faults[id] = fault;
            _states.Remove(id);
        }
    }

    private object Evolve(StreamEvent e) => e.Folded<object?, object>(_states.GetValueOrDefault(e.Stream), static (state, body) => body switch
    {
        CustomerEvent x => CustomerState.Evolve((CustomerState?)state ?? CustomerState.Initial, x),
        MenuEvent x => MenuState.Evolve((MenuState?)state ?? MenuState.Initial, x),
        SubscriptionEvent x => SubscriptionState.Evolve((SubscriptionState?)state ?? SubscriptionState.Initial, x),
        PeriodEvent x => PeriodState.Evolve((PeriodState?)state ?? PeriodState.Initial, x),
        InvoiceEvent x => InvoiceState.Evolve((InvoiceState?)state ?? InvoiceState.Initial, x),
        AccountEvent x => AccountState.Evolve((AccountState?)state ?? AccountState.Initial, x),
        SellerEvent x => SellerState.Evolve((SellerState?)state ?? SellerState.Initial, x),
        OperationEvent x => OperationsState.Evolve((OperationsState?)state ?? OperationsState.Initial, x),
        WebhookEvent x => WebhookState.Evolve((WebhookState?)state ?? WebhookState.Initial, x),
        _ => throw new UnreachableException($"{body.GetType().Name} has no fold"),
    })!;
}
