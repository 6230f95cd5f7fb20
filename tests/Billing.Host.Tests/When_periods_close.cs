using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_periods_close
{
    private static IEnumerable<string> Numbers(int count) => Enumerable.Range(1, count).Select(n => $"INV-{n:D6}");

    [Fact]
    public async Task B2_closing_on_two_instances_at_once_yields_one_invoice_and_one_number_each()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:PeriodBatchMax"] = "3", ["Billing:DuePollSeconds"] = "3600" });
        for (var i = 0; i < 10; i++) await app.Subscribe(Small, $"customer {i}");
        await using var other = app.Build(app.Settings);
        await other.StartAsync();
        PeriodCloser[] closers = [app.Get<PeriodCloser>(), other.Services.GetRequiredService<PeriodCloser>()];
        await Task.WhenAll(closers.Concat(closers).Select(c => Task.Run(() => c.RunAsync(Feb1.AddHours(1), default))));
        await closers[0].RunAsync(Feb1.AddHours(1), default);
        Assert.Equal(Numbers(10), (await app.FinalInvoices()).Select(i => i.Number).Order());
        Assert.Equal(10, await app.Sql<long>("select count(*) from billing.mt_events where type = 'invoice_finalized'"));
        await other.StopAsync();
    }

    [Fact]
    public async Task B2_a_crash_between_numbering_and_commit_leaves_no_gap()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:PeriodBatchMax"] = "2", ["Billing:DuePollSeconds"] = "3600" });
        for (var i = 0; i < 8; i++) await app.Subscribe(Small, $"customer {i}");
        var done = false;
        var kills = 0L;
        var killer = Task.Run(async () =>
        {
            // The server ends whichever connection holds a number series or writes events, again and again.
            while (!done && kills < 12)
                kills += await app.Sql<long>("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and usename = 'billing' and state = 'idle in transaction'");
        });
        await Eventually.True(async () =>
        {
            await app.Get<PeriodCloser>().RunAsync(Feb1.AddHours(1), default);
            return (await app.FinalInvoices()).Count == 8;
        }, "all are final in spite of the crashes");
        done = true;
        await killer;
        Assert.Equal(Numbers(8), (await app.FinalInvoices()).Select(i => i.Number).Order());
        Assert.True(kills > 0, "no connection was ended: this test showed nothing");
    }

    [Fact]
    public async Task Late_usage_costs_what_was_agreed_when_its_period_was_invoiced_whatever_is_agreed_since()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 201_000)));
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(7_500_000, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).TotalMicros);

        // For January, of which the invoice is final: nobody is asked for what is missing to it.
        await app.Agreements.AgreeCommitmentAsync(new()
        {
            CustomerId = subscription.CustomerId, SubscriptionId = subscription.SubscriptionId, AmountMicros = 12_000_000, From = Jan1.ToTimestamp(), Until = Feb1.ToTimestamp(),
        });
        await app.Publish(app.Usage.Record(1, Feb1.AddHours(2), Line(subscription, "output", 400_000)));
        var next = (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId })).CurrentPeriod;
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(10_000_000, (await app.InvoiceOf(next.PeriodId)).TotalMicros);
        Assert.Equal(subscription.CurrentPeriod.PeriodId, await app.Sql<string>("select data -> 'earlier' -> 0 ->> 'periodId' from billing.mt_events where type = 'invoice_terms_cut' and data ? 'earlier'"));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Fact]
    public async Task What_is_agreed_from_now_on_holds_for_a_period_that_begins_now_wherever_the_customer_is()
    {
        await using var app = await BillingApp.StartAsync();
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        await app.Billing.SetCustomerTimeZoneAsync(new() { CustomerId = customer.CustomerId, TimeZone = "America/Los_Angeles" });
        await app.Agreements.GrantDiscountAsync(new() { CustomerId = customer.CustomerId, Name = "Launch", Percent = "10" });
        var subscription = await app.Billing.SubscribeAsync(new() { CustomerId = customer.CustomerId, MenuId = Menu, PlanId = Small });
        Assert.Contains((await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines, l => l.Kind == "discount");

        // It keeps the clocks that it was started with, wherever its customer goes: where it is the new month has not begun.
        await app.Billing.SetCustomerTimeZoneAsync(new() { CustomerId = customer.CustomerId, TimeZone = "Asia/Tokyo" });
        await app.Advance(subscription.CurrentPeriod.End.ToDateTimeOffset().AddHours(-1));
        var month = (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId })).NextPeriod;
        await app.Agreements.GrantDiscountAsync(new() { CustomerId = customer.CustomerId, SubscriptionId = subscription.SubscriptionId, Name = "Goodwill", Percent = "20" });
        await app.Advance(month.Start.ToDateTimeOffset().AddHours(2));
        var current = (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId })).CurrentPeriod;
        Assert.Equal(2, (await app.InvoiceOf(current.PeriodId)).Lines.Count(l => l.Kind == "discount"));
    }

    [Fact]
    public async Task B3_late_usage_is_invoiced_once_with_a_later_period_and_named()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        var january = subscription.CurrentPeriod.PeriodId;
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 900)));
        await app.Applied(1, 1);
        await app.Advance(Feb1.AddHours(1));
        var before = await app.InvoiceOf(january);

        // 800,100 more would have been 800,000 beyond the cap: 10.00.
        await app.Publish(app.Usage.Record(1, Feb1.AddHours(2), Line(subscription, "output", 800_100), Line(subscription, "input", 4, next: true)));
        await app.Applied(1, 2);
        Assert.Equal(before, await app.InvoiceOf(january));
        await app.Advance(Mar1.AddHours(1));
        await app.Publish(app.Usage.Record(1, Mar1.AddHours(2), Line(subscription, "output", 80_000)));
        await app.Applied(1, 3);
        await app.Advance(Apr1.AddHours(1));
        // Usage corrects what it had recorded: a credit, on the next invoice.
        await app.Publish(app.Usage.Record(1, Apr1.AddHours(2), Line(subscription, "output", -40_000)));
        await app.Applied(1, 4);
        await app.Advance(Apr1.AddMonths(1).AddHours(1));

        var invoices = (await app.FinalInvoices()).OrderBy(i => i.Period.Number).ToArray();
        var adjustments = invoices.SelectMany(i => i.Lines.Where(l => l.Kind == "adjustment").Select(l => (i.Period.Number, l.AboutPeriodId, l.Tokens, l.AmountMicros)));
        Assert.Equal([(1, january, 800_100L, 10_000_000L), (2, january, 80_000L, 1_000_000L), (3, january, -40_000L, -500_000L)], adjustments);
        Assert.Equal(900 + 800_100 + 80_000 - 40_000 + 4, invoices.Sum(i => i.Lines.Sum(l => l.Tokens)));
        Assert.All(invoices, i => Assert.Equal(i.TotalMicros, i.Lines.Sum(l => l.AmountMicros)));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_doc_latemark"));
    }

    /// <summary>A fee of 5.00 and 6.00 of credit; in February 800,100 tokens more of January come in: 10.00.</summary>
    [Fact]
    public async Task B3_late_usage_is_on_the_draft_of_the_period_that_closes_next_and_in_what_a_change_would_cost()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        var (january, february) = (subscription.CurrentPeriod.PeriodId, subscription.NextPeriod.PeriodId);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 900)));
        await app.Applied(1, 1);
        await app.Advance(Feb1.AddHours(1));
        await app.Agreements.GrantMoneyCreditAsync(new() { CustomerId = subscription.CustomerId, GrantId = Ids.Derive("crd", Jan1, "1"), Name = "Welcome", AmountMicros = 6_000_000 });
        await app.Publish(app.Usage.Record(1, Feb1.AddHours(2), Line(subscription, "output", 800_100)));
        await app.Applied(1, 2);

        var draft = await app.InvoiceOf(february);
        Assert.Equal((InvoiceStatus.Draft, 9_000_000, january), (draft.Status, draft.TotalMicros, draft.Lines.Single(l => l.Kind == "adjustment").AboutPeriodId));
        // Lists are written by the daemon, soon after.
        await Eventually.True(async () => (await app.Billing.ListInvoicesAsync(new() { SubscriptionId = subscription.SubscriptionId, Status = InvoiceStatus.Draft })).Invoices is [var listed] && listed.Equals(draft), "the list has that draft");
        var preview = await app.Billing.PreviewChangeAsync(new() { Cancellation = new() { SubscriptionId = subscription.SubscriptionId, When = EffectiveWhen.PeriodEnd } });
        // What the next period would be is known, and late usage comes before it.
        Assert.DoesNotContain(preview.After.Lines, l => l.Kind == "adjustment");
        preview = await app.Billing.PreviewChangeAsync(new() { Plan = new() { SubscriptionId = subscription.SubscriptionId, PlanId = Small, When = EffectiveWhen.Now } });
        Assert.Equal(9_000_000, preview.Before.TotalMicros);
        Assert.All([preview.Before, preview.After], p => Assert.Equal(10_000_000, p.Lines.Single(l => l.Kind == "adjustment").AmountMicros));

        await app.Advance(Mar1.AddHours(1));
        var final = await app.InvoiceOf(february);
        Assert.Equal((InvoiceStatus.Finalized, draft.TotalMicros), (final.Status, final.TotalMicros));
        Assert.DoesNotContain((await app.InvoiceOf((await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId })).CurrentPeriod.PeriodId)).Lines, l => l.Kind == "adjustment");

        // Voided it would take January's tokens along.
        var refused = await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = final.InvoiceId, Reason = "wrong address" }));
        Assert.Contains(january, refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal("invoice_carries_late_usage", refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
        Assert.Equal("void", (await app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = (await app.InvoiceOf(january)).InvoiceId, Reason = "wrong address" })).Status);
        var summary = (await app.Audit.Reconcile(new()).ResponseStream.ReadAllAsync().ToListAsync())[^1].Summary;
        Assert.Equal((801_000, 900, 0), (summary.InvoicedTokens, summary.VoidedTokens, summary.Differences));
    }

    [Fact]
    public async Task Months_that_were_skipped_close_one_after_the_other()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Subscribe(Small, "one");
        await app.Subscribe(Small, "two");
        await app.Advance(Apr1.AddHours(1));
        var invoices = await app.FinalInvoices();
        Assert.Equal([0, 0, 1, 1, 2, 2], invoices.OrderBy(i => i.Number, StringComparer.Ordinal).Select(i => i.Period.Number));
        Assert.Equal(Numbers(6), invoices.Select(i => i.Number).Order());
        await app.Advance(Apr1.AddHours(1));
        Assert.Equal(6, (await app.FinalInvoices()).Count);
    }

    [Fact]
    public async Task B3_a_busy_period_is_closed_and_invoiced_from_its_events_whatever_became_of_its_view()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Metered);
        var period = subscription.CurrentPeriod.PeriodId;
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 1_000)));
        await app.Applied(1, 1);
        // More than are read at once, as if usage had reported twice a second for an hour.
        await app.Sql<object>($"""
            insert into billing.mt_events (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type)
            select nextval('billing.mt_events_sequence'), gen_random_uuid(), stream_id, n, data, type, timestamp, mt_dotnet_type
            from billing.mt_events, generate_series(3, 7201) n where stream_id = '{period}' and version = 2;
            update billing.mt_streams set version = 7201 where id = '{period}'
            """);
        await Followed(7_201);
        await app.Sql<object>($"update billing.mt_doc_periodview set data = jsonb_set(data, '{{facts,usage,0,tokens}}', '5000') where id = '{period}'");
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(7_200_000, (await app.InvoiceOf(period)).Lines.Sum(l => l.Tokens));
        Assert.Single(await app.FinalInvoices());

        await app.Publish(app.Usage.Record(1, Feb1.AddHours(2), Line(subscription, "output", 80_000)));
        await app.Applied(1, 2);
        await Followed(7_203);
        await app.Sql<object>($"update billing.mt_doc_periodview set data = jsonb_set(data, '{{late,0,tokens}}', '8') where id = '{period}'");
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(80_000, (await app.FinalInvoices()).Single(i => i.Period.Number == 1).Lines.Where(l => l.Kind == "adjustment").Sum(l => l.Tokens));
        Assert.Equal(7_200_000, await app.Sql<long>("select (data -> 'before' -> 0 ->> 'tokens')::bigint from billing.mt_events where type = 'late_usage_added'"));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        Task Followed(long version) => Eventually.True(async () => await app.Sql<long>($"select cast(data ->> 'version' as bigint) from billing.mt_doc_periodview where id = '{period}'") == version, "the view has followed");
    }

    [Fact]
    public async Task Nothing_closes_while_usage_knows_less_than_it_did()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Small);
        foreach (var shard in new[] { 1, 1, 2 }) await app.Publish(app.Usage.Record(shard, Jan1, Line(subscription, "output", 10)));
        await app.Applied(1, 2);
        await app.Applied(2, 1);
        // It is pointed at an older database, then at one that a shard is missing from.
        foreach (var (shard, known) in new[] { (1, 1), (2, 0) })
        {
            app.Usage.Knows(shard, known);
            var refused = await Assert.ThrowsAsync<RpcException>(() => app.Advance(Feb1.AddHours(1)));
            Assert.Equal("usage_went_back", refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
            Assert.Contains($"shard {shard}", refused.Status.Detail, StringComparison.Ordinal);
            Assert.Empty(await app.FinalInvoices());
            app.Usage.Knows(shard, int.MaxValue);
        }
        await app.Advance(Feb1.AddHours(1));
        Assert.Single(await app.FinalInvoices());
    }

    [Fact]
    public async Task Nothing_closes_while_usage_does_not_say_how_far_it_is()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Small);
        app.Usage.Record(1, Jan1, Line(subscription, "output", 10));
        await app.Applied(1, 1);
        await app.Usage.DisposeAsync();
        var refused = await Assert.ThrowsAsync<RpcException>(() => app.Advance(Feb1.AddHours(1)));
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
        Assert.Equal(InvoiceStatus.Draft, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Status);

        await using var back = await UsageLedgerServer.StartAsync(app.Usage.Address);
        back.Record(1, Jan1, Line(subscription, "output", 10));
        await Eventually.True(async () => (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Status == InvoiceStatus.Finalized, "it closes by itself when usage is back");
        Assert.Equal(10, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens));
    }
}
