using Contracts.Billing.V1;
using Grpc.Core;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>601,000 tokens of output in January are 12.50: 5.00, and 600,000 at 12.5 per million.</summary>
public sealed class When_usage_of_a_void_invoice_changes
{
    private static async Task<(BillingApp App, Subscription Subscription)> Start()
    {
        var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await Record(app, subscription, 1, Jan1, 601_000);
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal((InvoiceStatus.Finalized, 12_500_000), (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId) is var final ? final.Status : default, final.TotalMicros));
        return (app, subscription);
    }

    private static async Task Record(BillingApp app, Subscription subscription, int report, DateTimeOffset at, long tokens)
    {
        await app.Publish(app.Usage.Record(1, at, Line(subscription, "output", tokens)));
        await app.Applied(1, report);
    }

    private static string InvoiceId(string periodId) => Billing.Invoices.InvoiceIds.Of(periodId);

    [Fact]
    public async Task What_nobody_was_asked_for_does_not_go_back_and_what_goes_beyond_it_is_demanded()
    {
        var (app, subscription) = await Start();
        await using var _ = app;
        var (january, february) = (subscription.CurrentPeriod.PeriodId, subscription.NextPeriod.PeriodId);
        Assert.Equal("void", (await app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = InvoiceId(january), Reason = "test account" })).Status);
        await Record(app, subscription, 2, Feb1.AddHours(2), -600_000);
        Assert.Equal((InvoiceStatus.Draft, 5_000_000), (await app.InvoiceOf(february) is var draft ? draft.Status : default, draft.TotalMicros));
        await app.Advance(Mar1.AddHours(1));
        var final = await app.InvoiceOf(february);
        Assert.Equal((InvoiceStatus.Finalized, 5_000_000, -600_000), (final.Status, final.TotalMicros, final.Lines.Single(l => l.Kind == "adjustment").Tokens));

        // 400,000 more than were on the void invoice.
        await Record(app, subscription, 3, Mar1.AddHours(2), 1_000_000);
        await app.Advance(Apr1.AddHours(1));
        Assert.Equal([12_500_000, 5_000_000, 10_000_000], (await app.FinalInvoices()).OrderBy(i => i.Period.Number).Select(i => i.TotalMicros));
        Assert.Equal(2, await app.Sql<long>("select count(*) from billing.mt_events where type = 'invoice_terms_cut' and data -> 'earlier' -> 0 ->> 'voided' = 'true' and data ->> 'ratingVersion' = '9'"));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Fact]
    public async Task An_older_invoice_is_rated_by_todays_rules_as_if_it_had_named_what_was_void()
    {
        var (app, subscription) = await Start();
        await using var _ = app;
        var (january, february) = (InvoiceId(subscription.CurrentPeriod.PeriodId), InvoiceId(subscription.NextPeriod.PeriodId));
        await app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = january, Reason = "test account" });
        await Record(app, subscription, 2, Feb1.AddHours(2), -600_000);
        await app.Advance(Mar1.AddHours(1));
        // As version 8 wrote its terms, and as version 3 did.
        foreach (var older in new[] { "jsonb_set(data #- '{earlier,0,voided}', '{ratingVersion}', '8')", "jsonb_set(data - 'earlier', '{ratingVersion}', '3')" })
        {
            await app.Sql<long>($"update billing.mt_events set data = {older} where type = 'invoice_terms_cut' and stream_id = '{february}' returning seq_id");
            Assert.Equal((older, -2_500_000, 5_000_000), (older, await WouldBe(0), await WouldBe(9)));
        }

        async Task<long> WouldBe(int version) =>
            (await app.Audit.WhatIf(new() { RatingVersion = version }).ResponseStream.ReadAllAsync().ToListAsync()).Single(i => i.InvoiceId == february).WouldBeMicros;
    }

    [Fact]
    public async Task An_invoice_is_not_voided_once_a_later_one_gives_back_what_it_demands_and_that_one_says_what_can_be_done()
    {
        var (app, subscription) = await Start();
        await using var _ = app;
        await Record(app, subscription, 2, Feb1.AddHours(2), -600_000);
        await app.Advance(Mar1.AddHours(1));
        var february = InvoiceId(subscription.NextPeriod.PeriodId);
        Assert.Equal(-2_500_000, (await app.Invoicing.GetInvoiceStandingAsync(new() { InvoiceId = february })).TotalMicros);
        var given = await Refused(app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = InvoiceId(subscription.CurrentPeriod.PeriodId), Reason = "test account" }));
        Assert.Equal("usage_given_back", given.Reason);
        Assert.Contains("INV-000002", given.Detail, StringComparison.Ordinal);

        var (carries, nothing) = (await Refused(app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = february, Reason = "test account" })), await Refused(app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = february, Reason = "test account" })));
        Assert.Equal(("invoice_carries_late_usage", "nothing_to_credit"), (carries.Reason, nothing.Reason));
        Assert.All([carries, nothing], r => Assert.Contains("record a refund", r.Detail, StringComparison.Ordinal));
    }

    /// <summary>What becomes final meanwhile might give back what is voided: one comes after the other.</summary>
    [Fact]
    public async Task A_void_waits_for_invoices_that_are_becoming_final()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" }, connections: 4);
        var january = (await app.Subscribe(Small)).CurrentPeriod.PeriodId;
        await app.Advance(Feb1.AddHours(1));
        await using var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("select 1 from billing.number_series for update", connection)) await hold.ExecuteNonQueryAsync();
        var call = app.Invoicing.VoidInvoiceAsync(new() { InvoiceId = InvoiceId(january), Reason = "test account" }).ResponseAsync;
        await Eventually.True(async () => await app.Sql<long>("select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") == 1, "it waits");
        Assert.False(call.IsCompleted);
        await transaction.RollbackAsync();
        Assert.Equal("void", (await call).Status);
    }

    private static async Task<(string Reason, string Detail)> Refused<T>(AsyncUnaryCall<T> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        return (refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason, refused.Status.Detail);
    }
}
