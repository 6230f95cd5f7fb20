using Billing.Customers;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Subscriptions;
using Grpc.Core;
using Marten;
using Contracts.Billing.V1;
using MenuTerms = Billing.Menus.MenuTerms;

namespace Billing.Host;

public sealed partial class BillingService
{
    private delegate Decision<SubscriptionEvent> Decider(SubscriptionState state, IReadOnlyDictionary<string, MenuTerms> menus);

    public override Task<Subscription> Subscribe(SubscribeRequest request, ServerCallContext context) => calls.Once<Subscription>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        var id = IdOrNew(Ids.Subscription, request.SubscriptionId);
        Ids.Parse(Ids.Customer, request.CustomerId);
        var command = new Subscribe(
            request.CustomerId, request.MenuId, request.PlanId, await CustomerOf(request.CustomerId, ct), await MenuOf(request.MenuId, request.PlanId, ct), clock.Now,
            request.AnchorDay, request.TimeZone, request.TrialDays);
        var by = attribution.Of(context);
        return await Transact(id, (s, _) => SubscribeDecision.Decide(command, s).By(by), remember, ct);
    });

    public override Task<Subscription> ChangePlan(ChangePlanRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Deciding(request, attribution.Of(context))));

    public override Task<Subscription> MigrateSubscription(MigrateSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, ct => Deciding(request, attribution.Of(context), ct));

    public override Task<Subscription> CancelSubscription(CancelSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Deciding(request, attribution.Of(context))));

    public override Task<Subscription> ActivateSubscription(ActivateSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Activating(attribution.Of(context))));

    public override Task<Subscription> WithdrawScheduledChange(WithdrawScheduledChangeRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ =>
        {
            var by = attribution.Of(context);
            return Task.FromResult<Decider>((s, _) => WithdrawScheduledChangeDecision.Decide(new(clock.Now, by), s));
        });

    public override async Task<PreviewChangeResponse> PreviewChange(PreviewChangeRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        var (id, deciding) = request.ChangeCase switch
        {
            PreviewChangeRequest.ChangeOneofCase.Plan => (request.Plan.SubscriptionId, Deciding(request.Plan, null)),
            PreviewChangeRequest.ChangeOneofCase.Migration => (request.Migration.SubscriptionId, await Deciding(request.Migration, null, ct)),
            PreviewChangeRequest.ChangeOneofCase.Cancellation => (request.Cancellation.SubscriptionId, Deciding(request.Cancellation, null)),
            PreviewChangeRequest.ChangeOneofCase.Activation => (request.Activation.SubscriptionId, Activating(null)),
            _ => throw new FormatException("change is missing: expected plan, migration, cancellation or activation"),
        };
        Ids.Parse(Ids.Subscription, id);
        await using var session = store.QuerySession();
        var streams = await SubscriptionStreams.Read(session, [id], ct);
        var state = streams.Subscription(id);
        var (found, refusal) = ChangePreview.Of(
            id, state, deciding(state, await menus.Get(SubscriptionStreams.MenusOf(state), ct)).OrThrow().Events, streams.Period, clock.Now);
        var preview = found ?? throw refusal!.Value.AsException();
        var terms = await StoredTerms.ReadAsync(session, [preview.Before, preview.After], ct);
        var (before, after) = (Wire.Draft(preview.Before, terms.Now(preview.Before)), Wire.Draft(preview.After, terms.Now(preview.After)));
        return new()
        {
            EffectiveAt = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(preview.EffectiveAt), Before = before, After = after,
            DifferenceMicros = after.TotalMicros - before.TotalMicros,
        };
    }

    public override async Task<Subscription> GetSubscription(GetSubscriptionRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var state = await streams.Load<SubscriptionState, SubscriptionEvent>(
            request.SubscriptionId, SubscriptionState.Initial, SubscriptionState.Evolve, context.CancellationToken);
        return await Answer(request.SubscriptionId, state, context.CancellationToken);
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
        response.Subscriptions.AddRange(views.Take(size).Select(v => Wire.Subscription(v.Id, v.State, terms[v.MenuId])));
        return response;
    }

    /// <summary>Of those that are not cancelled: what a plan has sold.</summary>
    public override async Task<CountSubscriptionsByPlanResponse> CountSubscriptionsByPlan(CountSubscriptionsByPlanRequest request, ServerCallContext context)
    {
        if (request.MenuId.Length > 0) Ids.Parse(Ids.Menu, request.MenuId);
        await using var command = database.CreateCommand("""
            select data ->> 'menuId', data ->> 'planId', count(*) from billing.mt_doc_subscriptionview
            where ($1 = '' or data ->> 'menuId' = $1) and data ->> 'status' <> 'cancelled' group by 1, 2 order by 1, 2
            """);
        command.Parameters.Add(new() { Value = request.MenuId });
        await using var reader = await command.ExecuteReaderAsync(context.CancellationToken);
        var response = new CountSubscriptionsByPlanResponse();
        while (await reader.ReadAsync(context.CancellationToken))
            response.Counts.Add(new PlanCount { MenuId = reader.GetString(0), PlanId = reader.GetString(1), Subscriptions = reader.GetInt64(2) });
        return response;
    }

    private Decider Deciding(ChangePlanRequest request, Attribution? by)
    {
        Ids.Parse(Ids.Plan, request.PlanId);
        var when = Wire.When(request.When);
        return (s, terms) => ChangePlanDecision.Decide(new(request.PlanId, when, terms, clock.Now, by), s);
    }

    private async Task<Decider> Deciding(MigrateSubscriptionRequest request, Attribution? by, CancellationToken ct)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var menu = await MenuOf(request.MenuId, request.PlanId, ct);
        var state = await streams.Load<SubscriptionState, SubscriptionEvent>(request.SubscriptionId, SubscriptionState.Initial, SubscriptionState.Evolve, ct);
        var customer = state is SubscriptionState.Known k ? await CustomerOf(k.CustomerId, ct) : CustomerState.Initial;
        return (s, _) => MigrateSubscriptionDecision.Decide(new(request.MenuId, request.PlanId, menu, customer, clock.Now, by), s);
    }

    private Decider Deciding(CancelSubscriptionRequest request, Attribution? by)
    {
        var when = Wire.When(request.When);
        return (s, _) => CancelSubscriptionDecision.Decide(new(when, clock.Now, by), s);
    }

    private Decider Activating(Attribution? by) => (s, _) => ActivateSubscriptionDecision.Decide(new(clock.Now, by), s);

    private Task<Subscription> Change(ServerCallContext context, Google.Protobuf.IMessage request, string id, Func<CancellationToken, Task<Decider>> deciding) =>
        calls.Once<Subscription>(context, request, async remember =>
        {
            Ids.Parse(Ids.Subscription, id);
            return await Transact(id, await deciding(context.CancellationToken), remember, context.CancellationToken);
        });

    private async Task<Subscription> Transact(string id, Decider deciding, Action<IDocumentSession, Subscription> remember, CancellationToken ct)
    {
        var after = await subscriptions.Transact(
            id, (s, terms) => deciding(s, terms), (session, s, terms) => remember(session, Wire.Subscription(id, s, terms)), ct);
        return await Answer(id, after, ct);
    }

    private async Task<Subscription> Answer(string id, SubscriptionState state, CancellationToken ct) => state is SubscriptionState.Known known
        ? Wire.Subscription(id, known, (await menus.Get([known.MenuId], ct))[known.MenuId])
        : throw new Refusal("subscription_unknown", $"there is no subscription {id}: check the id").AsException();

    private Task<CustomerState> CustomerOf(string id, CancellationToken ct) => streams.Load<CustomerState, CustomerEvent>(id, CustomerState.Initial, CustomerState.Evolve, ct);

    private async Task<MenuState> MenuOf(string menuId, string planId, CancellationToken ct)
    {
        Ids.Parse(Ids.Menu, menuId);
        Ids.Parse(Ids.Plan, planId);
        return await menus.Find(menuId, ct) is { } terms ? new MenuState.Received(terms) : MenuState.Initial;
    }
}
