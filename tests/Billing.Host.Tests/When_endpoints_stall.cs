using Contracts.Billing.V1;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_endpoints_stall
{
    /// <summary>They keep every place there is, and have more that waits: the first place that comes free is for whoever has none.</summary>
    [Fact]
    public async Task They_do_not_starve_one_that_answers()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var app = await BillingApp.StartAsync(new(When_webhooks_are_sent.Running.Settings)
        {
            ["Billing:Webhooks:TimeoutSeconds"] = "60", ["Billing:Webhooks:SendsMax"] = "16", ["Billing:Webhooks:SendsPerEndpointMax"] = "2",
        });
        string[] stalling = [.. Enumerable.Range(1, 8).Select(i => $"/stalls/{i}")];
        using var released = new SemaphoreSlim(0);
        foreach (var path in stalling)
        {
            receiver.Answer(path, (_, _) => released.WaitAsync());
            await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + path });
        }
        foreach (var i in Enumerable.Range(1, 4)) await app.Subscribe(Small, $"stalled {i}");
        int Heard() => stalling.Sum(p => receiver.At(p).Count);
        await Eventually.True(() => Heard() == 16, "every place is taken");

        await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/answers" });
        var acme = await app.Subscribe(Small, "acme");
        await app.CaughtUp();
        released.Release();
        await Eventually.True(() => receiver.At("/answers").Count == 1, "the one that answers has its event");
        Assert.Equal(acme.SubscriptionId, receiver.At("/answers")[0].Subject);
        released.Release(1_000);
        await Eventually.True(() => Heard() == 40, "the others have theirs, in their turn");
    }
}
