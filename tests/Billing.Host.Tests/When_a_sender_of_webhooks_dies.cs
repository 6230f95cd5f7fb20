using LocalServers;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_sender_of_webhooks_dies
{
    /// <summary>It is killed when the endpoint has the event and has not answered: nobody has recorded anything.</summary>
    [Fact]
    public async Task Another_sends_it_again_under_the_same_id()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        // This one announces and sends nothing: it looks once, before there is anything.
        await using var app = await BillingApp.StartAsync(new(When_webhooks_are_sent.Running.Settings) { ["Billing:Webhooks:PollSeconds"] = "3600" });
        var port = Ports.Free(1)[0];
        await using var sender = new ServiceProcess(Path.ChangeExtension(typeof(BillingHost).Assembly.Location, ".dll"), () => new Dictionary<string, string?>(When_webhooks_are_sent.Running.Settings)
        {
            ["Http:Address"] = "127.0.0.1", ["Http:Port"] = $"{port}", ["Http:GrpcPort"] = "0", ["RabbitMq:Uri"] = app.Broker.ToString(), ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z",
            ["Billing:Postgres"] = app.Database.ConnectionString("billing"), ["Billing:UsageAddress"] = app.Usage.Address,
        }, new($"http://127.0.0.1:{port}"));
        await sender.StartAsync();
        await sender.ReadyAsync();
        var never = new TaskCompletionSource();
        receiver.Answer("/hooks", (_, response) => never.Task.WaitAsync(response.HttpContext.RequestAborted));

        await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/hooks" });
        var acme = await app.Subscribe(Small);
        await Eventually.True(() => receiver.At("/hooks").Count == 1, "the event arrived");
        await sender.KillAsync();
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.webhook_attempt"));
        receiver.Answer("/hooks", 200);
        await sender.StartAsync();
        await Eventually.True(async () => await app.Sql<long>("select count(*) from billing.webhook_delivery where status = 'delivered'") == 1, "it is delivered");

        var heard = receiver.At("/hooks");
        Assert.Equal([acme.SubscriptionId, acme.SubscriptionId], heard.Select(h => h.Subject));
        Assert.Equal(heard[0].Id, heard[1].Id);
        Assert.Equal(heard[0].Body, heard[1].Body);
    }
}
