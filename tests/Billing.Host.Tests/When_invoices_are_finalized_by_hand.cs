using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_invoices_are_finalized_by_hand
{
    [Fact]
    public async Task B2_finalizing_eight_times_at_once_yields_one_invoice_and_one_number()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:FinalizeBy"] = "hand" });
        var period = (await app.Subscribe(Small)).CurrentPeriod.PeriodId;
        var early = await Assert.ThrowsAsync<RpcException>(() => app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = period }).ResponseAsync);
        Assert.Equal(StatusCode.FailedPrecondition, early.StatusCode);
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(InvoiceStatus.Draft, (await app.InvoiceOf(period)).Status);
        var standings = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = period }).ResponseAsync));
        Assert.All(standings, s => Assert.Equal(("INV-000001", "finalized"), (s.Number, s.Status)));
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.mt_events where type = 'invoice_finalized'"));
        Assert.Equal(1, await app.Sql<long>("select last_number from billing.number_series where series = 'INV'"));
    }

    /// <summary>Both calls have found their key free, and wait for a number.</summary>
    [Fact]
    public async Task B2_one_key_finalizes_one_period_though_two_are_asked_for_at_once()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:FinalizeBy"] = "hand", ["Billing:DuePollSeconds"] = "3600" }, connections: 8);
        var periods = new List<string>();
        for (var i = 0; i < 3; i++) periods.Add((await app.Subscribe(Small, $"customer {i}")).CurrentPeriod.PeriodId);
        await app.Advance(Feb1.AddHours(1));
        await app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = periods[0] });

        await using var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("select 1 from billing.number_series for update", connection)) await hold.ExecuteNonQueryAsync();
        Metadata key = new() { { "idempotency-key", "the month" } };
        var calls = periods[1..].Select(id => app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = id }, key).ResponseAsync).ToArray();
        await Eventually.True(async () => await app.Sql<long>("select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") == 2, "both wait");
        await transaction.RollbackAsync();
        await Task.WhenAll(calls).ContinueWith(_ => { }, TaskScheduler.Default);
        var refused = Assert.Single(calls, c => c.IsFaulted);
        Assert.Equal("idempotency_key_reused", (await Assert.ThrowsAsync<RpcException>(() => refused)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
        Assert.Equal(2, await app.Sql<long>("select count(*) from billing.mt_events where type = 'invoice_finalized'"));
        Assert.Equal(2, await app.Sql<long>("select last_number from billing.number_series where series = 'INV'"));
        var done = Assert.Single(calls, c => c.IsCompletedSuccessfully);
        Assert.Equal(await done, await app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = periods[1 + Array.IndexOf(calls, done)] }, key));
    }

    /// <summary>January comes to 5.00, and to 10.00 with 400,000 tokens that come late; a minimum of 12.00 is agreed for it before it is final.</summary>
    [Fact]
    public async Task B3_late_usage_waits_for_the_invoice_of_its_own_period_and_is_paid_with_its_minimum()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:FinalizeBy"] = "hand" });
        var subscription = await app.Subscribe(Metered);
        var (january, february) = (subscription.CurrentPeriod.PeriodId, subscription.NextPeriod.PeriodId);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 1_000)));
        await app.Applied(1, 1);
        await app.Advance(Feb1.AddHours(1));
        await app.Publish(app.Usage.Record(1, Feb1.AddHours(2), Line(subscription, "output", 400_000)));
        await app.Applied(1, 2);
        await app.Advance(Mar1.AddHours(1));
        var early = await Assert.ThrowsAsync<RpcException>(() => app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = february }).ResponseAsync);
        Assert.Equal("earlier_invoice_not_final", early.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
        Assert.Contains(january, early.Status.Detail, StringComparison.Ordinal);

        await app.Agreements.AgreeCommitmentAsync(new() { CustomerId = subscription.CustomerId, SubscriptionId = subscription.SubscriptionId, AmountMicros = 12_000_000, From = Jan1.ToTimestamp(), Until = Feb1.ToTimestamp() });
        Assert.Equal(12_000_000, (await app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = january })).TotalMicros);
        Assert.Equal(5_000_000, (await app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = february })).TotalMicros);
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Fact]
    public async Task Two_subscriptions_of_a_customer_use_its_credit_once()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:FinalizeAfterHours"] = "24" });
        var first = await app.Subscribe(Small);
        await app.Billing.SubscribeAsync(new() { CustomerId = first.CustomerId, MenuId = BillingApp.Menu, PlanId = Small });
        await app.Agreements.GrantMoneyCreditAsync(new() { CustomerId = first.CustomerId, Name = "Welcome", AmountMicros = 30_000_000 });
        await app.Advance(Feb1.AddHours(1));
        Assert.Empty(await app.FinalInvoices());
        await app.Advance(Feb1.AddHours(25));
        Assert.Equal([0, 10_000_000], (await app.FinalInvoices()).Select(i => i.TotalMicros).Order());
        Assert.Equal(0, (await app.Agreements.GetAccountAsync(new() { CustomerId = first.CustomerId })).Credit.Single().Left);
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }
}
