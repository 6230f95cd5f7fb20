using Contracts.Billing.V1;
using Grpc.Core;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_webhook_secrets_are_kept
{
    [Fact]
    public async Task They_are_shown_once_sign_together_for_a_day_and_stand_in_no_event_export_or_answer_that_is_kept()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var app = await BillingApp.StartAsync(When_webhooks_are_sent.Running.Settings);
        var (request, key) = (new RegisterEndpointRequest { Url = receiver.Address + "/hooks", EventTypes = { "subscription.started" } }, new Metadata { { "idempotency-key", "1" }, { "actor", "ada" } });
        var first = await app.Webhooks.RegisterEndpointAsync(request, key);
        Assert.Matches("^whsec_[A-Za-z0-9+/]{43}=$", first.Secret);
        var repeated = await app.Webhooks.RegisterEndpointAsync(request, key);
        Assert.Equal((first.Endpoint.EndpointId, ""), (repeated.Endpoint.EndpointId, repeated.Secret));
        Assert.Equal("whk", first.Endpoint.EndpointId[..3]);
        var endpoint = first.Endpoint.EndpointId;

        async Task<ReceivedWebhook> Heard(string name)
        {
            var s = await app.Subscribe(Small, name);
            return await Eventually.Some(() => Task.FromResult(receiver.At("/hooks").FirstOrDefault(h => h.Subject == s.SubscriptionId)), $"{name} is told");
        }

        Assert.True((await Heard("one")).IsSignedWith(first.Secret));
        var second = await app.Webhooks.RotateSecretAsync(new() { EndpointId = endpoint });
        var both = await Heard("two");
        Assert.True(both.IsSignedWith(first.Secret) && both.IsSignedWith(second.Secret));
        await app.Advance(Jan1.AddDays(1));
        var later = await Heard("three");
        Assert.Equal((false, true), (later.IsSignedWith(first.Secret), later.IsSignedWith(second.Secret)));
        var third = await app.Webhooks.RotateSecretAsync(new() { EndpointId = endpoint, AtOnce = true });
        var last = await Heard("four");
        Assert.Equal((false, true), (last.IsSignedWith(second.Secret), last.IsSignedWith(third.Secret)));

        await app.CaughtUp();
        using var export = app.Audit.Export(new());
        var lines = string.Concat(await export.ResponseStream.ReadAllAsync().Select(l => l.ToString()).ToListAsync());
        Assert.Contains("webhook_secret_rotated", lines, StringComparison.Ordinal);
        foreach (var secret in new[] { first.Secret, second.Secret, third.Secret })
        {
            Assert.DoesNotContain(secret["whsec_".Length..], lines, StringComparison.Ordinal);
            Assert.Equal(0, await app.Sql<long>($"select count(*) from billing.mt_doc_idempotentcall where convert_from(decode(data ->> 'response', 'base64'), 'LATIN1') like '%{secret}%' or data::text like '%{secret}%'"));
        }
        Assert.Equal("ada", await app.Sql<string>("select data -> 'by' ->> 'actor' from billing.mt_events where type = 'webhook_endpoint_registered'"));
        await using var auditor = new NpgsqlConnection(app.Database.ConnectionString("billing_auditor"));
        await auditor.OpenAsync();
        await using var asked = new NpgsqlCommand("select count(*) from billing.webhook_secret", auditor);
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => asked.ExecuteScalarAsync())).SqlState);

        // Nothing is sent that nobody could verify: books that were imported have endpoints and no secrets.
        await app.Sql<long>("with gone as (delete from billing.webhook_secret returning 1) select count(*) from gone");
        await app.Subscribe(Small, "five");
        await Eventually.True(async () => await app.Webhooks.GetEndpointAsync(new() { EndpointId = endpoint }) is { Pending: 1, HasSecret: false }, "it waits");
        var fourth = await app.Webhooks.RotateSecretAsync(new() { EndpointId = endpoint });
        await Eventually.True(() => receiver.At("/hooks").Count == 5, "it is told");
        Assert.True(receiver.At("/hooks")[^1].IsSignedWith(fourth.Secret));

        // What was done is listed for a while, and can be sent again for ever.
        await Eventually.True(async () => (await app.Webhooks.GetEndpointAsync(new() { EndpointId = endpoint })).Pending == 0, "it is recorded");
        await app.Get<WebhookQueue>().ForgetBefore(Jan1.AddDays(2), default);
        Assert.Equal((0, 0), (await app.Sql<long>("select count(*) from billing.webhook_delivery"), await app.Sql<long>("select count(*) from billing.webhook_attempt")));
        await app.Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, FromSequence = 1 });
        await Eventually.True(() => receiver.At("/hooks").Count == 10, "all is told again");
        Assert.Equal(receiver.At("/hooks").Take(5).Select(h => h.Id).Order(), receiver.At("/hooks").Skip(5).Select(h => h.Id).Order());
    }
}
