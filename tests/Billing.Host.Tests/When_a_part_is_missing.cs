using Contracts.Billing.V1;
using Google.Rpc;
using Grpc.Core;
using Hosting;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_part_is_missing
{
    [Fact]
    public async Task Billing_starts_without_database_and_broker_and_says_so()
    {
        await using var app = await BillingApp.PrepareAsync();
        app.Settings["Billing:Postgres"] = "Host=127.0.0.1;Port=1;Username=billing;Timeout=1";
        app.Settings["RabbitMq:Uri"] = "amqp://guest:guest@127.0.0.1:1/";
        await app.RunAsync(untilReady: false);
        Assert.False(app.Get<Readiness>().IsReady);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await app.Billing.GetCustomerAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, "x") }));
        Assert.Equal("store_unavailable", Reason(refused));
        await app.StopAsync();
    }

    [Fact]
    public async Task A_subscription_is_announced_when_usage_has_declared_its_queue_and_not_lost_before()
    {
        await using var app = await BillingApp.PrepareAsync();
        await app.RunAsync();
        var reception = app.Get<EventStreams>();
        await reception.Transact<Menus.MenuState, Menus.MenuEvent>(
            BillingApp.Menu, Menus.MenuState.Initial, Menus.MenuState.Evolve,
            s => Menus.ReceiveMenuDecision.Decide(new(new Menus.MenuTerms(BillingApp.Menu, "Spring", Currency.Parse("USD"), 20, [new(Small, "Small", new(1_000_000), [], [])], [], Jan1)), s), default);
        var subscription = await app.Subscribe(Small);
        await app.ListenAsync();
        await Eventually.True(() => app.SubscriptionsHeard.Any(s => s.SubscriptionId == subscription.SubscriptionId), "usage hears of it once it listens");
        await app.CaughtUp();
    }

    /// <summary>As after a restore, a new broker or queues that were deleted: the log says that usage was told, and it was not.</summary>
    [Fact]
    public async Task Snapshots_that_a_broker_lost_are_published_again_by_order_on_a_service_that_does_not_run()
    {
        await using var app = await BillingApp.StartAsync();
        var first = await app.Subscribe(Small);
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = first.SubscriptionId, When = EffectiveWhen.Now });
        var second = await app.Subscribe(Metered, "second");
        await Eventually.True(() => app.SubscriptionsHeard.Any(s => s.SubscriptionId == second.SubscriptionId), "usage hears of both");
        var postgres = app.Database.ConnectionString("billing");
        var ada = new Attribution("ada", "a new broker");
        Assert.Equal("service_running", (await Assert.ThrowsAsync<RefusedException>(() => BillingStore.PublishAgainAsync(postgres, ada))).Refusal.Code);
        await app.CaughtUp();
        await app.StopAsync();
        var told = app.SubscriptionsHeard.Count;

        await app.RunAsync();
        await app.CaughtUp();
        await app.StopAsync();
        Assert.Equal(told, app.SubscriptionsHeard.Count);
        var invoices = app.InvoicesHeard.Count;
        foreach (var nobody in new[] { ada with { Reason = "" }, ada with { Actor = "anonymous" } })
            Assert.Equal("actor_missing", (await Assert.ThrowsAsync<RefusedException>(() => BillingStore.PublishAgainAsync(postgres, nobody))).Refusal.Code);
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type = 'publishing_restarted'"));
        await BillingStore.PublishAgainAsync(postgres, ada);
        Assert.Equal(
            $"{BillingStore.Publishers[0]}: ada, a new broker",
            await app.Sql<string>("select concat(data -> 'publishers' ->> 0, ': ', data -> 'by' ->> 'actor', ', ', data -> 'by' ->> 'reason') from billing.mt_events where type = 'publishing_restarted'"));
        await app.RunAsync();
        await Eventually.True(() => app.SubscriptionsHeard.Skip(told).Select(s => (s.SubscriptionId, s.Status)).ToHashSet().SetEquals([(first.SubscriptionId, "cancelled"), (second.SubscriptionId, "active")]), "usage hears of both again, as they are now");
        await app.CaughtUp();
        Assert.Equal(invoices, app.InvoicesHeard.Count);
    }

    [Fact]
    public async Task The_answer_and_the_message_are_the_same_snapshot()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Small);
        var heard = await Eventually.Some(() => Task.FromResult(app.SubscriptionsHeard.FirstOrDefault()), "usage heard of it");
        var asked = await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId });
        Assert.Equal(subscription, asked);
        Assert.Equal((asked.SubscriptionId, asked.Version, asked.Status, asked.PlanId), (heard.SubscriptionId, heard.Version, heard.Status, heard.PlanId));
        Assert.Equal(asked.Caps.Select(c => (c.Window, c.Tokens, c.Enforcement, string.Join(",", c.Counts))), heard.Caps.Select(c => (c.Window, c.Tokens, c.Enforcement, string.Join(",", c.Counts))));
        Assert.Equal((asked.CurrentPeriod.PeriodId, asked.NextPeriod.PeriodId, asked.NextPeriod.End.ToDateTimeOffset()), (heard.CurrentPeriod.PeriodId, heard.NextPeriod.PeriodId, heard.NextPeriod.End));
    }

    [Fact]
    public async Task Bad_input_is_refused_with_a_reason_and_a_repeat_is_answered_as_before()
    {
        await using var app = await BillingApp.StartAsync();
        var customer = Ids.Derive(Ids.Customer, Jan1, "known");
        await app.Billing.CreateCustomerAsync(new() { CustomerId = customer, Currency = "USD" });
        var euro = (await app.Billing.CreateCustomerAsync(new() { Currency = "EUR" })).CustomerId;
        var subscribe = new SubscribeRequest { CustomerId = customer, MenuId = BillingApp.Menu, PlanId = Small };
        (string Reason, Func<Task> Call)[] table =
        [
            ("invalid_argument", async () => await app.Billing.CreateCustomerAsync(new() { CustomerId = "cus_nonsense", Currency = "USD" })),
            ("currency_unknown", async () => await app.Billing.CreateCustomerAsync(new() { Currency = "XYZ" })),
            ("customer_exists", async () => await app.Billing.CreateCustomerAsync(new() { CustomerId = customer, Currency = "EUR" })),
            ("customer_unknown", async () => await app.Billing.GetCustomerAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, "nobody") })),
            ("customer_unknown", async () => await app.Billing.SubscribeAsync(new(subscribe) { CustomerId = Ids.Derive(Ids.Customer, Jan1, "nobody") })),
            ("menu_unknown", async () => await app.Billing.SubscribeAsync(new(subscribe) { MenuId = Ids.Derive(Ids.Menu, Jan1, "none") })),
            ("plan_unknown", async () => await app.Billing.SubscribeAsync(new(subscribe) { PlanId = Ids.Derive(Ids.Plan, Jan1, "none") })),
            ("currency_mismatch", async () => await app.Billing.SubscribeAsync(new(subscribe) { CustomerId = euro })),
            ("subscription_unknown", async () => await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, "none") })),
            ("menu_unknown", async () => await app.Billing.GetMenuTermsAsync(new() { MenuId = Ids.Derive(Ids.Menu, Jan1, "none") })),
            ("invoice_unknown", async () => await app.InvoiceOf(Ids.Derive(Ids.Period, Jan1, "none"))),
            ("invalid_argument", async () => await app.Billing.GetInvoiceAsync(new())),
            ("invalid_argument", async () => await app.Billing.ListInvoicesAsync(new() { PageSize = 1_001 })),
            ("invalid_argument", async () => await app.Billing.ListSubscriptionsAsync(new() { PageToken = "x" })),
            ("invoice_unknown", async () => await app.Audit.Replay(new() { InvoiceId = Ids.Derive(Ids.Invoice, Jan1, "none") }).ResponseStream.MoveNext()),
        ];
        foreach (var (reason, call) in table) Assert.Equal(reason, Reason(await Assert.ThrowsAsync<RpcException>(call)));

        var key = new Metadata { { "idempotency-key", "order 7" } };
        var first = await app.Billing.SubscribeAsync(subscribe, key);
        Assert.Equal(first, await app.Billing.SubscribeAsync(subscribe, key));
        Assert.Equal("idempotency_key_reused", Reason(await Assert.ThrowsAsync<RpcException>(async () => await app.Billing.SubscribeAsync(new(subscribe) { PlanId = Metered }, key))));
        Assert.Single((await app.Billing.ListSubscriptionsAsync(new())).Subscriptions);
        Assert.Equal([(Small, 1L)], (await app.Billing.CountSubscriptionsByPlanAsync(new() { MenuId = BillingApp.Menu })).Counts.Select(c => (c.PlanId, c.Subscriptions)));
    }

    [Fact]
    public async Task Lists_are_read_page_by_page()
    {
        await using var app = await BillingApp.StartAsync();
        for (var i = 0; i < 5; i++) await app.Subscribe(Small, $"customer {i}");
        await app.CaughtUp();
        var (found, drafts) = (new List<string>(), new List<string>());
        for (var token = ""; ;)
        {
            var page = await app.Billing.ListSubscriptionsAsync(new() { PageSize = 2, PageToken = token });
            found.AddRange(page.Subscriptions.Select(s => s.SubscriptionId));
            if ((token = page.NextPageToken).Length == 0) break;
        }
        for (var token = ""; ;)
        {
            var page = await app.Billing.ListInvoicesAsync(new() { PageSize = 2, PageToken = token });
            drafts.AddRange(page.Invoices.Select(s => s.InvoiceId));
            if ((token = page.NextPageToken).Length == 0) break;
        }
        Assert.Equal((5, 5), (found.Distinct().Count(), drafts.Distinct().Count()));
        Assert.Equal((found.Count, drafts.Count), (5, 5));
    }

    private static string? Reason(RpcException e) => e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;
}
