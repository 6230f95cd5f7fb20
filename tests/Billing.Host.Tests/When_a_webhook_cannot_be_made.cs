using Contracts.Billing.V1;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_webhook_cannot_be_made
{
    /// <summary>A row that no event stands behind, as a mistake of billing's own or somebody's with the database in their hands leaves one.</summary>
    [Fact]
    public async Task It_is_an_attempt_that_failed_here_in_the_schedule_and_given_up_at_its_end_and_nobody_is_disabled_for_it()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var app = await BillingApp.StartAsync(When_webhooks_are_sent.Running.Settings);
        var endpoint = (await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/hooks" })).Endpoint.EndpointId;
        await app.Sql<string>($"""
            insert into billing.webhook_delivery (endpoint_id, sequence, stream_id, type, status, attempts, step, due_at)
            select '{endpoint}', seq_id, stream_id, 'invoice.finalized', 'pending', 0, 0, '2026-01-01T00:00:00Z' from billing.mt_events order by seq_id limit 1 returning stream_id
            """);

        async Task<WebhookDelivery> Delivery() => (await app.Webhooks.ListDeliveriesAsync(new() { EndpointId = endpoint })).Deliveries[^1];
        for (var attempt = 1; attempt <= 10; attempt++)
        {
            await Eventually.True(async () => (await Delivery()).Attempts.Count == attempt, $"attempt {attempt} is recorded");
            if ((await Delivery()).DueAt is { } due) await app.Clock.AdvanceAsync(new() { To = due });
        }
        var given = await Delivery();
        Assert.Equal("failed", given.Status);
        Assert.All(given.Attempts, a => Assert.Equal(("failed_here", 0, "InvalidOperationException: the log does not have it"), (a.Outcome, a.Status, a.Detail)));
        Assert.Empty(receiver.At("/hooks"));

        var acme = await app.Subscribe(Small);
        await Eventually.True(() => receiver.At("/hooks").Count == 1, "others are sent");
        Assert.Equal(acme.SubscriptionId, receiver.At("/hooks")[0].Subject);
        var standing = await app.Webhooks.GetEndpointAsync(new() { EndpointId = endpoint });
        Assert.Equal(("enabled", 1, null), (standing.Status, standing.Failed, standing.FailingSince));
    }
}
