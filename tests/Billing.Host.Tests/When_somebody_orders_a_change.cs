using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Hosting;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_somebody_orders_a_change
{
    [Fact]
    public async Task Every_event_that_it_makes_says_who_and_why_and_what_the_clock_did_before_says_nobody()
    {
        await using var app = await BillingApp.StartAsync();
        var customer = (await app.Billing.CreateCustomerAsync(new() { Currency = "USD" }, By("ada", "contract 7"))).CustomerId;
        await app.Billing.RecordCustomerDetailsAsync(new() { CustomerId = customer, Details = new() { Name = "Acme" } }, By("ada", "contract 7"));
        var subscription = await app.Billing.SubscribeAsync(new() { CustomerId = customer, MenuId = BillingApp.Menu, PlanId = Metered }, By("ada", "contract 7"));
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke", AddressLines = { "Torstr. 1" }, PaymentTermsDays = 14 }, By("ada", "contract 7"));
        await app.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-1).ToTimestamp() }, By("ada", "contract 7"));
        await app.Agreements.SetTaxTreatmentAsync(new() { CustomerId = customer, Jurisdiction = "DE", Treatment = "standard" }, By("ada", "contract 7"));
        await app.Agreements.GrantMoneyCreditAsync(new() { CustomerId = customer, Name = "Welcome", AmountMicros = 1_000_000 }, By("ada", "contract 7"));
        Assert.Equal(["ada: contract 7"], await Said(app, "true"));

        // The clock turns the period, then somebody changes the plan: each event says its own.
        await app.Clock.AdvanceAsync(new() { To = Feb1.AddHours(1).ToTimestamp() });
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = subscription.SubscriptionId, PlanId = Small, When = EffectiveWhen.Now }, By("Jürgen", "größerer Bedarf, 100 %"));
        Assert.Equal(["Jürgen: größerer Bedarf, 100 %"], await Said(app, "type = 'subscription_plan_changed'"));
        var january = await app.InvoiceOf(subscription.CurrentPeriod.PeriodId);
        await app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = january.InvoiceId, Reason = "test account" }, By("eve", ""));
        Assert.Equal(["eve: test account"], await Said(app, "type in ('invoice_voided', 'credit_returned')"));
        // What was voided demands nothing, and would not by other terms.
        Assert.Empty(await app.Audit.WhatIf(new()).ResponseStream.ReadAllAsync().ToListAsync());
        Assert.Empty(await Said(app, "type in ('subscription_period_turned', 'period_closed', 'invoice_finalized', 'credit_drawn', 'usage_applied')"));

        // A repeat by somebody else is a repeat.
        var before = await app.Sql<long>("select count(*) from billing.mt_events");
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = subscription.SubscriptionId, PlanId = Small, When = EffectiveWhen.Now }, By("bob", "me too"));
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke", AddressLines = { "Torstr. 1" }, PaymentTermsDays = 14 }, By("bob", "me too"));
        await app.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-1).ToTimestamp() }, By("bob", "me too"));
        Assert.Equal(before, await app.Sql<long>("select count(*) from billing.mt_events"));
        await app.CaughtUp();
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        await Eventually.True(() => app.InvoiceNewsHeard.OfType<Contracts.Messages.InvoiceVoided>().Any(v => v.InvoiceId == january.InvoiceId && v.Reason == "test account"), "the books heard of the void");
    }

    [Fact]
    public async Task Where_it_is_required_nothing_changes_without_it()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:RequireActor"] = "true" });
        foreach (var headers in new[] { [], By("ada", ""), By("", "why not"), By(new string('x', 101), "long") })
            Assert.Contains(
                (await Assert.ThrowsAsync<RpcException>(async () => await app.Billing.CreateCustomerAsync(new() { Currency = "USD" }, headers))).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason,
                (string[])["actor_missing", "attribution_too_long"]);
        Assert.NotEmpty((await app.Billing.CreateCustomerAsync(new() { Currency = "USD" }, By("ada", "contract 7"))).CustomerId);
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.mt_events where type = 'customer_created'"));
    }

    [Fact]
    public async Task Who_says_nothing_and_has_no_key_is_anonymous()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        Assert.Equal(["anonymous: "], await Said(app, "type = 'customer_created'"));
    }

    private static Metadata By(string actor, string reason) => new() { { "actor", Uri.EscapeDataString(actor) }, { "reason", Uri.EscapeDataString(reason) } };

    /// <summary>What events say of who ordered them, each once; events of menus and periods, which nobody orders, apart.</summary>
    private static async Task<string[]> Said(BillingApp app, string which) => await app.Sql<string[]>($"""
        select coalesce(array_agg(distinct coalesce((data -> 'by' ->> 'actor') || ': ' || (data -> 'by' ->> 'reason'), 'nobody')), array[]::text[]) from billing.mt_events
        where {which} and (data ? 'by' or (type !~ '^(menu|period)_' and type not in ('subscription_period_turned', 'invoice_finalized', 'invoice_terms_cut', 'credit_drawn', 'usage_applied')))
        """);
}
