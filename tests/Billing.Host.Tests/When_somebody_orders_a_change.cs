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

    [Theory]
    [InlineData("Production", null, false)]
    [InlineData("Production", "false", true)]
    [InlineData("Staging", null, true)]
    [InlineData("Staging", "true", false)]
    public async Task In_production_it_is_required_unless_somebody_decided_otherwise_and_who_says_nothing_is_anonymous(string environment, string? required, bool isTaken)
    {
        await using var app = await BillingApp.StartAsync();
        var options = Microsoft.Extensions.Options.Options.Create(new BillingOptions { RequireActor = required is null ? null : bool.Parse(required) });
        var attribution = new CallerAttribution(options, new Microsoft.Extensions.Hosting.Internal.HostingEnvironment { EnvironmentName = environment });
        await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        Assert.Equal(["anonymous: "], await Said(app, "type = 'customer_created'"));
        var call = new SilentCall();
        if (isTaken) Assert.Equal(new(Attribution.Anonymous, ""), attribution.Of(call));
        else Assert.Equal("actor_missing", Assert.Throws<RefusedException>(() => attribution.Of(call)).Refusal.Code);
    }

    /// <summary>A call that says nothing but what it asks.</summary>
    private sealed class SilentCall : ServerCallContext
    {
        protected override string MethodCore => "";
        protected override string HostCore => "";
        protected override string PeerCore => "";
        protected override DateTime DeadlineCore => DateTime.MaxValue;
        protected override Metadata RequestHeadersCore { get; } = [];
        protected override CancellationToken CancellationTokenCore => default;
        protected override Metadata ResponseTrailersCore { get; } = [];
        protected override Status StatusCore { get; set; }
        protected override WriteOptions? WriteOptionsCore { get; set; }
        protected override AuthContext AuthContextCore { get; } = new(null, []);
        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();
        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }

    private static Metadata By(string actor, string reason) => new() { { "actor", Uri.EscapeDataString(actor) }, { "reason", Uri.EscapeDataString(reason) } };

    /// <summary>What events say of who ordered them, each once; events of menus and periods, which nobody orders, apart.</summary>
    private static async Task<string[]> Said(BillingApp app, string which) => await app.Sql<string[]>($"""
        select coalesce(array_agg(distinct coalesce((data -> 'by' ->> 'actor') || ': ' || (data -> 'by' ->> 'reason'), 'nobody')), array[]::text[]) from billing.mt_events
        where {which} and (data ? 'by' or (type !~ '^(menu|period)_' and type not in ('subscription_period_turned', 'invoice_finalized', 'invoice_terms_cut', 'credit_drawn', 'usage_applied')))
        """);
}
