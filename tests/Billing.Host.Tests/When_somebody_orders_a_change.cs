using Contracts.Billing.V1;
using Google.Protobuf.Reflection;
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
    public void Every_call_that_changes_something_is_administrative_or_business_and_not_both()
    {
        Assert.Empty(AdministrativeCalls.Administrative.Intersect(AdministrativeCalls.Business));
        Assert.Equal(
            [.. Changing, "access.v1.AccessKeys/RegisterKey", "access.v1.AccessKeys/RevokeKey"], AdministrativeCalls.Administrative.Concat(AdministrativeCalls.Business).Order(StringComparer.Ordinal).OrderBy(m => m.StartsWith("access", StringComparison.Ordinal)));
        Assert.All(AdministrativeCalls.Administrative, method => Assert.True(AdministrativeCalls.Contain(method), method));
        Assert.All(AdministrativeCalls.Business, method => Assert.False(AdministrativeCalls.Contain(method), method));
        Assert.True(AdministrativeCalls.Contain("billing.v1.Invoicing/ForgiveInvoice"), "what nobody thought about is administrative");
    }

    [Fact]
    public async Task An_administrative_call_is_refused_without_an_actor_and_a_reason_whatever_the_options()
    {
        await using var app = await BillingApp.StartAsync();
        foreach (var method in AdministrativeCalls.Administrative.Order(StringComparer.Ordinal))
            foreach (var headers in new[] { [], By("ada", ""), By("ada", " "), By("", "why not"), By("anonymous", "why not") })
                Assert.Equal($"{method}: actor_missing", $"{method}: {await RefusalOf(app, method, headers)}");
        foreach (var method in AdministrativeCalls.Business.Order(StringComparer.Ordinal)) Assert.NotEqual("actor_missing", await RefusalOf(app, method, []));
        foreach (var method in Changing) Assert.NotEqual("actor_missing", await RefusalOf(app, method, By("ada", "contract 7")));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type !~ '^menu_'"));
    }

    [Fact]
    public async Task A_reason_in_an_administrative_request_is_a_reason_and_the_providers_is_none()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:RequireActor"] = "true" });
        using var channel = app.Connect(null);
        var (invoicing, invoice) = (new Contracts.Billing.V1.Invoicing.InvoicingClient(channel), Ids.Derive(Ids.Invoice, Jan1, "1"));
        Metadata ada = new() { { "actor", "ada" } };
        Assert.Equal("invoice_unknown", await Why(() => invoicing.WriteOffInvoiceAsync(new() { InvoiceId = invoice, Reason = "insolvent" }, ada)));
        Assert.Equal("actor_missing", await Why(() => invoicing.WriteOffInvoiceAsync(new() { InvoiceId = invoice, Reason = "insolvent" })));
        Assert.Equal("actor_missing", await Why(() => invoicing.RecordPaymentFailureAsync(new() { InvoiceId = invoice, Provider = "stripe", Reference = "ch_1", Reason = "card_declined" }, ada)));

        static async Task<string> Why<T>(Func<AsyncUnaryCall<T>> call) => (await Assert.ThrowsAsync<RpcException>(async () => await call())).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;
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

    [Fact]
    public async Task A_text_that_cannot_be_kept_is_refused_by_the_name_of_its_field()
    {
        await using var app = await BillingApp.StartAsync();
        var (invoice, long501) = (Ids.Derive(Ids.Invoice, Jan1, "1"), new string('x', 501));
        foreach (var (call, field) in new (AsyncUnaryCall<InvoiceStanding> Call, string Field)[]
        {
            (app.Invoicing.RecordPaymentAsync(new() { InvoiceId = invoice, Provider = "str\0ipe", Reference = "pi_1", AmountMicros = 10_000, Currency = "USD" }), "provider holds U+0000"),
            (app.Invoicing.RecordRefundAsync(new() { InvoiceId = invoice, Provider = "stripe", Reference = "re\0_1", AmountMicros = 10_000, Currency = "USD" }), "reference holds U+0000"),
            (app.Invoicing.RecordPaymentFailureAsync(new() { InvoiceId = invoice, Provider = "stripe", Reference = "ch_1", Reason = "\0" }), "reason holds U+0000"),
            (app.Invoicing.ReleaseDunningAsync(new() { InvoiceId = invoice }, By("ada\0", "")), "actor holds U+0000"),
        }) Assert.Equal("invalid_argument", await Refused(call, field));
        var seller = new DescribeSellerRequest { Name = "Tokenwerke", AddressLines = { "Torstr. 1", "10119\0Berlin" }, PaymentTermsDays = 14 };
        Assert.Equal("invalid_argument", await Refused(app.Agreements.DescribeSellerAsync(seller), "address_lines holds U+0000"));
        Assert.Equal("invalid_argument", await Refused(app.Billing.RecordCustomerDetailsAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, "1"), Details = new() { Name = "A\0cme" } }), "details.name holds U+0000"));
        var replay = await Assert.ThrowsAsync<RpcException>(() => app.Audit.Replay(new() { InvoiceId = "\0" }).ResponseStream.MoveNext(CancellationToken.None));
        Assert.StartsWith("invoice_id holds U+0000", replay.Status.Detail, StringComparison.Ordinal);

        // A reason in the request is kept with the event, also beside one in the metadata.
        Assert.Equal("attribution_too_long", await Refused(app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = invoice, Reason = long501 }, By("ada", "short")), "500"));
        Assert.Equal("attribution_too_long", await Refused(app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = invoice, Reason = long501 }, By("ada", "short")), "500"));
        Assert.Equal("attribution_too_long", await Refused(app.Invoicing.HoldDunningAsync(new() { InvoiceId = invoice, Reason = long501 }, By("ada", "short")), "500"));
        Assert.Equal("attribution_too_long", await Refused(app.Invoicing.WriteOffInvoiceAsync(new() { InvoiceId = invoice, Reason = long501 }, By("ada", "short")), "500"));

        static async Task<string> Refused<T>(AsyncUnaryCall<T> call, string words)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
            Assert.Contains(words, refused.Status.Detail, StringComparison.Ordinal);
            return refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;
        }
    }

    /// <summary>The methods of billing.v1 that change something, in their order.</summary>
    private static string[] Changing => [.. typeof(Invoice).Assembly.GetTypes().Where(t => t.Name.EndsWith("Reflection", StringComparison.Ordinal))
        .Select(t => (FileDescriptor)t.GetProperty("Descriptor")!.GetValue(null)!).Where(f => f.Package == "billing.v1").SelectMany(f => f.Services).SelectMany(s => s.Methods)
        .Select(m => $"{m.Service.FullName}/{m.Name}").Where(BillingAccess.Changes).Order(StringComparer.Ordinal)];

    /// <summary>What an empty request of this method is refused for; empty where it is not refused.</summary>
    private static async Task<string> RefusalOf(BillingApp app, string method, Metadata headers)
    {
        var empty = Marshallers.Create<byte[]>(bytes => bytes, bytes => bytes);
        using var channel = app.Connect(null);
        try
        {
            var names = method.Split('/');
            await channel.CreateCallInvoker().AsyncUnaryCall(new Method<byte[], byte[]>(MethodType.Unary, names[0], names[1], empty, empty), null, new(headers), []);
            return "";
        }
        catch (RpcException e)
        {
            return e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;
        }
    }

    private static Metadata By(string actor, string reason) => new() { { "actor", Uri.EscapeDataString(actor) }, { "reason", Uri.EscapeDataString(reason) } };

    /// <summary>What events say of who ordered them, each once; events of menus and periods, which nobody orders, apart.</summary>
    private static async Task<string[]> Said(BillingApp app, string which) => await app.Sql<string[]>($"""
        select coalesce(array_agg(distinct coalesce((data -> 'by' ->> 'actor') || ': ' || (data -> 'by' ->> 'reason'), 'nobody')), array[]::text[]) from billing.mt_events
        where {which} and (data ? 'by' or (type !~ '^(menu|period)_' and type not in ('subscription_period_turned', 'invoice_finalized', 'invoice_terms_cut', 'credit_drawn', 'usage_applied')))
        """);
}
