using LocalServers;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>Servers of its own, for they are killed.</summary>
public sealed class When_servers_die : IAsyncLifetime
{
    private ServerFolder _folder = null!;

    public async Task InitializeAsync() => _folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), "billing-tests-outage"));
    public async Task DisposeAsync() => await _folder.DisposeAsync();

    [Fact]
    public async Task Database_and_broker_die_in_the_middle_of_a_month_and_the_invoice_is_right()
    {
        await using var postgres = await PrivatePostgres.StartAsync(_folder);
        await using var broker = await PrivateRabbitMq.StartAsync(_folder);
        await using var app = new BillingApp { Database = await postgres.CreateDatabaseAsync("outage"), Broker = broker.Uri(), Usage = await UsageLedgerServer.StartAsync() };
        await app.ListenAsync();
        await app.RunAsync();
        await app.PublishMenu();
        var subscription = await app.Subscribe(Small);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 10)));
        await app.Applied(1, 1);

        broker.Kill();
        var unheard = await app.Subscribe(Small, "while the broker is down");
        app.Usage.Record(1, Jan1, Line(subscription, "output", 20), Line(unheard, "output", 1));
        await app.Applied(1, 2);
        await broker.RestartAsync();
        await Eventually.True(() => app.SubscriptionsHeard.Any(s => s.SubscriptionId == unheard.SubscriptionId), "usage hears of it when the broker is back", TimeSpan.FromMinutes(2));

        postgres.Kill();
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 30)));
        await postgres.RestartAsync();
        await Eventually.True(async () => { await app.Applied(1, 3); return true; }, "the message that met no database is applied", TimeSpan.FromMinutes(2));
        await Eventually.True(async () => { await app.Advance(Feb1.AddHours(1)); return true; }, "the month closes", TimeSpan.FromMinutes(2));

        Assert.Equal(60, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens));
        Assert.Equal(["INV-000001", "INV-000002"], (await app.FinalInvoices()).Select(i => i.Number).Order());
        await app.CaughtUp();
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
    }
}
