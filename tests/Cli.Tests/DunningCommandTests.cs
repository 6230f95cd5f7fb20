using System.Text.Json;
using Billing.Host;
using Billing.Invoices;
using Billing.Periods;
using Billing.Subscriptions;
using Hosting;

namespace Cli.Tests;

/// <summary>billing dunning and billing customer statement against a billing service that runs: the examples of docs/dunning.md and docs/statements.md. Acme has a plan for 10.00 a month, and 19 % tax.</summary>
public sealed class DunningCommandTests
{
    private static readonly DateTimeOffset Jan1 = RunningBilling.Jan1, Noon = Jan1.AddHours(12);
    private static readonly string Acme = Ids.Derive(Ids.Customer, Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, Jan1, "acme");

    private static string Period(int number) => PeriodIds.Of(Theirs, number, Jan1.AddMonths(number));

    [Fact]
    public async Task A_bookkeeper_follows_a_late_invoice_from_the_command_line()
    {
        await using var running = await Started();
        foreach (var shown in DocumentedCommand.Of("dunning.md"))
        {
            if (shown.Day is { } day) await Until(running, day.AddHours(13));
            Assert.Equal(shown.Printed, DocumentedCommand.Lines(await Done(running, shown.Args)));
            if (shown.Args is ["dunning", "schedule", ..]) await Invoiced(running, 0);
        }
        var listed = JsonDocument.Parse(await Done(running, "dunning", "list", "--json")).RootElement;
        Assert.Equal(("uncollectible", "exhausted"), (listed.GetProperty("status").GetString(), listed.GetProperty("dunning").GetProperty("state").GetString()));
        Assert.Contains("4850,Bad debt,11.90,5.00,6.90", await Done(running, "ledger", "balance", "--csv"), StringComparison.Ordinal);

        var invoice = InvoiceIds.Of(Period(0));
        var refused = await Task.WhenAll(
            running.Billing("dunning", "hold", invoice, "--reason", "late"), running.Billing("dunning", "schedule", "--steps", "3,1", "--final-day", "21", "--reason", "late"), running.Billing("dunning", "schedule", "--steps", "1", "--reason", "late"),
            running.Billing("dunning", "schedule", "--steps", "soon", "--final-day", "21"), running.Billing("invoice", "void", invoice, "--reason", "late"));
        Assert.Equal([1, 1, 1, 2, 1], refused.Select(r => r.Exit));
        Assert.Contains("billing dunning list", refused[0].Error, StringComparison.Ordinal);
        Assert.Contains("billing dunning schedule --steps 1,3,7,14", refused[1].Error, StringComparison.Ordinal);
        Assert.Contains("--final-day", refused[2].Error, StringComparison.Ordinal);
        Assert.Contains("billing invoice credit", refused[4].Error, StringComparison.Ordinal);
        Assert.Contains("nobody is asked again", await Done(running, "dunning", "schedule", "--off", "--reason", "a test"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_final_action_did_not_do_is_listed_though_the_cancellation_that_stood_in_its_way_is_withdrawn()
    {
        await using var running = await Started();
        await Done(running, "dunning", "schedule", "--steps", "1", "--final-day", "3", "--final", "pause_subscription", "--reason", "a test");
        await Invoiced(running, 0);
        await Done(running, "subscription", "cancel", Theirs);
        await Until(running, Jan1.AddMonths(1).AddDays(20));
        Assert.Contains("exhausted,1 of 1,,,11.90,USD,not done: cancellation_scheduled", await Done(running, "dunning", "list", "--csv"), StringComparison.Ordinal);
        await Done(running, "subscription", "keep", Theirs);
        Assert.Contains("not done: cancellation_scheduled", await Done(running, "dunning", "list", "--state", "exhausted", "--csv"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_customers_statement_is_read_from_the_command_line()
    {
        await using var running = await Started();
        await Invoiced(running, 0);
        var (january, february) = (InvoiceIds.Of(Period(0)), InvoiceIds.Of(Period(1)));
        running.Get<BusinessClock>().MoveTo(Noon.AddDays(40));
        await Done(running, "invoice", "pay", january, "--amount", "5.00", "--provider", "bank", "--reference", "4711");
        running.Get<BusinessClock>().MoveTo(Noon.AddDays(42));
        await Done(running, "invoice", "credit", january, "--amount", "1.19", "--reason", "outage");
        await Invoiced(running, 1);
        running.Get<BusinessClock>().MoveTo(Noon.AddDays(78));
        await Done(running, "invoice", "pay", february, "--amount", "6.00", "--provider", "bank", "--reference", "4712");
        running.Get<BusinessClock>().MoveTo(Noon.AddDays(99));
        await Done(running, "invoice", "write-off", january, "--reason", "insolvent");
        foreach (var shown in DocumentedCommand.Of("statements.md")) Assert.Equal(shown.Printed, DocumentedCommand.Lines(await Done(running, shown.Args)));

        var statement = JsonDocument.Parse(await Done(running, "customer", "statement", Acme, "--json")).RootElement.GetProperty("currencies")[0];
        Assert.Equal(("5900000", 6), (statement.GetProperty("closingMicros").GetString(), statement.GetProperty("lines").GetArrayLength()));
        Assert.Contains("never invoiced", await Done(running, "customer", "statement", Acme, "--known", "2026-01-31"), StringComparison.Ordinal);
        var refused = await running.BillingApart("customer", "statement", Ids.Derive(Ids.Customer, Jan1, "nobody"));
        Assert.Equal(1, refused.Exit);
        Assert.Contains("billing customer list", refused.Error, StringComparison.Ordinal);
    }

    private static async Task<RunningBilling> Started()
    {
        var running = await RunningBilling.StartAsync("hand", RunningBilling.SmallAndLarge);
        await Done(running, "customer", "create", "--currency", "USD", "--id", Acme);
        await Done(running, "seller", "describe", "--name", "Tokenwerke GmbH", "--address", "Torstr. 1", "--address", "10119 Berlin", "--terms", "14", "--reason", "a test");
        await Done(running, "seller", "tax-rate", "--jurisdiction", "DE", "--name", "VAT", "--percent", "19", "--reason", "a test");
        await Done(running, "account", "tax", Acme, "--jurisdiction", "DE", "--treatment", "standard", "--reason", "a test");
        await Done(running, "subscription", "start", "--customer", Acme, "--menu", RunningBilling.Menu, "--plan", RunningBilling.Small, "--id", Theirs);
        return running;
    }

    /// <summary>A month ends, without usage having to answer, and is invoiced at noon of the next first.</summary>
    private static async Task Invoiced(RunningBilling running, int number)
    {
        var end = Jan1.AddMonths(number + 1);
        await running.Streams.Transact<PeriodState, PeriodEvent>(
            Period(number), PeriodState.Initial, PeriodState.Evolve, s => s is PeriodState.Closed ? Decision.NoChange : Decision.Accept<PeriodEvent>(new PeriodClosed([], end)), default);
        running.Get<BusinessClock>().MoveTo(end.AddHours(12));
        await Done(running, "invoice", "finalize", Period(number));
    }

    /// <summary>Of all that is due then, what no usage has to answer for.</summary>
    private static async Task Until(RunningBilling running, DateTimeOffset at)
    {
        var clock = running.Get<BusinessClock>();
        while (clock.Now < at)
        {
            // It looks at least once a day, as one that runs does.
            clock.MoveTo(at < clock.Now.AddDays(1) ? at : clock.Now.AddDays(1));
            foreach (var work in running.Get<IEnumerable<IDueWork>>().Where(w => w is OverdueInvoices or DunningDue)) await work.RunAsync(clock.Now, default);
        }
    }

    private static async Task<string> Done(RunningBilling running, params string[] args)
    {
        var (exit, output, error) = await running.Billing(args);
        Assert.True(exit == 0, error);
        return output;
    }
}
