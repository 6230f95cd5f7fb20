using System.Diagnostics.Metrics;
using Google.Rpc;
using Grpc.Core;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_due_work_fails
{
    private static async Task<string?> RefusedAdvance(BillingApp app, DateTimeOffset to) =>
        (await Assert.ThrowsAsync<RpcException>(() => app.Advance(to))).GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;

    private static async Task<string> Ready(BillingApp app)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(app.Http, "/health/ready"));
    }

    [Fact]
    public async Task One_subscription_that_cannot_move_on_holds_up_nobody_else_and_is_named()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600", ["Billing:PeriodBatchMax"] = "3" });
        var ill = await app.Subscribe(Small, "ill");
        for (var i = 0; i < 6; i++) await app.Subscribe(Small, $"well {i}");
        await Jam(app, "subscription_period_turned", ill.SubscriptionId);

        Assert.Equal("due_work_failed", await RefusedAdvance(app, Feb1.AddHours(1)));
        Assert.Equal(6, (await app.FinalInvoices()).Count);
        var note = (await Ready(app)).Split('\n');
        Assert.Equal("ready", note[0]);
        Assert.Contains(ill.SubscriptionId, note[1], StringComparison.Ordinal);
        Assert.Contains("the books are jammed", note[1], StringComparison.Ordinal);

        // Its period waits for it: what it will still say about the period is on the invoice.
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.mt_doc_periodtoclose where data ->> 'end' < '2026-02-02'"));
        await app.Sql<object>("drop trigger jammed on billing.mt_events");
        await app.Advance(Feb1.AddHours(2));
        Assert.Equal(7, (await app.FinalInvoices()).Count);
        Assert.Equal("ready\n", await Ready(app));
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(14, (await app.FinalInvoices()).Count);
    }

    [Fact]
    public async Task A_period_that_failed_here_and_was_closed_by_another_instance_fails_here_no_more()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        var period = (await app.Subscribe(Small)).CurrentPeriod.PeriodId;
        await Jam(app, "period_closed", period);
        Assert.Equal("due_work_failed", await RefusedAdvance(app, Feb1.AddHours(1)));
        Assert.Contains(period, await Ready(app), StringComparison.Ordinal);

        await app.Sql<object>("drop trigger jammed on billing.mt_events");
        await using var other = app.Build(app.Settings);
        await other.StartAsync();
        await other.Services.GetRequiredService<PeriodCloser>().RunAsync(Feb1.AddHours(1), default);
        Assert.Single(await app.FinalInvoices());
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal("ready\n", await Ready(app));
        await other.StopAsync();
    }

    [Theory]
    [InlineData("period_closed")]
    [InlineData("invoice_finalized")]
    public async Task One_period_that_cannot_be_closed_or_invoiced_holds_up_no_other(string jammed)
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600", ["Billing:PeriodBatchMax"] = "3" });
        var ill = await app.Subscribe(Small, "ill");
        for (var i = 0; i < 4; i++) await app.Subscribe(Small, $"well {i}");
        var period = ill.CurrentPeriod.PeriodId;
        await Jam(app, jammed, jammed == "period_closed" ? period : Invoices.InvoiceIds.Of(period));
        Assert.Equal("due_work_failed", await RefusedAdvance(app, Feb1.AddHours(1)));
        Assert.Equal(4, (await app.FinalInvoices()).Count);
        Assert.Contains(period, await Ready(app), StringComparison.Ordinal);
        await app.Sql<object>("drop trigger jammed on billing.mt_events");
        await app.Advance(Feb1.AddHours(2));
        Assert.Equal(["INV-000001", "INV-000002", "INV-000003", "INV-000004", "INV-000005"], (await app.FinalInvoices()).Select(i => i.Number).Order());
        Assert.Equal("ready\n", await Ready(app));
    }

    [Fact]
    public async Task While_a_report_is_parked_and_periods_wait_for_it_invoices_still_become_final_and_fall_overdue()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600", ["Billing:FinalizeAfterHours"] = "48" });
        var subscription = await app.Subscribe(Small);
        await app.Advance(Feb1.AddHours(1));
        Assert.Empty(await app.FinalInvoices());
        await app.Publish(app.Usage.Record(1, Feb1, Line(subscription, "output", 5) with { PlanId = Ids.Derive(Ids.Plan, Jan1, "never had") }));
        await Eventually.True(async () => (await app.Operations.ListParkedMessagesAsync(new())).Messages.Count == 1, "the report is parked");

        Assert.Equal("usage_not_applied", await RefusedAdvance(app, Mar1.AddHours(1)));
        Assert.Equal("usage_not_applied", await RefusedAdvance(app, Mar1.AddMonths(1)));
        Assert.Equal([subscription.CurrentPeriod.PeriodId], (await app.FinalInvoices()).Select(i => i.Period.PeriodId));
        Assert.Equal(["overdue"], (await app.Invoicing.ListInvoiceStandingsAsync(new())).Invoices.Select(i => i.Status));
        Assert.Equal("active", (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId })).Status);
    }

    [Fact]
    public async Task A_trial_of_exactly_a_period_ends_and_is_billed_from_the_next_one_on()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Advance(Apr1);
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        var trial = await app.Billing.SubscribeAsync(new() { CustomerId = customer.CustomerId, MenuId = Menu, PlanId = Small, TrialDays = 30 });
        Assert.Equal(trial.CurrentPeriod.End, trial.TrialEnd);
        await app.Advance(Apr1.AddMonths(2).AddHours(1));
        Assert.Equal([0, 20_000_000], (await app.FinalInvoices()).OrderBy(i => i.Period.Number).Select(i => i.TotalMicros));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Fact]
    public async Task What_is_parked_and_what_is_due_is_counted_for_whoever_watches()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "0.05" });
        var subscription = await app.Subscribe(Small);
        await Eventually.True(() => Figure("billing.periods.due") == 0 && Figure("billing.messages.parked") == 0, "nothing is parked or due");
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 5) with { PlanId = Ids.Derive(Ids.Plan, Jan1, "never had") }));
        await Eventually.True(() => Figure("billing.messages.parked") == 1, "the report is parked");
        await RefusedAdvance(app, Feb1.AddHours(1));
        await Eventually.True(() => Figure("billing.periods.due") == 1, "its period waits for it");
        Assert.Contains("billing parked list", await Ready(app), StringComparison.Ordinal);

        long Figure(string name)
        {
            var figure = -1L;
            // This host's own: others run beside it.
            var ours = app.Get<IMeterFactory>();
            using var listener = new MeterListener { InstrumentPublished = (instrument, l) => { if (instrument.Name == name && ReferenceEquals(instrument.Meter.Scope, ours)) l.EnableMeasurementEvents(instrument); } };
            listener.SetMeasurementEventCallback<long>((_, value, _, _) => figure = value);
            listener.Start();
            listener.RecordObservableInstruments();
            return figure;
        }
    }

    private static Task Jam(BillingApp app, string type, string stream) => app.Sql<object>($$"""
        create or replace function billing.jammed() returns trigger language plpgsql as $$ begin raise exception 'the books are jammed'; end $$;
        create trigger jammed before insert on billing.mt_events for each row when (new.type = '{{type}}' and new.stream_id = '{{stream}}') execute function billing.jammed();
        """);
}
