using System.Globalization;
using Billing.Invoices;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>A document is dated when its number is given, not when somebody began to wait for one: dates rise with numbers, and with what happened to an invoice before.</summary>
public sealed class When_documents_wait_for_a_number
{
    private static readonly Dictionary<string, string?> ByHand = new() { ["Billing:FinalizeBy"] = "hand", ["Billing:DuePollSeconds"] = "3600" };

    [Fact]
    public async Task A_credit_note_that_waited_while_its_invoice_was_written_off_is_dated_after_that_and_so_are_the_books()
    {
        // The note waits with a connection while the invoice is written off with another.
        await using var app = await BillingApp.StartAsync(new(ByHand) { ["Billing:FinalizeBy"] = "schedule" }, connections: 2);
        var subscription = await app.Subscribe(Small);
        await app.Advance(Feb1.AddHours(1));
        var id = InvoiceIds.Of(subscription.CurrentPeriod.PeriodId);

        await using var held = await Held(app, "CN");
        var crediting = app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = id, AmountMicros = 5_000_000, Reason = "outage" }).ResponseAsync;
        await Waiting(app);
        var later = Feb1.AddHours(1).AddSeconds(10);
        Assert.Null(app.Get<BusinessClock>().MoveTo(later));
        await app.Invoicing.WriteOffInvoiceAsync(new() { InvoiceId = id, Reason = "insolvent" });
        await held.DisposeAsync();
        Assert.Equal(later, (await crediting).IssuedAt.ToDateTimeOffset());

        Assert.Equal(15_000_000, (await app.Invoicing.GetInvoiceStandingAsync(new() { InvoiceId = id })).WrittenOffMicros);
        var balance = await app.Ledger.GetTrialBalanceAsync(new() { CustomerId = subscription.CustomerId });
        Assert.Equal((0, 15_000_000), (On("1100"), On("4850")));
        Assert.Equal(0, (await app.Statements.GetStatementAsync(new() { CustomerId = subscription.CustomerId })).Currencies.Single().ClosingMicros);

        // An instance whose clock is a little behind gives the next number, and no earlier date.
        await using var behind = app.Build(new(app.Settings) { ["Clock:Start"] = later.AddMinutes(-5).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) });
        await behind.Services.GetRequiredService<CreditNotes>().Issue(id, Ids.New(InvoiceIds.CreditNote, later), new(1_000_000), "outage", null, (_, _) => { }, default);
        Assert.Equal(2, await app.Sql<long>($"select count(*) from billing.mt_events where type = 'credit_note_issued' and (data ->> 'at')::timestamptz = '{later:O}'"));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        long On(string code) => balance.Balances.SingleOrDefault(b => b.Account.Code == code)?.BalanceMicros ?? 0;
    }

    [Fact]
    public async Task What_an_instance_voids_or_credits_whose_clock_is_behind_is_dated_after_what_happened_to_it_and_by_no_clock_that_was_wrong()
    {
        await using var app = await BillingApp.StartAsync(ByHand);
        string[] periods = [(await app.Subscribe(Small, "a")).CurrentPeriod.PeriodId, (await app.Subscribe(Small, "b")).CurrentPeriod.PeriodId, (await app.Subscribe(Small, "c")).CurrentPeriod.PeriodId];
        var now = Feb1.AddHours(23);
        await app.Advance(now);
        foreach (var period in periods) await app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = period });
        string[] ids = [.. periods.Select(InvoiceIds.Of)];

        // By an hour: no more than clocks are apart, but nothing happens to an invoice before it is one.
        await using var slow = Another(app, now.AddHours(-1));
        await slow.Services.GetRequiredService<InvoiceVoiding>().Void(ids[0], "twice", null, (_, _) => { }, default);
        Assert.Equal(now, await At(app, ids[0], "invoice_voided"));

        // By less, after something else.
        var held = now.AddMinutes(5);
        Assert.Null(app.Get<BusinessClock>().MoveTo(held));
        await app.Invoicing.HoldDunningAsync(new() { InvoiceId = ids[1], Reason = "disputed" });
        await using var behind = Another(app, now.AddMinutes(1));
        await behind.Services.GetRequiredService<InvoiceVoiding>().Void(ids[1], "disputed", null, (_, _) => { }, default);
        Assert.Equal(held, await At(app, ids[1], "invoice_voided"));

        // One that was a year ahead for a moment dates its own note, and none that follows.
        await using (var wrong = Another(app, held.AddYears(1)))
            await wrong.Services.GetRequiredService<CreditNotes>().Issue(ids[2], Ids.New(InvoiceIds.CreditNote, held), new(1_000_000), "outage", null, (_, _) => { }, default);
        Assert.Equal(held.AddYears(1), await At(app, ids[2], "credit_note_issued"));
        Assert.Equal(held, (await app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = ids[2], AmountMicros = 1_000_000, Reason = "outage" })).IssuedAt.ToDateTimeOffset());
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        static async Task<DateTimeOffset> At(BillingApp app, string id, string type) => await app.Sql<DateTime>($"select (data ->> 'at')::timestamptz from billing.mt_events where stream_id = '{id}' and type = '{type}'");
    }

    [Fact]
    public async Task Invoices_are_dated_in_the_order_of_their_numbers()
    {
        await using var app = await BillingApp.StartAsync(ByHand, connections: 2);
        string[] periods = [(await app.Subscribe(Small, "a")).CurrentPeriod.PeriodId, (await app.Subscribe(Small, "b")).CurrentPeriod.PeriodId, (await app.Subscribe(Small, "c")).CurrentPeriod.PeriodId];
        await app.Advance(Feb1.AddHours(23));

        await using var held = await Held(app, "INV");
        var first = app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = periods[0] }).ResponseAsync;
        await Waiting(app);
        var midnight = Feb1.AddDays(1);
        Assert.Null(app.Get<BusinessClock>().MoveTo(midnight));
        await held.DisposeAsync();
        Assert.Equal(("INV-000001", midnight, "2026-03-04"), Told(await first));
        // Of what is due since long ago, looked at by a clock that is behind.
        await using (var behind = app.Build(new(app.Settings) { ["Clock:Start"] = midnight.AddSeconds(-1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) }))
            Assert.Equal(1, await behind.Services.GetRequiredService<InvoiceFinalizing>().RunOne(periods[1], midnight.AddSeconds(-1), null, null, default));
        Assert.Equal(("INV-000002", midnight, "2026-03-04"), Told(await app.Invoicing.GetInvoiceStandingAsync(new() { InvoiceId = InvoiceIds.Of(periods[1]) })));
        // A clock that was wrong by more than clocks are apart does not date what follows.
        await using (var wrong = app.Build(new(app.Settings) { ["Clock:Start"] = midnight.AddYears(1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) }))
            Assert.Equal(1, await wrong.Services.GetRequiredService<InvoiceFinalizing>().RunOne(periods[2], midnight.AddYears(1), null, null, default));
        var last = (await app.Subscribe(Small, "d")).CurrentPeriod.PeriodId;
        await app.Advance(Mar1.AddDays(1).AddHours(1));
        Assert.Equal(("INV-000004", Mar1.AddDays(1).AddHours(1), "2026-04-01"), Told(await app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = last })));

        static (string, DateTimeOffset, string) Told(InvoiceStanding i) => (i.Number, i.FinalizedAt.ToDateTimeOffset(), i.LastDay);
    }

    /// <summary>Another instance by the same database, whose clock shows another time.</summary>
    private static Microsoft.AspNetCore.Builder.WebApplication Another(BillingApp app, DateTimeOffset at) =>
        app.Build(new(app.Settings) { ["Clock:Start"] = at.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) });

    /// <summary>A series of numbers that somebody else has, until it is disposed of.</summary>
    private static async Task<NpgsqlConnection> Held(BillingApp app, string series)
    {
        var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"begin; insert into billing.number_series (series, last_number) values ('{series}', 0) on conflict (series) do update set last_number = number_series.last_number", connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    private static Task Waiting(BillingApp app) => Eventually.True(
        async () => await app.Sql<long>("select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") == 1, "it waits for the number");
}
