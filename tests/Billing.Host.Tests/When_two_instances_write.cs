using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_two_instances_write
{
    [Fact]
    public async Task Subscribing_twice_at_once_under_one_id_starts_one_subscription()
    {
        await using var app = await BillingApp.StartAsync();
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        for (var round = 0; round < 5; round++)
        {
            var request = new Contracts.Billing.V1.SubscribeRequest
            {
                SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, $"round {round}"), CustomerId = customer.CustomerId, MenuId = BillingApp.Menu, PlanId = Small,
            };
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => app.Billing.SubscribeAsync(request).ResponseAsync));
            Assert.Single(answers.Distinct());
        }
        Assert.Equal(5, await app.Sql<long>("select count(*) from billing.mt_events where type = 'subscription_started'"));
    }

    [Fact]
    public async Task Periods_that_two_instances_turn_at_once_turn_once()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        for (var i = 0; i < 6; i++) await app.Subscribe(Small, $"customer {i}");
        for (var month = 1; month <= 4; month++)
        {
            var at = Jan1.AddMonths(month);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                while (await app.Get<SubscriptionsDue>().Run(at, default) > 0) { }
            })));
        }
        Assert.Equal(6 * 4, await app.Sql<long>("select count(*) from billing.mt_events where type = 'subscription_period_turned'"));
        Assert.Equal(6 * 6, await app.Sql<long>("select count(*) from billing.mt_events where type = 'period_opened'"));
    }
}
