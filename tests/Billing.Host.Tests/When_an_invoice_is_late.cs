using Contracts.Billing.V1;
using Contracts.Messages;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Verifier;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>Invoices of 20.00, final on the 1st of February at 1:00 and to be paid by the 15th.</summary>
public sealed class When_an_invoice_is_late
{
    private static readonly DateTimeOffset Due = Feb1.AddDays(15);

    private static async Task<(BillingApp App, Dictionary<string, InvoiceStanding> Invoices)> Start(DunningSchedule schedule, Dictionary<string, string?> settings, params string[] names)
    {
        var app = await BillingApp.StartAsync(settings);
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1" }, PaymentTermsDays = 14 });
        Assert.Equal(schedule, (await app.Agreements.SetDunningScheduleAsync(new() { Schedule = schedule })).Dunning);
        var periods = new Dictionary<string, string>();
        foreach (var name in names) periods[name] = (await app.Subscribe(Small, name)).CurrentPeriod.PeriodId;
        await app.Advance(Feb1.AddHours(1));
        var invoices = new Dictionary<string, InvoiceStanding>();
        foreach (var (name, period) in periods) invoices[name] = await app.Invoicing.GetInvoiceStandingAsync(new() { InvoiceId = Billing.Invoices.InvoiceIds.Of(period) });
        return (app, invoices);
    }

