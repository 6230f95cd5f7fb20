using Contracts.Billing.V1;
using Contracts.Messages;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_past_periods_are_rated_by_another_menu
{
    [Fact]
    public async Task An_invoice_that_the_menu_does_not_fit_is_told_and_the_others_are_rated()
    {
        await using var app = await BillingApp.StartAsync();
        var (euros, dearer, plan) = (Ids.Derive(Ids.Menu, Jan1, "euros"), Ids.Derive(Ids.Menu, Jan1, "dearer"), Ids.Derive(Ids.Plan, Jan1, "euros"));
        await Receive(app, TheMenu with { MenuId = euros, Currency = "EUR", Plans = [TheMenu.Plans[0] with { PlanId = plan }] });
        await Receive(app, TheMenu with { MenuId = dearer, Plans = [TheMenu.Plans[0] with { PlanId = Ids.Derive(Ids.Plan, Jan1, "dearer"), PeriodFeeMicros = 30_000_000 }] });
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "EUR" });
        var euro = await app.Billing.SubscribeAsync(new() { CustomerId = customer.CustomerId, MenuId = euros, PlanId = plan });
        var (small, metered) = (await app.Subscribe(Small, "small"), await app.Subscribe(Metered, "metered"));
        await app.Advance(Feb1.AddHours(1));

        var told = (await app.Audit.WhatIf(new() { MenuId = dearer }).ResponseStream.ReadAllAsync().ToListAsync()).ToDictionary(i => i.SubscriptionId);
        Assert.Equal(3, told.Count);
        Assert.Equal(("", 20_000_000, 30_000_000), (told[small.SubscriptionId].Fault, told[small.SubscriptionId].IssuedMicros, told[small.SubscriptionId].WouldBeMicros));
        foreach (var (subscription, code, issued) in new[] { (euro, "currency_mismatch", ("EUR", 20_000_000)), (metered, "plan_unmatched", ("USD", 5_000_000)) })
        {
            var invoice = told[subscription.SubscriptionId];
            Assert.StartsWith($"{code}: ", invoice.Fault, StringComparison.Ordinal);
            Assert.Equal((issued, 0, ""), ((invoice.Currency, invoice.IssuedMicros), invoice.WouldBeMicros, invoice.WouldBeDocument));
        }
    }

    private static async Task Receive(BillingApp app, MenuPublished menu)
    {
        await app.Publish(menu);
        await Eventually.True(async () => { await app.Billing.GetMenuTermsAsync(new() { MenuId = menu.MenuId }); return true; }, "the menu was received");
    }
}
