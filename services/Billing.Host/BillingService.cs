using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Subscriptions;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using Npgsql;
using Contracts.Billing.V1;
using Customer = Contracts.Billing.V1.Customer;

namespace Billing.Host;

/// <summary>billing.v1.Billing.</summary>
public sealed class BillingService(
    EventStreams streams, IdempotentCalls calls, IDocumentStore store, NpgsqlDataSource database, MenuBook menus, UsageReports reports, BusinessClock clock)
    : Contracts.Billing.V1.Billing.BillingBase
{
    private const int PageSizeDefault = 100, PageSizeMax = 1_000;

    public override Task<Customer> CreateCustomer(CreateCustomerRequest request, ServerCallContext context) => calls.Once<Customer>(context, request, async remember =>
    {
        var id = IdOrNew(Ids.Customer, request.CustomerId);
        var command = new CreateCustomer(request.Currency, request.Reference, clock.Now);
        (await streams.Transact<CustomerState, CustomerEvent>(
            id, CustomerState.Initial, CustomerState.Evolve, s => CreateCustomerDecision.Decide(command, s), context.CancellationToken,
            (session, s) => remember(session, Answer(id, s)))).OrThrow();
        return Answer(id, await Load(id, context.CancellationToken));
    });

    public override async Task<Customer> GetCustomer(GetCustomerRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Customer, request.CustomerId);
        return Answer(request.CustomerId, await Load(request.CustomerId, context.CancellationToken));
    }

    public override Task<Subscription> Subscribe(SubscribeRequest request, ServerCallContext context) => calls.Once<Subscription>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        var id = IdOrNew(Ids.Subscription, request.SubscriptionId);
        Ids.Parse(Ids.Customer, request.CustomerId);
        Ids.Parse(Ids.Menu, request.MenuId);
        Ids.Parse(Ids.Plan, request.PlanId);
        var customer = await streams.Load<CustomerState, CustomerEvent>(request.CustomerId, CustomerState.Initial, CustomerState.Evolve, ct);
        var menu = await menus.Find(request.MenuId, ct) is { } terms ? new MenuState.Received(terms) : MenuState.Initial;
        var command = new Subscribe(request.CustomerId, request.MenuId, request.PlanId, customer, menu, clock.Now);
        (await streams.Transact<SubscriptionState, SubscriptionEvent>(
            id, SubscriptionState.Initial, SubscriptionState.Evolve, s => SubscribeDecision.Decide(command, s), ct,
            (session, s) =>
            {
                // Both periods that the first snapshot names exist before anybody hears of them.
                session.OpenPeriod(id, (SubscriptionState.Active)s, 0, command.At);
                session.OpenPeriod(id, (SubscriptionState.Active)s, 1, command.At);
                remember(session, Wire.Subscription(SubscriptionSnapshot.Of(id, (SubscriptionState.Active)s, ((MenuState.Received)menu).Terms)));
            })).OrThrow();
        return await Snapshot(id, ct);
    });

    public override Task<Subscription> GetSubscription(GetSubscriptionRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        return Snapshot(request.SubscriptionId, context.CancellationToken);
    }

    public override async Task<ListSubscriptionsResponse> ListSubscriptions(ListSubscriptionsRequest request, ServerCallContext context)
    {
        var (ct, size, after) = (context.CancellationToken, PageSize(request.PageSize), PageToken(Ids.Subscription, request.PageToken));
        await using var session = store.QuerySession();
        var query = session.Query<SubscriptionView>().Where(s => s.Id.CompareTo(after) > 0);
        if (request.CustomerId.Length > 0)
        {
            Ids.Parse(Ids.Customer, request.CustomerId);
            query = query.Where(s => s.CustomerId == request.CustomerId);
        }
        var views = await query.OrderBy(s => s.Id).Take(size + 1).ToListAsync(ct);
        var response = new ListSubscriptionsResponse { NextPageToken = views.Count > size ? views[size - 1].Id : "" };
        var terms = await menus.Get(views.Select(v => v.MenuId), ct);
        response.Subscriptions.AddRange(views.Take(size).Select(v => Wire.Subscription(SubscriptionSnapshot.Of(v.Id, v.State, terms[v.MenuId]))));
        return response;
    }

    public override async Task<CountSubscriptionsByPlanResponse> CountSubscriptionsByPlan(CountSubscriptionsByPlanRequest request, ServerCallContext context)
    {
        if (request.MenuId.Length > 0) Ids.Parse(Ids.Menu, request.MenuId);
        await using var command = database.CreateCommand("""
            select data ->> 'menuId', data ->> 'planId', count(*) from billing.mt_doc_subscriptionview
            where $1 = '' or data ->> 'menuId' = $1 group by 1, 2 order by 1, 2
            """);
        command.Parameters.Add(new() { Value = request.MenuId });
        await using var reader = await command.ExecuteReaderAsync(context.CancellationToken);
        var response = new CountSubscriptionsByPlanResponse();
        while (await reader.ReadAsync(context.CancellationToken))
            response.Counts.Add(new PlanCount { MenuId = reader.GetString(0), PlanId = reader.GetString(1), Subscriptions = reader.GetInt64(2) });
        return response;
    }

    public override async Task<Contracts.Billing.V1.MenuTerms> GetMenuTerms(GetMenuTermsRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Menu, request.MenuId);
        return Wire.Menu(await menus.Find(request.MenuId, context.CancellationToken)
            ?? throw new Refusal("menu_unknown", $"billing has not received {request.MenuId}: publish it, and try again in a moment").AsException());
    }

    public override async Task<Invoice> GetInvoice(GetInvoiceRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        await using var session = store.QuerySession();
        if (request.PeriodId.Length > 0) Ids.Parse(Ids.Period, request.PeriodId);
        var invoiceId = request.PeriodId.Length > 0 ? InvoiceIds.Of(request.PeriodId) : request.InvoiceId;
        Ids.Parse(Ids.Invoice, invoiceId);
        if (request.InvoiceId.Length > 0 && request.InvoiceId != invoiceId) throw new FormatException($"{request.InvoiceId} is not the invoice of {request.PeriodId}: give one of them");
        if (await session.LoadAsync<StoredInvoice>(invoiceId, ct) is { } final) return Wire.Final(final);
        var view = await session.Query<PeriodView>().FirstOrDefaultAsync(v => v.InvoiceId == invoiceId, ct);
        // Right after the period was opened the view may not have it yet.
        var facts = view?.Facts ?? await FactsFromStream(session, request.PeriodId, ct)
            ?? throw new Refusal("invoice_unknown", "there is no such invoice, and no open period that will have it").AsException();
        return Wire.Draft(facts, (await StoredTerms.ReadAsync(session, [facts], ct)).Now(facts));
    }

    public override async Task<ListInvoicesResponse> ListInvoices(ListInvoicesRequest request, ServerCallContext context)
    {
        var (ct, size, after) = (context.CancellationToken, PageSize(request.PageSize), PageToken(Ids.Invoice, request.PageToken));
        if (request.SubscriptionId.Length > 0) Ids.Parse(Ids.Subscription, request.SubscriptionId);
        await using var session = store.QuerySession();
        var found = new List<Invoice>();
        if (request.Status != InvoiceStatus.Draft)
        {
            var query = session.Query<StoredInvoice>().Where(i => i.Id.CompareTo(after) > 0);
            if (request.SubscriptionId.Length > 0) query = query.Where(i => i.SubscriptionId == request.SubscriptionId);
            found.AddRange((await query.OrderBy(i => i.Id).Take(size + 1).ToListAsync(ct)).Select(Wire.Final));
        }
        if (request.Status != InvoiceStatus.Finalized) found.AddRange(await Drafts(session, request, size + 1, after, ct));
        found.Sort((a, b) => string.CompareOrdinal(a.InvoiceId, b.InvoiceId));
        var response = new ListInvoicesResponse { NextPageToken = found.Count > size ? found[size - 1].InvoiceId : "" };
        response.Invoices.AddRange(found.Take(size));
        return response;
    }

    public override async Task<GetAppliedReportsResponse> GetAppliedReports(GetAppliedReportsRequest request, ServerCallContext context)
    {
        var response = new GetAppliedReportsResponse();
        response.Shards.AddRange((await reports.Progress(context.CancellationToken)).Select(p => new AppliedShard { Shard = p.Shard, ThroughNumber = p.Through, HighestNumber = p.Highest }));
        return response;
    }

    /// <summary>Periods that have started and have no final invoice. A period that was only opened ahead has nothing to show.</summary>
    private async Task<List<Invoice>> Drafts(IQuerySession session, ListInvoicesRequest request, int most, string after, CancellationToken ct)
    {
        var drafts = new List<Invoice>();
        for (var now = clock.Now; drafts.Count < most;)
        {
            var query = session.Query<PeriodView>().Where(v => v.InvoiceId.CompareTo(after) > 0 && v.Start <= now);
            if (request.SubscriptionId.Length > 0) query = query.Where(v => v.SubscriptionId == request.SubscriptionId);
            var views = await query.OrderBy(v => v.InvoiceId).Take(most).ToListAsync(ct);
            var final = (await session.LoadManyAsync<StoredInvoice>(ct, [.. views.Select(v => v.InvoiceId)])).Select(i => i.Id).ToHashSet();
            var terms = await StoredTerms.ReadAsync(session, [.. views.Select(v => v.Facts)], ct);
            drafts.AddRange(views.Where(v => !final.Contains(v.InvoiceId)).Select(v => Wire.Draft(v.Facts, terms.Now(v.Facts))));
            if (views.Count < most) break;
            after = views[^1].InvoiceId;
        }
        return drafts;
    }

    private static async Task<PeriodFacts?> FactsFromStream(IQuerySession session, string periodId, CancellationToken ct) =>
        (await StoredStreams.ReadAsync(session, [periodId], ct)).Period(periodId) switch
        {
            PeriodState.Open o => o.Facts,
            PeriodState.Closed c => c.Facts,
            _ => null,
        };

    private Task<CustomerState> Load(string id, CancellationToken ct) => streams.Load<CustomerState, CustomerEvent>(id, CustomerState.Initial, CustomerState.Evolve, ct);

    private static Customer Answer(string id, CustomerState state) => state is CustomerState.Known k
        ? new() { CustomerId = id, Currency = k.Currency.Code, Reference = k.Reference, CreatedAt = k.CreatedAt.ToTimestamp() }
        : throw new Refusal("customer_unknown", $"there is no customer {id}: create it first").AsException();

    private async Task<Subscription> Snapshot(string id, CancellationToken ct)
    {
        var state = await streams.Load<SubscriptionState, SubscriptionEvent>(id, SubscriptionState.Initial, SubscriptionState.Evolve, ct);
        if (state is not SubscriptionState.Active active) throw new Refusal("subscription_unknown", $"there is no subscription {id}").AsException();
        return Wire.Subscription(SubscriptionSnapshot.Of(id, active, (await menus.Get([active.MenuId], ct))[active.MenuId]));
    }

    private string IdOrNew(string prefix, string given)
    {
        if (given.Length == 0) return Ids.New(prefix, clock.Now);
        Ids.Parse(prefix, given);
        return given;
    }

    private static int PageSize(int asked) => asked switch
    {
        0 => PageSizeDefault,
        < 0 or > PageSizeMax => throw new FormatException($"page_size must be from 1 to {PageSizeMax}, or 0 for {PageSizeDefault}"),
        _ => asked,
    };

    private static string PageToken(string prefix, string token)
    {
        if (token.Length > 0) Ids.Parse(prefix, token);
        return token;
    }
}
