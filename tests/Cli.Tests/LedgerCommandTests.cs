using System.Text.Json;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Subscriptions;
using Hosting;

namespace Cli.Tests;

/// <summary>billing ledger against a billing service that runs: the example of docs/ledger.md.</summary>
public sealed class LedgerCommandTests
{
    private static readonly DateTimeOffset Jan1 = RunningBilling.Jan1, Feb1 = Jan1.AddMonths(1);
    private static readonly string Menu = RunningBilling.Menu, Metered = Ids.Derive(Ids.Plan, Jan1, "metered");
    private static readonly string Acme = Ids.Derive(Ids.Customer, Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, Jan1, "acme");
    private static readonly string January = PeriodIds.Of(Theirs, 0, Jan1), Invoice = InvoiceIds.Of(January);

    [Fact]
    public async Task A_bookkeeper_adds_up_two_months_from_the_command_line()
    {
        PlanTerms metered = new(Metered, "Metered", new(5_000_000), [new(CapWindow.BillingPeriod, 1_000, Cap.GeneratedTokens, CapEnforcement.Billed)], [new(TokenKind.Output, UnitPrice.Parse("12.5")), new(TokenKind.Reasoning, UnitPrice.Parse("25"))]);
        await using var running = await RunningBilling.StartAsync("hand", metered);
        var (streams, clock) = (running.Streams, running.Get<BusinessClock>());
        async Task<string> Done(params string[] args)
        {
            var (exit, output, error) = await running.Billing(args);
            Assert.True(exit == 0, error);
            return output;
        }

        await Done("customer", "create", "--currency", "USD", "--id", Acme);
        await Done("seller", "describe", "--name", "Tokenwerke GmbH", "--address", "Torstr. 1", "--address", "10119 Berlin", "--terms", "14", "--reason", "a test");
        await Done("seller", "tax-rate", "--jurisdiction", "DE", "--name", "VAT", "--percent", "19", "--reason", "a test");
        await Done("account", "tax", Acme, "--jurisdiction", "DE", "--treatment", "standard", "--reason", "a test");
        await Done("subscription", "start", "--customer", Acme, "--menu", Menu, "--plan", Metered, "--id", Theirs);
        clock.MoveTo(Jan1.AddDays(4));
        await Done("account", "credit", Acme, "--name", "Welcome", "--amount", "5.00", "--reason", "a test");
        // The month ends without usage having to answer.
        await streams.Transact<PeriodState, PeriodEvent>(January, PeriodState.Initial, PeriodState.Evolve, s => s is PeriodState.Closed
            ? Decision.NoChange
            : Decision.Accept<PeriodEvent>(new UsageApplied(0, 1, [new(Metered, TokenKind.Output, 601_000)], Jan1.AddDays(20)), new PeriodClosed([], Feb1.AddHours(1))), default);
        clock.MoveTo(Feb1.AddHours(1));
        await Done("invoice", "finalize", January);
        clock.MoveTo(Feb1.AddDays(9));
        await Done("invoice", "pay", Invoice, "--amount", "8.93", "--provider", "bank", "--reference", "4711");
        clock.MoveTo(Feb1.AddDays(11));
        await Done("invoice", "credit", Invoice, "--amount", "1.19", "--reason", "outage");
        clock.MoveTo(Feb1.AddDays(12));
        await Done("invoice", "refund", Invoice, "--amount", "1.19", "--provider", "bank", "--reference", "4712");

        Assert.Contains("1200   Unbilled revenue", await Done("ledger", "accounts"), StringComparison.Ordinal);
        var journal = (await Done("ledger", "journal", "--csv")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("entry,date,posted,event,what,customer,invoice,text,code,account,debit,credit,currency,line_text", journal[0]);
        string[][] rows = [.. journal[1..].Select(l => l.Split(','))];
        Assert.Equal(
            [
                "2026-01-05 money_credit_granted 4900 5.00 0.00", "2026-01-05 money_credit_granted 2000 0.00 5.00",
                "2026-01-31 revenue_recognized 1200 12.50 0.00", "2026-01-31 revenue_recognized 4000 0.00 5.00", "2026-01-31 revenue_recognized 4100 0.00 7.50",
                "2026-02-01 invoice_finalized 1100 13.93 0.00", "2026-02-01 invoice_finalized 2200 0.00 1.43", "2026-02-01 invoice_finalized 1200 0.00 12.50",
                "2026-02-01 credit_drawn 2000 5.00 0.00", "2026-02-01 credit_drawn 1100 0.00 5.00",
                "2026-02-10 payment_recorded 1000 8.93 0.00", "2026-02-10 payment_recorded 1100 0.00 8.93",
                "2026-02-12 credit_note_issued 4800 1.00 0.00", "2026-02-12 credit_note_issued 2200 0.19 0.00", "2026-02-12 credit_note_issued 1100 0.00 1.19",
                "2026-02-13 refund_recorded 1100 1.19 0.00", "2026-02-13 refund_recorded 1000 0.00 1.19",
            ], rows.Select(r => $"{r[1]} {r[4]} {r[8]} {r[10]} {r[11]}"));
        Assert.Contains("VAT 19 % (DE)", await Done("ledger", "journal", "--from", "2026-02-01", "--to", "2026-02-02", "--invoice", Invoice, "--account", "2200"), StringComparison.Ordinal);
        // A day is its first moment where a span begins and its close where one ends: exports of days that follow one another are all of it, once.
        async Task<string[]> Export(params string[] span) => (await Done(["ledger", "journal", "--csv", .. span])).Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..];
        foreach (var (last, next) in new[] { ("2026-01-31", "2026-02-01"), ("2026-02-01", "2026-02-02"), ("2026-02-12", "2026-02-13") })
        {
            var before = await Export("--to", last);
            Assert.Equal(journal[1..], before.Concat(await Export("--from", next)));
        }
        var first = await Export("--from", "2026-02-01", "--to", "2026-02-01");
        Assert.Equal(journal[1..].Where(l => l.Split(',')[1] == "2026-02-01"), first);
        Assert.Empty(await Export("--from", "2026-02-01", "--to", "2026-02-01T00:00:00Z"));

        foreach (var shown in DocumentedCommand.Of("ledger.md")) Assert.Equal(shown.Printed, DocumentedCommand.Lines(await Done(shown.Args)));
        var january = JsonDocument.Parse(await Done("ledger", "balance", "--as-of", "2026-01-31", "--json")).RootElement;
        Assert.Equal("12500000", january.GetProperty("balances").EnumerateArray().Single(b => b.GetProperty("account").GetProperty("code").GetString() == "1200").GetProperty("balanceMicros").GetString());
        Assert.Contains($"{Invoice},{Acme},USD,12.50,0.00,0.00,8.93", await Done("ledger", "as-of", "2026-02-01", "--csv"), StringComparison.Ordinal);
        Assert.Equal(
            ["2000 -5.00", "4900 5.00"], (await Done("ledger", "balance", "--customer", Acme, "--known", "2026-01-31", "--csv")).Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..].Select(l => l.Split(',')).Select(l => $"{l[1]} {l[5]}"));

        // The last day that there is has no close, and is what many programs write for "no end".
        Assert.Equal(await Done("ledger", "balance", "--csv"), await Done("ledger", "balance", "--as-of", "9999-12-31", "--csv"));
        Assert.Equal(journal[1..], await Export("--to", "9999-12-31"));
        Assert.Contains("9999-12-31", await Done("customer", "statement", Acme, "--to", "9999-12-31"), StringComparison.Ordinal);
        Assert.Contains("0001-01-01", await Done("customer", "statement", Acme, "--to", "0001-01-01T00:00:00Z"), StringComparison.Ordinal);

        var refused = await Task.WhenAll(running.BillingApart("ledger", "journal", "--account", "9999"), running.Billing("ledger", "journal", "--csv", "--json"), running.BillingApart("ledger", "as-of", "yesterday"));
        Assert.Equal([1, 2, 2], refused.Select(r => r.Exit));
        Assert.Contains("billing ledger accounts", refused[0].Error, StringComparison.Ordinal);
    }
}
