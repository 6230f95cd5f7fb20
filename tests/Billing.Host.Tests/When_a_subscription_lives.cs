using Billing.Customers;
using Contracts.Billing.V1;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using static Billing.Host.Tests.BillingApp;
using CustomerDetails = Contracts.Billing.V1.CustomerDetails;

namespace Billing.Host.Tests;

public sealed class When_a_subscription_lives
{
    private static readonly CustomerDetails Acme = new() { Name = "Acme GmbH", Email = "billing@acme.example", Lines = { "Ringstraße 1" }, PostalCode = "10115", City = "Berlin", Country = "Germany", TaxId = "DE123456789" };

    private static IEnumerable<(string Kind, string Plan, long Tokens, long Micros)> Charged(Invoice invoice) => invoice.Lines.Select(l => (l.Kind, l.PlanId, l.Tokens, l.AmountMicros));

    [Fact]
    public async Task B4_from_trial_to_the_last_late_token_every_invoice_replays_byte_for_byte()
    {
        await using var app = await BillingApp.StartAsync();
        var customer = await app.Billing.CreateCustomerAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, "acme"), Currency = "USD", Reference = "acme" });
        var details = new RecordCustomerDetailsRequest { CustomerId = customer.CustomerId, Details = Acme };
        Metadata key = new() { { "idempotency-key", "details of acme" } };
        customer = await app.Billing.RecordCustomerDetailsAsync(details, key);
        Assert.Equal(customer, await app.Billing.RecordCustomerDetailsAsync(details, key));
        Assert.Equal(Acme, (await app.Billing.GetCustomerAsync(new() { CustomerId = customer.CustomerId })).Details);

        var start = new SubscribeRequest { SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, "acme"), CustomerId = customer.CustomerId, MenuId = Menu, PlanId = Small, TrialDays = 14 };
        var s = await app.Billing.SubscribeAsync(start);
        Assert.Equal(("trialing", Jan1.AddDays(14)), (s.Status, s.TrialEnd.ToDateTimeOffset()));
        var january = s.CurrentPeriod.PeriodId;
        await app.Publish(app.Usage.Record(3, Jan1, Line(s, "output", 100)));
        await app.Applied(3, 1);

        // The trial ends by the clock; the plan changes in the middle of the month, as the preview said it would.
        await app.Advance(Jan1.AddDays(19));
        var change = new ChangePlanRequest { SubscriptionId = s.SubscriptionId, PlanId = Metered, When = EffectiveWhen.Now };
        var preview = await app.Billing.PreviewChangeAsync(new() { Plan = change });
        Assert.Equal((10_970_000, 5_160_000, -5_810_000), (preview.Before.TotalMicros, preview.After.TotalMicros, preview.DifferenceMicros));
        Assert.Equal(Small, (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId })).PlanId);
        s = await app.Billing.ChangePlanAsync(change);
        Assert.Equal(s, await app.Billing.ChangePlanAsync(change));
        Assert.Equal(("active", Metered), (s.Status, s.PlanId));
        await Eventually.True(async () => (await app.InvoiceOf(january)).Lines.SequenceEqual(preview.After.Lines), "the draft is what the preview said");
        await app.Publish(app.Usage.Record(3, Jan1.AddDays(20), Line(s, "output", 1_000)));
        await app.Applied(3, 2);

        s = await app.Billing.ChangePlanAsync(new() { SubscriptionId = s.SubscriptionId, PlanId = Small, When = EffectiveWhen.PeriodEnd });
        Assert.Equal((Metered, Small, Feb1), (s.PlanId, s.Scheduled.PlanId, s.Scheduled.EffectiveAt.ToDateTimeOffset()));
        await app.Advance(Feb1.AddHours(1));
        // 12 of 31 days include 387 of 1,000 tokens; 613 at 12.5 per million are most of a cent.
        Assert.Equal(
            [("period_fee", Small, 0, 0), ("period_fee", Small, 0, 3_230_000), ("period_fee", Metered, 0, 1_930_000), ("included", Small, 100, 0), ("included", Metered, 387, 0), ("overage", Metered, 613, 10_000)],
            Charged(await app.InvoiceOf(january)).OrderBy(l => (l.Kind == "included" ? 1 : l.Kind == "overage" ? 2 : 0, l.Plan == Metered, l.Micros)));

        // Usage has not heard of the turn yet when it records the first tokens of February, under the plan of January.
        var february = (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId })).CurrentPeriod.PeriodId;
        await app.Publish(app.Usage.Record(3, Feb1, Line(s, "output", 40, next: true)));
        await app.Applied(3, 3);
        await app.Advance(Feb1.AddDays(9));
        Assert.Equal((0, -20_000_000), await Previewed(app, new() { Cancellation = new() { SubscriptionId = s.SubscriptionId, When = EffectiveWhen.PeriodEnd } }));
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId, When = EffectiveWhen.PeriodEnd });
        await app.Advance(Apr1.AddHours(1));
        Assert.Equal([("period_fee", Small, 0, 20_000_000), ("included", Small, 40, 0)], Charged(await app.InvoiceOf(february)));
        // A snapshot speaks for those before it, so only the last one is sure to be heard.
        await Eventually.True(() => app.SubscriptionsHeard.Any(h => h.Status == "cancelled"), "usage heard of the end");
        await Eventually.True(async () => (await app.Billing.ListInvoicesAsync(new())).Invoices.Count == 2, "the period that was opened ahead has nothing to show");

        // Every period is closed when the last tokens come in: they get a period, and an invoice that names February.
        await app.Publish(app.Usage.Record(3, Apr1.AddHours(2), Line(s, "output", 7, next: true)));
        await app.Applied(3, 4);
        await app.Advance(Apr1.AddMonths(1).AddHours(1));
        var last = (await app.FinalInvoices()).MaxBy(i => i.Number, StringComparer.Ordinal)!;
        Assert.Equal(("INV-000003", february, 7L), (last.Number, last.Lines.Single().AboutPeriodId, last.Lines.Single().Tokens));

        var erased = await app.Billing.EraseCustomerAsync(new() { CustomerId = customer.CustomerId });
        Assert.Equal(("", true), (erased.DetailsSha256, erased.ErasedAt is not null));
        Assert.Null((await app.Billing.GetCustomerAsync(new() { CustomerId = customer.CustomerId })).Details);
        Assert.All(await app.FinalInvoices(), i => Assert.Contains($"\"customerDetailsSha256\":\"{customer.DetailsSha256}\"", i.Document, StringComparison.Ordinal));
        await app.CaughtUp();
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.All(await app.VerifySeals(), f => Assert.True(f.Intact, f.Finding));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.personal_details"));
        Assert.Equal(0, await app.Sql<long>("""
            select (select count(*) from billing.mt_events where data::text like '%Acme GmbH%') + (select count(*) from billing.mt_doc_idempotentcall where data::text like '%Acme%')
                + (select count(*) from billing.mt_doc_idempotentcall where position('Acme GmbH'::bytea in decode(data ->> 'response', 'base64')) > 0)
            """));
    }

    [Fact]
    public async Task What_falls_due_happens_once_on_two_instances_and_what_cannot_be_is_refused_by_name()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:PeriodBatchMax"] = "2", ["Billing:DuePollSeconds"] = "3600" });
        var ids = new List<string>();
        for (var i = 0; i < 6; i++)
        {
            var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD", Reference = $"customer {i}" });
            var s = await app.Billing.SubscribeAsync(new() { CustomerId = customer.CustomerId, MenuId = Menu, PlanId = Small, TrialDays = 10, AnchorDay = 20, TimeZone = "Europe/Berlin" });
            Assert.Equal((20, Jan1.AddDays(19).AddHours(-1)), (s.AnchorDay, s.CurrentPeriod.End.ToDateTimeOffset()));
            await app.Billing.ChangePlanAsync(new() { SubscriptionId = s.SubscriptionId, PlanId = Metered, When = EffectiveWhen.PeriodEnd });
            ids.Add(s.SubscriptionId);
        }
        await using var other = app.Build(app.Settings);
        await other.StartAsync();
        PeriodCloser[] closers = [app.Get<PeriodCloser>(), other.Services.GetRequiredService<PeriodCloser>()];
        await Task.WhenAll(closers.Concat(closers).Select(c => Task.Run(() => c.RunAsync(Jan1.AddDays(20), default))));
        Assert.Equal("period_closed 6, period_opened 18, subscription_activated 6, subscription_period_turned 6, subscription_plan_changed 6", await app.Sql<string>("""
            select string_agg(type || ' ' || n, ', ' order by type) from (select type, count(*) n from billing.mt_events
            where type in ('subscription_activated', 'subscription_plan_changed', 'subscription_period_turned', 'period_opened', 'period_closed') group by 1) counts
            """));
        await other.StopAsync();
        var subscription = await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = ids[0] });
        Assert.Equal((Metered, "active"), (subscription.PlanId, subscription.Status));
        await app.Advance(Jan1.AddDays(20));

        await Refused("plan_unknown", () => app.Billing.ChangePlanAsync(new() { SubscriptionId = ids[0], PlanId = Ids.Derive(Ids.Plan, Jan1, "none"), When = EffectiveWhen.Now }));
        await Refused("menu_unknown", () => app.Billing.MigrateSubscriptionAsync(new() { SubscriptionId = ids[0], PlanId = Small, MenuId = Ids.Derive(Ids.Menu, Jan1, "none") }));
        await Refused("invalid_argument", () => app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = ids[0] }));
        await Refused("subscription_unknown", () => app.Billing.ActivateSubscriptionAsync(new() { SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, "none") }));
        await Refused("customer_subscribed", () => app.Billing.EraseCustomerAsync(new() { CustomerId = subscription.CustomerId }));
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = ids[0], When = EffectiveWhen.Now });
        await Refused("customer_to_invoice", () => app.Billing.EraseCustomerAsync(new() { CustomerId = subscription.CustomerId }));
        await Refused("subscription_cancelled", () => app.Billing.WithdrawScheduledChangeAsync(new() { SubscriptionId = ids[0] }));
        await Refused("subscription_cancelled", () => app.Billing.PreviewChangeAsync(new() { Activation = new() { SubscriptionId = ids[0] } }));
        await Refused("country_invalid", () => app.Billing.SetCustomerTaxAsync(new() { CustomerId = subscription.CustomerId, Tax = new() { Country = "Germany", Status = "business" } }));
        var taxed = await app.Billing.SetCustomerTaxAsync(new() { CustomerId = subscription.CustomerId, Tax = new() { Country = "DE", Status = "business" } });
        Assert.Equal(("DE", "business"), (taxed.Tax.Country, taxed.Tax.Status));
        Assert.Equal(6, (await app.Billing.ListCustomersAsync(new())).Customers.Count);
        Assert.Equal([5], (await app.Billing.CountSubscriptionsByPlanAsync(new())).Counts.Select(c => (int)c.Subscriptions));

        // Another menu begins with a period, and only then.
        var (summer, large) = (Ids.Derive(Ids.Menu, Jan1, "summer"), Ids.Derive(Ids.Plan, Jan1, "large"));
        await app.Publish(TheMenu with { MenuId = summer, Plans = [TheMenu.Plans[0] with { PlanId = large, Name = "Large", PeriodFeeMicros = 70_000_000 }] });
        await Eventually.True(async () => { await app.Billing.GetMenuTermsAsync(new() { MenuId = summer }); return true; }, "the menu was received");
        var migrated = await app.Billing.MigrateSubscriptionAsync(new() { SubscriptionId = ids[1], MenuId = summer, PlanId = large });
        Assert.Equal((Menu, summer), (migrated.MenuId, migrated.Scheduled.MenuId));
        await app.Advance(Mar1.AddDays(20));
        var invoices = (await app.Billing.ListInvoicesAsync(new() { SubscriptionId = ids[1], Status = InvoiceStatus.Finalized })).Invoices.OrderBy(i => i.Period.Number);
        // The trial left 8 days and 23 hours of 31 days of the first month.
        Assert.Equal([(0, Small), (1, Metered), (2, large)], invoices.Select(i => (i.Period.Number, i.Lines[^1].PlanId)));
        Assert.Equal([5_780_000, 5_000_000, 70_000_000], invoices.Select(i => i.TotalMicros));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    private static async Task<(long After, long Difference)> Previewed(BillingApp app, PreviewChangeRequest request)
    {
        var preview = await app.Billing.PreviewChangeAsync(request);
        return (preview.After.TotalMicros, preview.DifferenceMicros);
    }

    private static async Task Refused<T>(string reason, Func<AsyncUnaryCall<T>> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await call());
        Assert.Equal(reason, refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason);
    }
}