    private static async Task<string> ReasonOf<T>(AsyncUnaryCall<T> call) =>
        (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;

    private static string Told(InvoiceStanding i) => $"{i.Status} {i.Dunning.State} {i.Dunning.StepsTaken}/{i.Dunning.Steps} {i.Dunning.Next} {i.Dunning.NextAt?.ToDateTimeOffset() - Due}";

    [Fact]
    public async Task It_is_asked_for_by_the_schedule_until_it_is_paid_or_written_off_and_the_books_say_so()
    {
        var (app, invoices) = await Start(new() { StepDays = { 1, 3, 7 }, FinalDay = 10, FinalAction = "mark_uncollectible" }, [], "late", "paid", "held");
        await using var _ = app;
        async Task<InvoiceStanding> Of(string name) => await app.Invoicing.GetInvoiceStandingAsync(new() { InvoiceId = invoices[name].InvoiceId });
        await app.Advance(Due.AddMinutes(-1));
        Assert.Equal("finalized current 0/0  ", Told(await Of("late")));

        await app.Advance(Due);
        Assert.Equal("overdue overdue 0/3 step 1.00:00:00", Told(await Of("late")));
        var held = await app.Invoicing.HoldDunningAsync(new() { InvoiceId = invoices["held"].InvoiceId, Reason = "disputed" });
        Assert.Equal(("on_hold", "disputed", Due), (held.Dunning.State, held.Dunning.HoldReason, held.Dunning.HeldSince.ToDateTimeOffset()));

        await app.Advance(Due.AddDays(1));
        Assert.Equal("overdue in_dunning 1/3 step 3.00:00:00", Told(await Of("late")));
        Assert.Equal(["late", "paid"], (await app.Invoicing.ListInvoiceStandingsAsync(new() { DunningState = "in_dunning" })).Invoices.Select(i => invoices.Single(n => n.Value.InvoiceId == i.InvoiceId).Key).Order());
        await Eventually.True(
            () => app.InvoiceNewsHeard.OfType<InvoiceCollectionDue>().Any(c => c is { Step: 1, Steps: 3, OutstandingMicros: 20_000_000 } && c.InvoiceId == invoices["late"].InvoiceId && c.DueAt == Due.AddDays(1)),
            "whoever collects heard of it");
        var failure = new RecordPaymentFailureRequest { InvoiceId = invoices["late"].InvoiceId, Provider = "stripe", Reference = "ch_1", Reason = "card_declined" };
        Assert.Equal(await app.Invoicing.RecordPaymentFailureAsync(failure), await app.Invoicing.RecordPaymentFailureAsync(failure));
        Assert.Equal(["card_declined"], (await Of("late")).Dunning.Failures.Select(f => f.Reason));
        Assert.Equal("payment_reference_reused", await ReasonOf(app.Invoicing.RecordPaymentFailureAsync(new(failure) { InvoiceId = invoices["held"].InvoiceId })));
        await app.Invoicing.RecordPaymentAsync(new() { InvoiceId = invoices["paid"].InvoiceId, Provider = "stripe", Reference = "ch_2", AmountMicros = 20_000_000, Currency = "USD" });
        Assert.Equal("paid resolved 1/3  ", Told(await Of("paid")));

        // A schedule that is set now is for others.
        await app.Agreements.SetDunningScheduleAsync(new());
        foreach (var day in new[] { 3, 7, 10, 12 }) await app.Advance(Due.AddDays(day));
        Assert.Equal(("uncollectible exhausted 3/3  ", 20_000_000), (Told(await Of("late")), (await Of("late")).WrittenOffMicros));
        Assert.Equal(
            "dunning_step_taken 1.00 dunning_step_taken 3.00 dunning_step_taken 7.00 dunning_exhausted 10.00",
            await app.Sql<string>($"select string_agg(type || ' ' || round(extract(epoch from (data ->> 'dueAt')::timestamptz - '{Due:O}'::timestamptz) / 86400, 2), ' ' order by version) from billing.mt_events where stream_id = '{invoices["late"].InvoiceId}' and data ? 'dueAt' and type <> 'invoice_terms_cut'"));
        await Eventually.True(() => app.InvoiceNewsHeard.OfType<InvoiceDunningExhausted>().Any(x => x is { FinalAction: "mark_uncollectible", OutstandingMicros: 20_000_000 }), "whoever collects heard of the end");
        Assert.Equal("paid resolved 1/3  ", Told(await Of("paid")));
        Assert.Equal("overdue overdue 0/3 step 13.00:00:00", Told(await app.Invoicing.ReleaseDunningAsync(new() { InvoiceId = invoices["held"].InvoiceId })));

        await app.Invoicing.RecordPaymentAsync(new() { InvoiceId = invoices["late"].InvoiceId, Provider = "bank", Reference = "4711", AmountMicros = 5_000_000, Currency = "USD" });
        var balance = await app.Ledger.GetTrialBalanceAsync(new() { CustomerId = invoices["late"].CustomerId });
        Assert.Equal((0, 15_000_000), (On("1100"), On("4850")));
        var statement = await app.Statements.GetStatementAsync(new() { CustomerId = invoices["late"].CustomerId });
        Assert.Equal(
            ["invoice 20000000", "write_off -20000000", "payment -5000000", "recovery 5000000"], statement.Currencies.Single().Lines.Select(l => $"{l.Kind} {l.AmountMicros}"));
        Assert.Equal(0, statement.Currencies.Single().ClosingMicros);
        var owed = await app.Statements.GetStatementAsync(new() { CustomerId = invoices["held"].CustomerId, From = Feb1.AddDays(1).ToTimestamp() });
        Assert.Equal((20_000_000, 20_000_000, 20_000_000), (owed.Currencies.Single().OpeningMicros, owed.Currencies.Single().ClosingMicros, owed.Currencies.Single().Ageing.To30DaysMicros));
        Assert.Empty((await app.Statements.GetStatementAsync(new() { CustomerId = invoices["held"].CustomerId, Known = new() { Time = Jan1.ToTimestamp() } })).Currencies);
        Assert.Equal("customer_unknown", await ReasonOf(app.Statements.GetStatementAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, "nobody") })));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        await app.CaughtUp();
        Assert.Empty(VerifyExport.Check(await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync()));

        long On(string code) => balance.Balances.SingleOrDefault(b => b.Account.Code == code)?.BalanceMicros ?? 0;
    }

    [Theory]
    [InlineData("cancel_subscription", "subscription_cancelled", "cancelled")]
    [InlineData("pause_subscription", "subscription_paused", "paused")]
    public async Task Steps_that_two_instances_take_at_once_are_taken_once_and_so_is_what_follows_for_the_subscription(string action, string what, string status)
    {
        var (app, invoices) = await Start(new() { StepDays = { 1, 3 }, FinalDay = 5, FinalAction = action }, new() { ["Billing:DuePollSeconds"] = "3600" }, "a", "b", "c");
        await using var _ = app;
        await app.Advance(Due);
        // Billing was away until long after the final action was due: it asks first, and leaves the days of the schedule in between.
        foreach (var (day, steps) in new[] { (40, 1), (42, 2), (43, 2) })
        {
            await Look(app, day, 4);
            Assert.Equal(3 * steps, await app.Sql<long>("select count(*) from billing.mt_events where type = 'dunning_step_taken'"));
            Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type = 'dunning_exhausted'"));
        }
        await Look(app, 44, 4);
        Assert.Equal(3 * 2, await app.Sql<long>("select count(*) from billing.mt_events where type = 'dunning_step_taken'"));
        Assert.Equal(3, await app.Sql<long>("select count(*) from billing.mt_events where type = 'dunning_exhausted'"));
        Assert.Equal(3, await app.Sql<long>($"select count(*) from billing.mt_events where type = '{what}'"));
        Assert.All(
            await Task.WhenAll(invoices.Values.Select(i => app.Billing.GetSubscriptionAsync(new() { SubscriptionId = i.SubscriptionId }).ResponseAsync)), s => Assert.Equal(status, s.Status));
        Assert.Equal("dunning_exhausted", await ReasonOf(app.Invoicing.HoldDunningAsync(new() { InvoiceId = invoices["a"].InvoiceId, Reason = "late" })));
    }

    private static Task Look(BillingApp app, int day, int instances) => Task.WhenAll(Enumerable.Range(0, instances).Select(_ => Task.Run(() => app.Get<IEnumerable<Hosting.IDueWork>>().OfType<DunningDue>().Single().RunAsync(Due.AddDays(day), default))));

    [Fact]
    public async Task A_pause_that_would_end_by_itself_does_not_and_what_is_not_paused_is_not_said_to_be()
    {
        var (app, invoices) = await Start(new() { StepDays = { 1 }, FinalDay = 3, FinalAction = "pause_subscription" }, new() { ["Billing:DuePollSeconds"] = "3600" }, "resting", "ending");
        await using var _ = app;
        await app.Billing.PauseSubscriptionAsync(new() { SubscriptionId = invoices["resting"].SubscriptionId, When = EffectiveWhen.Now, ResumeAt = Due.AddDays(5).ToTimestamp() });
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = invoices["ending"].SubscriptionId, When = EffectiveWhen.PeriodEnd });
        await app.Advance(Due);
        foreach (var day in new[] { 1, 3 }) await Look(app, day, 4);
        // Once, though four instances look at once: the pause that would have ended, and one that does not.
        Assert.Equal((2, 1), (await Count("subscription_paused"), await Count("subscription_resumed")));
        await app.Advance(Due.AddDays(6));
        var resting = await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = invoices["resting"].SubscriptionId });
        Assert.Equal(("paused", null), (resting.Status, resting.Pause.ResumeAt));
        Assert.Equal("active", (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = invoices["ending"].SubscriptionId })).Status);
        Assert.Equal(["", "cancellation_scheduled"], await Task.WhenAll(new[] { "resting", "ending" }.Select(Refused)));
        await Eventually.True(
            () => app.InvoiceNewsHeard.OfType<InvoiceDunningExhausted>().Select(x => (x.InvoiceId, x.FinalActionRefused)).ToHashSet().SetEquals([(invoices["resting"].InvoiceId, null), (invoices["ending"].InvoiceId, "cancellation_scheduled")]),
            "whoever collects heard what was not done");

        Task<long> Count(string type) => app.Sql<long>($"select count(*) from billing.mt_events where type = '{type}'");
        Task<string> Refused(string name) => app.Sql<string>($"select coalesce(data ->> 'finalActionRefused', '') from billing.mt_events where type = 'dunning_exhausted' and stream_id = '{invoices[name].InvoiceId}'");
    }

    /// <summary>
    /// Billing was away from the 17th of February to the 8th of March: the final action of January's invoices comes with the turn of their subscriptions' periods, and all that goes with it, and meets them as they are after that.
    /// What it refuses is refused for what has become of them, and turns them at their own look.
    /// </summary>
    [Theory]
    [InlineData("pause_subscription", "paused", "subscription_paused", "subscription_resumed subscription_paused", "", "subscription_cancelled")]
    [InlineData("cancel_subscription", "cancelled", "subscription_cancelled", "subscription_cancelled", "subscription_cancelled", "")]
    public async Task A_final_action_meets_what_happens_to_the_subscription_in_the_same_look(string action, string status, string does, string ofResting, string ofEnded, string refused)
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1" }, PaymentTermsDays = 14 });
        await app.Agreements.SetDunningScheduleAsync(new() { Schedule = new() { StepDays = { 1 }, FinalDay = 3, FinalAction = action } });
        var (plain, changing, resting, ending) = (await app.Subscribe(Small, "plain"), await app.Subscribe(Small, "changing"), await app.Subscribe(Small, "resting"), await app.Subscribe(Small, "ending"));
        // Until the 2nd of March, with something to pay for January.
        var trial = await app.Billing.SubscribeAsync(new() { CustomerId = (await app.Billing.CreateCustomerAsync(new() { Currency = "USD" })).CustomerId, MenuId = BillingApp.Menu, PlanId = Metered, TrialDays = 60 });
        await app.Publish(app.Usage.Record(1, Jan1, Line(trial, "output", 601_000)));
        await app.Applied(1, 1);
        await app.Advance(Feb1.AddHours(1));
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = changing.SubscriptionId, PlanId = Metered, When = EffectiveWhen.PeriodEnd });
        await app.Billing.PauseSubscriptionAsync(new() { SubscriptionId = resting.SubscriptionId, When = EffectiveWhen.PeriodEnd, ResumeAt = Mar1.AddDays(20).ToTimestamp() });
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = ending.SubscriptionId, When = EffectiveWhen.PeriodEnd });
        await app.Advance(Due);
        await Look(app, 1, 1);
        Subscription[] all = [plain, changing, resting, ending, trial];
        var known = await app.Sql<long>("select max(seq_id) from billing.mt_events");

        await Look(app, 20, 4);
        string[] turned =
        [
            $"subscription_period_turned {does}", $"subscription_period_turned subscription_plan_changed {does}", $"subscription_period_turned subscription_paused {ofResting}", ofEnded,
            $"subscription_period_turned subscription_activated {does}",
        ];
        Assert.Equal(turned, await Happened());
        Assert.Equal(["", "", "", refused, ""], await Refused());
        await app.Advance(Due.AddDays(20));
        turned[3] = "subscription_cancelled";
        Assert.Equal(turned, await Happened());
        var statuses = await Task.WhenAll(all.Select(async s => (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId })).Status));
        Assert.Equal([status, status, status, "cancelled", status], statuses);
        Assert.Equal(["", "", "", refused, ""], await Refused());

        // Seven days of March at 20.00, and at 5.00, and the six after the trial. What rested all the month is not invoiced.
        await app.Advance(Apr1.AddHours(1));
        var march = (await app.FinalInvoices()).Where(i => i.Period.Start.ToDateTimeOffset() == Mar1).ToDictionary(i => i.SubscriptionId, i => i.TotalMicros);
        Assert.Equal([4_520_000, 1_130_000, null, null, 970_000], all.Select(s => march.TryGetValue(s.SubscriptionId, out var total) ? total : (long?)null));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        Task<string[]> Happened() => Task.WhenAll(all.Select(s => app.Sql<string>($"select coalesce(string_agg(type, ' ' order by version), '') from billing.mt_events where stream_id = '{s.SubscriptionId}' and seq_id > {known}")));
        async Task<string[]> Refused()
        {
            var told = (await app.Invoicing.ListInvoiceStandingsAsync(new() { DunningState = "exhausted" })).Invoices.ToDictionary(i => i.SubscriptionId, i => i.Dunning.FinalActionRefused);
            return [.. all.Select(s => told[s.SubscriptionId])];
        }
    }

    /// <summary>A trial whose usage was invoiced, a subscription that is over, and one that was to end, which the customer then keeps.</summary>
    [Fact]
    public async Task What_a_final_action_did_not_do_stands_with_the_invoice_whatever_becomes_of_the_subscription()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var app = await BillingApp.StartAsync(new(When_webhooks_are_sent.Running.Settings) { ["Billing:DuePollSeconds"] = "3600" });
        await app.Webhooks.RegisterEndpointAsync(new() { Url = receiver.Address + "/dunned", EventTypes = { "invoice.dunning_exhausted" } });
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1" }, PaymentTermsDays = 14 });
        await app.Agreements.SetDunningScheduleAsync(new() { Schedule = new() { StepDays = { 1 }, FinalDay = 3, FinalAction = "pause_subscription" } });
        var (over, ending, kept) = (await app.Subscribe(Small, "over"), await app.Subscribe(Small, "ending"), await app.Subscribe(Small, "kept"));
        var trial = await app.Billing.SubscribeAsync(new() { CustomerId = (await app.Billing.CreateCustomerAsync(new() { Currency = "USD" })).CustomerId, MenuId = BillingApp.Menu, PlanId = Metered, TrialDays = 60 });
        await app.Publish(app.Usage.Record(1, Jan1, Line(trial, "output", 601_000)));
        await app.Applied(1, 1);
        await app.Advance(Feb1.AddHours(1));
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = over.SubscriptionId, When = EffectiveWhen.Now });
        foreach (var s in new[] { ending, kept }) await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId, When = EffectiveWhen.PeriodEnd });
        await app.Advance(Due);
        foreach (var day in new[] { 1, 3 }) await Look(app, day, 1);

        Dictionary<string, string> expected = new()
        {
            [Id(over)] = "subscription_cancelled", [Id(ending)] = "cancellation_scheduled", [Id(kept)] = "cancellation_scheduled", [Id(trial)] = "subscription_trialing",
        };
        Assert.Equal(expected, await Standing());
        await Eventually.True(() => receiver.At("/dunned").Select(w => (w.Subject, w.Event.GetProperty("data").GetProperty("finalActionRefused").GetString()!)).ToHashSet().SetEquals(expected.Select(e => (e.Key, e.Value))), "the receiver hears what was not done");

        await app.Billing.WithdrawScheduledChangeAsync(new() { SubscriptionId = kept.SubscriptionId });
        await app.Advance(Mar1.AddDays(10));
        foreach (var day in new[] { 20, 25 }) await Look(app, day, 1);
        Assert.Equal(expected, (await Standing()).Where(i => expected.ContainsKey(i.Key)).ToDictionary());
        // Both run on, unpaid, and nobody takes the action a second time: that is for whoever reads the list.
        Assert.Equal(["active", "active"], new[] { await Status(kept), await Status(trial) });

        static string Id(Subscription s) => Billing.Invoices.InvoiceIds.Of(s.CurrentPeriod.PeriodId);
        async Task<Dictionary<string, string>> Standing() =>
            (await app.Invoicing.ListInvoiceStandingsAsync(new() { DunningState = "exhausted" })).Invoices.ToDictionary(i => i.InvoiceId, i => i.Dunning.FinalActionRefused);
        async Task<string> Status(Subscription s) => (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId })).Status;
    }
}
