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

    private const string SubscribedNow = """
        select data ->> 'menuId', data ->> 'planId', count(*) from billing.mt_doc_subscriptionview
        where ($1 = '' or data ->> 'menuId' = $1) and data ->> 'status' <> 'cancelled' group by 1, 2 order by 1, 2
        """;

    // Through the views, for their streams are few among all events.
    private const string ChosenWithin = """
        select menu, plan, count(*) from (
            select distinct on (e.stream_id) e.data ->> 'menuId' as menu, e.data ->> 'planId' as plan
            from billing.mt_doc_subscriptionview v join billing.mt_events e on e.stream_id = v.id
            where e.type in ('subscription_started', 'subscription_plan_changed') and ($1 = '' or e.data ->> 'menuId' = $1)
                and (e.data ->> 'at')::timestamptz >= $2 and (e.data ->> 'at')::timestamptz < $3
            order by e.stream_id, e.version desc) as chosen
        group by 1, 2 order by 1, 2
        """;

    public override Task<Subscription> Subscribe(SubscribeRequest request, ServerCallContext context) => calls.Once<Subscription>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        var id = IdOrNew(Ids.Subscription, request.SubscriptionId);
        Ids.Parse(Ids.Customer, request.CustomerId);
        var (menu, by, paidUntil) = (await MenuOf(request.MenuId, request.PlanId, ct), CallerAttribution.Of(context), Wire.ParseDay(request.PaidUntil, "paid_until"));
        var started = await subscriptions.Start(
            id, request.CustomerId,
            (s, customer) => SubscribeDecision.Decide(
                new(request.CustomerId, request.MenuId, request.PlanId, customer, menu, clock.Now, request.AnchorDay, request.TimeZone, request.TrialDays, paidUntil), s).By(by),
            (session, s, terms) => remember(session, Wire.Subscription(id, s, terms)), ct);
        return await Answer(id, started, ct);
    });

    public override Task<Subscription> ChangePlan(ChangePlanRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, ct => Deciding(request, CallerAttribution.Of(context), ct));

    public override Task<Subscription> MigrateSubscription(MigrateSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, ct => Deciding(request, CallerAttribution.Of(context), ct));

    public override Task<Subscription> CancelSubscription(CancelSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Deciding(request, CallerAttribution.Of(context))));

    public override Task<Subscription> ActivateSubscription(ActivateSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Activating(CallerAttribution.Of(context))));

    public override Task<Subscription> PauseSubscription(PauseSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Deciding(request, CallerAttribution.Of(context))));

    public override Task<Subscription> ResumeSubscription(ResumeSubscriptionRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ => Task.FromResult(Resuming(CallerAttribution.Of(context))));

    public override Task<Subscription> WithdrawScheduledChange(WithdrawScheduledChangeRequest request, ServerCallContext context) =>
        Change(context, request, request.SubscriptionId, _ =>
        {
            var by = CallerAttribution.Of(context);
            return Task.FromResult<Decider>((s, _) => WithdrawScheduledChangeDecision.Decide(new(clock.Now, by), s));
        });

    public override async Task<PreviewChangeResponse> PreviewChange(PreviewChangeRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        var (id, deciding) = request.ChangeCase switch
        {
            PreviewChangeRequest.ChangeOneofCase.Plan => (request.Plan.SubscriptionId, await Deciding(request.Plan, null, ct)),
            PreviewChangeRequest.ChangeOneofCase.Migration => (request.Migration.SubscriptionId, await Deciding(request.Migration, null, ct)),
            PreviewChangeRequest.ChangeOneofCase.Cancellation => (request.Cancellation.SubscriptionId, Deciding(request.Cancellation, null)),
            PreviewChangeRequest.ChangeOneofCase.Activation => (request.Activation.SubscriptionId, Activating(null)),
            PreviewChangeRequest.ChangeOneofCase.Pause => (request.Pause.SubscriptionId, Deciding(request.Pause, null)),
            PreviewChangeRequest.ChangeOneofCase.Resumption => (request.Resumption.SubscriptionId, Resuming(null)),
            _ => throw new FormatException("change is missing: expected plan, migration, cancellation, activation, pause or resumption"),
        };
        Ids.Parse(Ids.Subscription, id);
        await using var session = store.QuerySession();
        var streams = await SubscriptionStreams.Read(session, [id], ct);
        var state = streams.Subscription(id);
        var (found, refusal) = ChangePreview.Of(
            id, state, deciding(state, await menus.Get(session, SubscriptionStreams.MenusOf(state), ct)).OrThrow().Events, streams.Period, clock.Now);
        var preview = found ?? throw refusal!.Value.AsException();
        var late = await WaitingLateUsage.ReadAsync(session, [id], clock.Now, ct);
        preview = preview with { Before = late.With(preview.Before), After = late.With(preview.After) };
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
        return await Answer(request.SubscriptionId, await StateOf(request.SubscriptionId, context.CancellationToken), context.CancellationToken);
    }

    public override async Task<ListSubscriptionsResponse> ListSubscriptions(ListSubscriptionsRequest request, ServerCallContext context)
    {
        var (ct, size, after) = (context.CancellationToken, Pages.Size(request.PageSize), PageToken(Ids.Subscription, request.PageToken));
        await using var session = store.QuerySession();
        var query = session.Query<SubscriptionView>().Where(s => s.Id.CompareTo(after) > 0);
        if (request.CustomerId.Length > 0)
        {
            Ids.Parse(Ids.Customer, request.CustomerId);
            query = query.Where(s => s.CustomerId == request.CustomerId);
        }
        var views = await query.OrderBy(s => s.Id).Take(size + 1).ToListAsync(ct);
        var response = new ListSubscriptionsResponse { NextPageToken = views.Count > size ? views[size - 1].Id : "" };
        var terms = await menus.Get(session, views.Select(v => v.MenuId), ct);
        response.Subscriptions.AddRange(views.Take(size).Select(v => Wire.Subscription(v.Id, v.State, terms[v.MenuId])));
        return response;
    }

    /// <summary>Of those that are not cancelled: what a plan has sold. Or, of all, who chose it in some time.</summary>
    public override async Task<CountSubscriptionsByPlanResponse> CountSubscriptionsByPlan(CountSubscriptionsByPlanRequest request, ServerCallContext context)
    {
        if (request.MenuId.Length > 0) Ids.Parse(Ids.Menu, request.MenuId);
        await using var command = request.ChosenFrom is null && request.ChosenUntil is null ? database.CreateCommand(SubscribedNow) : database.CreateCommand(ChosenWithin);
        command.Parameters.Add(new() { Value = request.MenuId });
        if (request.ChosenFrom is not null || request.ChosenUntil is not null)
        {
            command.Parameters.Add(new() { Value = (request.ChosenFrom?.ToTime("chosen_from") ?? DateTimeOffset.UnixEpoch).UtcDateTime });
            command.Parameters.Add(new() { Value = (request.ChosenUntil?.ToTime("chosen_until") ?? DateTimeOffset.MaxValue).UtcDateTime });
        }
        await using var reader = await command.ExecuteReaderAsync(context.CancellationToken);
        var response = new CountSubscriptionsByPlanResponse();
        while (await reader.ReadAsync(context.CancellationToken))
            response.Counts.Add(new PlanCount { MenuId = reader.GetString(0), PlanId = reader.GetString(1), Subscriptions = reader.GetInt64(2) });
        return response;
    }

    private async Task<Decider> Deciding(ChangePlanRequest request, Attribution? by, CancellationToken ct)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        Ids.Parse(Ids.Plan, request.PlanId);
        var when = Wire.When(request.When);
        var withdrawn = await menus.Withdrawn(SubscriptionStreams.MenusOf(await StateOf(request.SubscriptionId, ct)), ct);
        return (s, terms) => ChangePlanDecision.Decide(new(request.PlanId, when, terms, clock.Now, by) { Withdrawn = withdrawn }, s);
    }

    private async Task<Decider> Deciding(MigrateSubscriptionRequest request, Attribution? by, CancellationToken ct)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var menu = await MenuOf(request.MenuId, request.PlanId, ct);
        var state = await StateOf(request.SubscriptionId, ct);
        var customer = state is SubscriptionState.Known k ? await CustomerOf(k.CustomerId, ct) : CustomerState.Initial;
        return (s, _) => MigrateSubscriptionDecision.Decide(new(request.MenuId, request.PlanId, menu, customer, clock.Now, by), s);
    }

    private Decider Deciding(CancelSubscriptionRequest request, Attribution? by)
    {
        var when = Wire.When(request.When);
        return (s, _) => CancelSubscriptionDecision.Decide(new(when, clock.Now, by), s);
    }

    private Decider Deciding(PauseSubscriptionRequest request, Attribution? by)
    {
        var (when, resumeAt) = (Wire.When(request.When), request.ResumeAt?.ToTime("resume_at"));
        return (s, _) => PauseSubscriptionDecision.Decide(new(when, resumeAt, clock.Now, by), s);
    }

    private Decider Resuming(Attribution? by) => (s, _) => ResumeSubscriptionDecision.Decide(new(clock.Now, by), s);

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

    private async Task<Subscription> Answer(string id, SubscriptionState state, CancellationToken ct)
    {
        if (state is not SubscriptionState.Known known) throw new Refusal("subscription_unknown", $"there is no subscription {id}: check the id").AsException();
        await using var session = store.QuerySession();
        return Wire.Subscription(id, known, (await menus.Get(session, [known.MenuId], ct))[known.MenuId]);
    }

    private Task<SubscriptionState> StateOf(string id, CancellationToken ct) =>
        streams.Load<SubscriptionState, SubscriptionEvent>(id, SubscriptionState.Initial, SubscriptionState.Evolve, ct);

    private Task<CustomerState> CustomerOf(string id, CancellationToken ct) => streams.Load<CustomerState, CustomerEvent>(id, CustomerState.Initial, CustomerState.Evolve, ct);

    private Task<MenuState> MenuOf(string menuId, string planId, CancellationToken ct)
    {
        Ids.Parse(Ids.Menu, menuId);
        Ids.Parse(Ids.Plan, planId);
        return menus.State(menuId, ct);
    }
}
