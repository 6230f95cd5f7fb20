using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_webhooks_are_replayed
{
    [Fact]
    public async Task What_was_delivered_is_not_repeated_after_it_was_taken_off_the_list()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var app = await BillingApp.StartAsync(new(When_webhooks_are_sent.Running.Settings) { ["Billing:Webhooks:KeepDays"] = "30" });
        var endpoint = (await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/hooks", EventTypes = { "subscription.started" } })).Endpoint.EndpointId;
        await app.Subscribe(Small, "first");
        await Eventually.True(async () => (await app.Webhooks.GetEndpointAsync(new() { EndpointId = endpoint })).DeliveredAt is not null, "it is delivered");
        await app.Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, FromSequence = 1, OnlyUndelivered = true });
        await app.CaughtUp();
        await app.Advance(Jan1.AddDays(31));
        await app.Get<WebhookQueue>().ForgetBefore(Jan1.AddDays(1), default);
        await app.Subscribe(Small, "second");
        await app.CaughtUp();

        async Task<RpcException> Refused(ReplayEndpointRequest request) => await Assert.ThrowsAsync<RpcException>(() => app.Webhooks.ReplayEndpointAsync(request).ResponseAsync);
        var other = (await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/others", EventTypes = { "subscription.cancelled" } })).Endpoint.EndpointId;
        var told = (await app.Webhooks.ListDeliveriesAsync(new() { EndpointId = endpoint })).Deliveries[0].Sequence;
        var unheard = await Assert.ThrowsAsync<RpcException>(() => app.Webhooks.RedeliverAsync(new() { EndpointId = other, Sequence = told }).ResponseAsync);
        Assert.Equal((StatusCode.FailedPrecondition, $"event {told} is subscription.started, and the endpoint hears subscription.cancelled: billing webhook update lets it hear of others"), (unheard.StatusCode, unheard.Status.Detail));
        foreach (var request in new[] { new ReplayEndpointRequest { From = Jan1.ToTimestamp() }, new() { FromSequence = 1 } })
        {
            request.EndpointId = endpoint;
            request.OnlyUndelivered = true;
            var refused = await Refused(request);
            Assert.Equal((StatusCode.FailedPrecondition, "replay_before_kept"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
            Assert.Contains("before 2026-01-02 00:00:00", refused.Status.Detail, StringComparison.Ordinal);
        }
        await app.Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, From = Jan1.AddDays(1).ToTimestamp(), OnlyUndelivered = true });
        await app.CaughtUp();
        await Eventually.True(() => receiver.At("/hooks").Count == 2, "the second is told");
        Assert.Equal(2, receiver.At("/hooks").Select(h => h.Id).Distinct().Count());
        await app.Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, From = Jan1.ToTimestamp() });
        await Eventually.True(() => receiver.At("/hooks").Count == 4, "all is told again");
    }

    [Fact]
    public async Task Whoever_catches_up_gets_what_was_given_up_and_what_came_since_and_nothing_that_was_delivered()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var app = await BillingApp.StartAsync(new(When_webhooks_are_sent.Running.Settings));
        var endpoint = (await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/hooks", EventTypes = { "subscription.started" } })).Endpoint.EndpointId;
        foreach (var name in new[] { "given up", "delivered" }) await app.Subscribe(Small, name);
        await Eventually.True(async () => (await app.Webhooks.GetEndpointAsync(new() { EndpointId = endpoint })).Pending == 0 && receiver.At("/hooks").Count == 2, "both are delivered");
        // As if the first had been given up, and the second were taken off the list long ago.
        await app.Sql<long>("with given_up as (update billing.webhook_delivery set status = 'failed' where sequence = (select min(sequence) from billing.webhook_delivery) returning 1) select count(*) from given_up");
        await app.Sql<long>("with delivered as (delete from billing.webhook_delivery where status = 'delivered' returning 1) select count(*) from delivered");
        await app.Webhooks.DisableEndpointAsync(new() { EndpointId = endpoint });
        await app.Subscribe(Small, "missed");
        await app.CaughtUp();
        await app.Webhooks.EnableEndpointAsync(new() { EndpointId = endpoint, CatchUp = true });
        await app.CaughtUp();
        await Eventually.True(async () => (await app.Webhooks.GetEndpointAsync(new() { EndpointId = endpoint })).Pending == 0, "it has caught up");
        // In whatever order: only what is told of one subscription has one.
        Assert.Equal(["delivered", "given up", "given up", "missed"], receiver.At("/hooks").Select(h => h.Subject).Select(s => new[] { "given up", "delivered", "missed" }.Single(n => Ids.Derive(Ids.Subscription, Jan1, n) == s)).Order());
    }
}
