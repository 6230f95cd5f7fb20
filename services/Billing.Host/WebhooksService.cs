using System.Globalization;
using Billing.Webhooks;
using Contracts.Billing.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using Microsoft.Extensions.Options;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Webhooks.</summary>
public sealed class WebhooksService(
    EventStreams streams, IDocumentStore store, IdempotentCalls calls, WebhookLists lists, BusinessClock clock, IOptions<WebhookOptions> options)
    : V1.Webhooks.WebhooksBase
{
    private static readonly string[] Statuses = ["", "pending", "delivered", "failed"];

    private ReachableNetworks Networks => options.Value.Networks;

    public override async Task<EndpointSecret> RegisterEndpoint(RegisterEndpointRequest request, ServerCallContext context)
    {
        var (id, types, at) = (request.EndpointId.Length == 0 ? Ids.New(WebhookState.IdPrefix, clock.Now) : Id(request.EndpointId), Types(request.EventTypes), clock.Now);
        return await WithSecret(id, request, context, s => RegisterEndpointDecision.Decide(new RegisterEndpoint(request.Url, types, request.Description, at), s, Networks), at, at);
    }

    public override async Task<EndpointSecret> RotateSecret(RotateSecretRequest request, ServerCallContext context)
    {
        var at = clock.Now;
        return await WithSecret(Id(request.EndpointId), request, context, s => RotateSecretDecision.Decide(new(request.AtOnce, at), s), at, request.AtOnce ? at : at + WebhookSignature.Overlap);
    }

    public override Task<WebhookEndpoint> UpdateEndpoint(UpdateEndpointRequest request, ServerCallContext context)
    {
        var (types, at) = (Types(request.EventTypes), clock.Now);
        return OnEndpoint(request.EndpointId, request, context, s => RegisterEndpointDecision.Decide(new UpdateEndpoint(request.Url, types, request.Description, at), s, Networks), (session, _) => WebhookQueue.Forgive(session, request.EndpointId));
    }

    public override Task<WebhookEndpoint> DisableEndpoint(DisableEndpointRequest request, ServerCallContext context)
    {
        var (why, at) = (CallerAttribution.Of(context).Reason, clock.Now);
        return OnEndpoint(request.EndpointId, request, context, s => DisableEndpointDecision.Decide(new DisableEndpoint(DisablingCause.ByHand, why, at), s));
    }

    public override async Task<WebhookEndpoint> EnableEndpoint(EnableEndpointRequest request, ServerCallContext context)
    {
        long? from = request.CatchUp ? await lists.DisabledBy(Id(request.EndpointId), context.CancellationToken) : null;
        var at = clock.Now;
        return await OnEndpoint(request.EndpointId, request, context, s => EnableEndpointDecision.Decide(new(from, at), s), (session, s) =>
        {
            WebhookQueue.Forgive(session, request.EndpointId);
            if (from is not null) WebhookAnnouncer.TryAgain(session, request.EndpointId, (WebhookState.Known)s, at);
        });
    }

    public override async Task<WebhookEndpoint> GetEndpoint(GetEndpointRequest request, ServerCallContext context)
    {
        await using var session = store.QuerySession();
        var view = await session.LoadAsync<WebhookEndpointView>(Id(request.EndpointId), context.CancellationToken) ?? throw Unknown(request.EndpointId);
        return await WithStanding(Answer(view.Id, view.State), context.CancellationToken);
    }

    public override async Task<ListEndpointsResponse> ListEndpoints(ListEndpointsRequest request, ServerCallContext context)
    {
        var (size, ct) = (Pages.Size(request.PageSize), context.CancellationToken);
        await using var session = store.QuerySession();
        var found = await session.Query<WebhookEndpointView>().Where(v => v.Id.CompareTo(request.PageToken) > 0).OrderBy(v => v.Id).Take(size + 1).ToListAsync(ct);
        var response = new ListEndpointsResponse { NextPageToken = found.Count > size ? found[size - 1].Id : "" };
        response.Endpoints.AddRange(found.Take(size).Select(v => Answer(v.Id, v.State)));
        await lists.WithStanding(response.Endpoints, ct);
        return response;
    }

    public override async Task<ListDeliveriesResponse> ListDeliveries(ListDeliveriesRequest request, ServerCallContext context)
    {
        var (size, ct) = (Pages.Size(request.PageSize), context.CancellationToken);
        if (!Statuses.Contains(request.Status)) throw new FormatException($"status is one of {string.Join(", ", Statuses[1..])}, or empty for all");
        var before = long.MaxValue;
        if (request.PageToken.Length > 0 && !long.TryParse(request.PageToken, NumberStyles.None, CultureInfo.InvariantCulture, out before)) throw new FormatException("page_token is not one that this call gave");
        await GetEndpoint(new() { EndpointId = request.EndpointId }, context);
        var found = await lists.Deliveries(request.EndpointId, request.Status, request.Subject, before, size + 1, ct);
        var response = new ListDeliveriesResponse { NextPageToken = found.Count > size ? found[size - 1].Sequence.ToString(CultureInfo.InvariantCulture) : "" };
        response.Deliveries.AddRange(found.Take(size));
        return response;
    }

    public override async Task<WebhookEndpoint> Redeliver(RedeliverRequest request, ServerCallContext context)
    {
        if (await lists.Announced(request.Sequence, context.CancellationToken) is not { } announced || announced.Subject == request.EndpointId)
            throw new Refusal("webhook_event_unknown", $"event {request.Sequence} is none that this endpoint is told of; ListDeliveries says which there are").AsException();
        var at = clock.Now;
        return await OnEndpoint(request.EndpointId, request, context, s => RedeliverDecision.Decide(new(request.Sequence, announced.Type, at), s));
    }

    public override async Task<WebhookEndpoint> ReplayEndpoint(ReplayEndpointRequest request, ServerCallContext context)
    {
        if (request.FromSequence != 0 == request.From is not null) throw new FormatException("say from_sequence or from, and not both");
        var from = request.From is null ? request.FromSequence : await lists.FirstFrom(request.From.ToTime("from"), context.CancellationToken);
        var now = clock.Now;
        var kept = await lists.Kept(Id(request.EndpointId), options.Value.KeptSince(now), context.CancellationToken);
        var command = new ReplayEndpoint(from, request.ToSequence == 0 ? null : request.ToSequence, request.OnlyUndelivered, now, kept);
        return await OnEndpoint(request.EndpointId, request, context, s => ReplayEndpointDecision.Decide(command, s));
    }

    private async Task<WebhookEndpoint> OnEndpoint(string id, IMessage request, ServerCallContext context, Func<WebhookState, Decision<WebhookEvent>> decide, Action<IDocumentSession, WebhookState>? alongside = null)
    {
        var (ct, by) = (context.CancellationToken, CallerAttribution.Of(context));
        var answer = await calls.Once<WebhookEndpoint>(context, request, async remember =>
        {
            (await streams.Transact<WebhookState, WebhookEvent>(Id(id), WebhookState.Initial, WebhookState.Evolve, s => decide(s).By(by), ct, (session, s) =>
            {
                alongside?.Invoke(session, s);
                remember(session, Answer(id, s));
            })).OrThrow();
            return await Load(id, ct);
        });
        return await WithStanding(answer, ct);
    }

    /// <summary>A secret is made with the event, and shown to whoever made it; what is kept with an idempotency-key is kept for ever, and does not hold it.</summary>
    private async Task<EndpointSecret> WithSecret(
        string id, IMessage request, ServerCallContext context, Func<WebhookState, Decision<WebhookEvent>> decide, DateTimeOffset at, DateTimeOffset oldUntil)
    {
        var (ct, by, secret, made) = (context.CancellationToken, CallerAttribution.Of(context), WebhookSecrets.New(), false);
        var answer = await calls.Once<EndpointSecret>(context, request, async remember =>
        {
            made = (await streams.Transact<WebhookState, WebhookEvent>(id, WebhookState.Initial, WebhookState.Evolve, s => decide(s).By(by), ct, (session, s) =>
            {
                WebhookSecrets.Keep(session, id, secret, at, oldUntil);
                remember(session, new() { Endpoint = Answer(id, s) });
            })).OrThrow().Events.Count > 0;
            return new() { Endpoint = await Load(id, ct) };
        });
        await WithStanding(answer.Endpoint, ct);
        if (made) answer.Secret = secret;
        return answer;
    }

    private async Task<WebhookEndpoint> Load(string id, CancellationToken ct) => Answer(id, await streams.Load<WebhookState, WebhookEvent>(id, WebhookState.Initial, WebhookState.Evolve, ct));

    private async Task<WebhookEndpoint> WithStanding(WebhookEndpoint endpoint, CancellationToken ct)
    {
        await lists.WithStanding([endpoint], ct);
        return endpoint;
    }

    private static WebhookEndpoint Answer(string id, WebhookState state)
    {
        if (state is not WebhookState.Known k) throw Unknown(id);
        var answer = new WebhookEndpoint
        {
            EndpointId = id, Url = k.Url, Description = k.Description, RegisteredAt = k.RegisteredAt.ToTimestamp(), Status = k.Disabled is null ? WebhookEndpointView.Enabled : WebhookEndpointView.Disabled,
            DisabledCause = k.Disabled is { } d ? d.Cause.Name() : "", DisabledDetail = k.Disabled?.Detail ?? "", DisabledAt = k.Disabled?.At.ToTimestamp(),
        };
        answer.EventTypes.AddRange(k.Types);
        return answer;
    }

    private static Exception Unknown(string id) => new Refusal("webhook_unknown", $"there is no endpoint {id}: register it first").AsException();

    private static string Id(string id)
    {
        Ids.Parse(WebhookState.IdPrefix, id);
        return id;
    }

    private static ValueList<string> Types(IEnumerable<string> types) => types.Distinct().Order(StringComparer.Ordinal).ToValueList();
}
