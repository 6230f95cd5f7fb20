using System.Security.Cryptography;
using System.Text.Json;
using Billing.Customers;
using Billing.Host;
using Billing.Invoices;
using Billing.Periods;
using Billing.Subscriptions;

namespace Cli.Tests;

/// <summary>billing seller, account and invoice against a billing service that runs.</summary>
public sealed class InvoiceCommandTests
{
    private static readonly DateTimeOffset Jan1 = RunningBilling.Jan1;
    private static readonly string Menu = RunningBilling.Menu, Small = RunningBilling.Small;
    private static readonly string Acme = Ids.Derive(Ids.Customer, Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, Jan1, "acme");

    [Fact]
    public async Task An_invoice_is_taxed_finalized_printed_credited_and_paid_from_the_command_line()
    {
        await using var running = await RunningBilling.StartAsync("hand", RunningBilling.SmallAndLarge);
        var streams = running.Streams;
        Task<(int Exit, string Output, string Error)> Billing(params string[] args) => running.Billing(args);

        Assert.Equal(0, (await Billing("customer", "create", "--currency", "USD", "--id", Acme)).Exit);
        Assert.Equal(0, (await Billing("customer", "details", Acme, "--name", "Łódź Robotics", "--line", "Piotrkowska 1", "--city", "Łódź", "--country", "PL")).Exit);
        Assert.Equal(0, (await Billing("subscription", "start", "--customer", Acme, "--menu", Menu, "--plan", Small, "--id", Theirs)).Exit);
        Assert.Contains("billing seller tax-rate", (await Billing("account", "tax", Acme, "--jurisdiction", "DE", "--treatment", "standard", "--reason", "a test")).Error, StringComparison.Ordinal);
        Assert.Contains("2026-01-01 00:00:00 UTC, from now", (await Billing("seller", "tax-rate", "--jurisdiction", "DE", "--name", "VAT", "--percent", "19", "--reason", "a test")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await Billing("seller", "tax-rate", "--jurisdiction", "DE", "--name", "VAT", "--percent", "20", "--from", "2027-01-01", "--reason", "a test")).Exit);
        Assert.Matches(@"VAT +20 +2027-01-01 *\n", (await Billing("seller", "show")).Output);
        // In the order in which they count: of one day the later word is the last, whatever the hour.
        foreach (string[] said in new[] { ["21", "--from", "2026-01-02"], ["20", "--from", "2026-01-01T12:00:00Z"], new[] { "5" } })
            Assert.Equal(0, (await Billing(["seller", "tax-rate", "--jurisdiction", "FR", "--name", "TVA", "--percent", .. said, "--reason", "a test"])).Exit);
        Assert.Matches(@"TVA +20 +2026-01-01 12:00:00 *\n.*TVA +5 +2026-01-01 00:00:00 UTC, from now *\n.*TVA +21 +2026-01-02 *\n[^A-Z]*of those that have begun for a customer the last one counts\n", (await Billing("seller", "show")).Output);
        Assert.Equal(0, (await Billing("seller", "describe", "--name", "Tokenwerke GmbH", "--address", "Torstr. 1", "--address", "10119 Berlin", "--country", "DE", "--tax-id", "DE123456789", "--terms", "14", "--reason", "a test")).Exit);
        Assert.Contains("standard in DE", (await Billing("account", "tax", Acme, "--jurisdiction", "DE", "--treatment", "standard", "--reason", "a test")).Output, StringComparison.Ordinal);
        Assert.Contains("5.00 USD", (await Billing("account", "credit", Acme, "--name", "Welcome", "--amount", "5.00", "--reason", "a test")).Output, StringComparison.Ordinal);
        // One that was meant for somebody else is taken back, and the invoice does not use it.
        var wrong = Ids.Derive("crd", Jan1, "wrong");
        Assert.Equal(0, (await Billing("account", "credit", Acme, "--name", "Goodwill", "--amount", "5000.00", "--priority", "-1", "--id", wrong, "--reason", "a test")).Exit);
        Assert.Matches(@"Goodwill.*until ", (await Billing("account", "end", Acme, "--agreement", wrong, "--reason", "a test")).Output);

        // The month ends without usage having to answer.
        var period = PeriodIds.Of(Theirs, 0, Jan1);
        var details = ((CustomerState.Known)await streams.Load<CustomerState, CustomerEvent>(Acme, CustomerState.Initial, CustomerState.Evolve, default)).DetailsSha256;
        await streams.Transact<PeriodState, PeriodEvent>(
            period, PeriodState.Initial, PeriodState.Evolve, s => s is PeriodState.Closed ? Decision.NoChange : Decision.Accept<PeriodEvent>(new PeriodClosed([], Jan1.AddMonths(1), details)), default);
        var invoice = InvoiceIds.Of(period);
        await Eventually.True(
            async () => (await Billing("invoice", "list", "--drafts", "--json")).Output.Split('\n').Any(l => l.Contains(period, StringComparison.Ordinal) && l.Contains(invoice, StringComparison.Ordinal) && l.Contains("\"periodStatus\": \"closed\"", StringComparison.Ordinal)),
            "the draft of the closed period is listed with the ids to act on it");
        // However the lines are broken.
        Assert.Contains($"billinginvoicefinalize{period}", string.Concat((await Billing("invoice", "show", period)).Output.Where(c => !char.IsWhiteSpace(c))), StringComparison.Ordinal);
        Assert.Contains("5.95", (await Billing("invoice", "finalize", period)).Output, StringComparison.Ordinal);

        var folder = Directory.CreateTempSubdirectory("invoice-");
        var (html, pdf, ubl, german) = (Path.Combine(folder.FullName, "i.html"), Path.Combine(folder.FullName, "i.pdf"), Path.Combine(folder.FullName, "i.xml"), Path.Combine(folder.FullName, "de.html"));
        var shown = await Task.WhenAll(
            Billing("invoice", "show", invoice), Billing("invoice", "show", invoice, "--html", html, "--pdf", pdf), running.BillingApart("invoice", "show", invoice, "--json"),
            Billing("invoice", "show", InvoiceIds.Of(PeriodIds.Of(Theirs, 9, Jan1))), Billing("invoice", "pay", invoice, "--amount", "five", "--provider", "bank", "--reference", "1"),
            Billing("invoice", "show", invoice, "--ubl", ubl, "--html", german, "--language", "de"), Billing("invoice", "show", invoice, "--html", german, "--language", "xx"));
        Assert.Equal([0, 0, 0, 1, 2, 0, 1], shown.Select(s => s.Exit));
        var hash = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(shown[2].Output)));
        Assert.Contains(hash, await File.ReadAllTextAsync(html), StringComparison.Ordinal);
        Assert.Contains("Tokenwerke GmbH", await File.ReadAllTextAsync(html), StringComparison.Ordinal);
        Assert.StartsWith("%PDF", await File.ReadAllTextAsync(pdf), StringComparison.Ordinal);
        Assert.Contains("<cbc:ID>INV-000001</cbc:ID>", await File.ReadAllTextAsync(ubl), StringComparison.Ordinal);
        Assert.Contains("Rechnungsdatum", await File.ReadAllTextAsync(german), StringComparison.Ordinal);
        Assert.Contains("en, de", shown[6].Error, StringComparison.Ordinal);
        Assert.Contains("billing invoice list", shown[3].Error, StringComparison.Ordinal);

        var note = JsonDocument.Parse((await Billing("invoice", "credit", invoice, "--amount", "1.19", "--reason", "outage", "--json")).Output).RootElement.GetProperty("creditNoteId").GetString()!;
        Assert.Contains("CN-000001", (await Billing("invoice", "credit-note", note)).Output, StringComparison.Ordinal);
        Assert.Contains("use: billing invoice credit", (await Billing("invoice", "void", invoice, "--reason", "x")).Error, StringComparison.Ordinal);
        var paid = await Billing("invoice", "pay", invoice, "--amount", "4.76", "--provider", "bank", "--reference", "1", "--paid-at", "2025-12-30", "--json");
        Assert.Equal("paid", JsonDocument.Parse(paid.Output).RootElement.GetProperty("status").GetString());
        Assert.Contains("INV-000001", (await Billing("invoice", "list", "--status", "paid")).Output, StringComparison.Ordinal);
        var refunded = await Billing("invoice", "refund", invoice, "--amount", "0.76", "--provider", "bank", "--reference", "back 1", "--refunded-at", "2025-12-31T12:00:00Z", "--json");
        Assert.Equal("760000", JsonDocument.Parse(refunded.Output).RootElement.GetProperty("outstandingMicros").GetString());
        // On the days on which the money moved, not on that of the typing.
        Assert.Matches("2025-12-30 .*INV-000001(.*\n)*.*2025-12-31 .*INV-000001", (await Billing("customer", "statement", Acme)).Output);
        Assert.Contains("has not come yet", (await Billing("invoice", "pay", invoice, "--amount", "0.76", "--provider", "bank", "--reference", "2", "--paid-at", "2026-01-02")).Error, StringComparison.Ordinal);
        Assert.Contains("--paid-at", (await Billing("invoice", "pay", invoice, "--amount", "0.76", "--provider", "bank", "--reference", "2", "--paid-at", "yesterday")).Error, StringComparison.Ordinal);

        var february = PeriodIds.Of(Theirs, 1, Jan1.AddMonths(1));
        await streams.Transact<PeriodState, PeriodEvent>(february, PeriodState.Initial, PeriodState.Evolve, _ => Decision.Accept<PeriodEvent>(new PeriodClosed([], Jan1.AddMonths(2))), default);
        Assert.Equal(0, (await Billing("invoice", "finalize", february)).Exit);
        Assert.Contains("void", (await Billing("invoice", "void", InvoiceIds.Of(february), "--reason", "wrong customer")).Output, StringComparison.Ordinal);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task What_is_parked_is_listed_and_taken_again_and_a_shard_is_resumed_from_the_command_line()
    {
        await using var running = await RunningBilling.StartAsync();
        Task<(int Exit, string Output, string Error)> Billing(params string[] args) => running.Billing(args);
        var parked = running.Get<ParkedMessages>();
        var menu = ParkedMessages.Of(new Contracts.Messages.MenuPublished(Menu, "Spring", "USD", 20, [new(Small, "Small", 10_000_000, [], [])], [], Jan1));
        await parked.Park(menu, new("failed", "the books were jammed"), default);
        await parked.Park(new("MenuPublished/garbled", "{}"), new("failed", "nobody knows"), default);

        Assert.Contains("the books were jammed", (await Billing("parked", "list", "--json")).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await Billing("parked", "replay", "--reason", "a test")).Exit);
        var replayed = await Billing("parked", "replay", "--all", "--json", "--reason", "mended");
        Assert.NotEqual(0, replayed.Exit);
        Assert.Equal([true, false], replayed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).OrderByDescending(r => r.GetProperty("taken").GetBoolean()).Select(r => r.GetProperty("taken").GetBoolean()));
        Assert.Contains("billing parked list", (await Billing("parked", "replay", menu.Id, "--reason", "a test")).Error, StringComparison.Ordinal);
        Assert.Contains("billing shard list", (await Billing("shard", "resume", "5", "--reason", "a test")).Error, StringComparison.Ordinal);
        Assert.Equal(0, (await Billing("shard", "list")).Exit);

        await parked.Park(new("billing-usage-recorded/stranger", "{}"), new("type_unknown", "it is a stranger's"), default);
        Assert.Contains("billing parked replay", (await Billing("parked", "set-aside", "MenuPublished/garbled", "--reason", "a test")).Error, StringComparison.Ordinal);
        var aside = await Billing("parked", "set-aside", "billing-usage-recorded/stranger", "--reason", "not ours", "--json");
        Assert.Equal((0, "{\"message\":\"billing-usage-recorded/stranger\",\"setAside\":true}\n"), (aside.Exit, aside.Output));
        Assert.DoesNotContain("stranger", (await Billing("parked", "list", "--json")).Output, StringComparison.Ordinal);
        Assert.Contains("stranger", (await Billing("parked", "list", "--set-aside", "--json")).Output, StringComparison.Ordinal);
    }
}
