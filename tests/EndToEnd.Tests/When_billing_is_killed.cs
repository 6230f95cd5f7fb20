using Cli.Audits;
using Contracts.Billing.V1;
using Grpc.Core;
using Hosting;

namespace EndToEnd.Tests;

public sealed class When_billing_is_killed
{
    private const int Seed = 20260201;
    private static readonly DateTimeOffset Feb1 = Company.Jan1.AddMonths(1);

    [Fact]
    public async Task B2_B3_every_token_is_invoiced_once_and_every_invoice_replays()
    {
        // Few periods a transaction, so that a kill finds the month half closed.
        await using var company = await Company.OpenAsync([Company.Billing], ("Billing:PeriodBatchMax", "2"), ("Usage:ReportIntervalMs", "20"));
        await company.PublishMenuAsync();
        var subscriptions = await company.SubscribeAsync(24);
        var load = new Load(company, subscriptions, conversationsEach: 20, Seed);
        var random = new Random(Seed);

        var serving = load.ServeAsync();
        for (var kill = 0; kill < 2; kill++)
        {
            await load.ReachesAsync((kill + random.NextDouble()) / 3, serving);
            await company.KillAndRestartAsync(Company.Billing);
        }
        await serving;

        // The month ends, and billing is killed twice while it closes: once some invoices are out, and not yet all.
        var closing = company.AdvanceAsync(Feb1.AddHours(2));
        foreach (var share in new[] { 0.2, 0.6 })
        {
            await Eventually.True(async () => (await company.FinalInvoicesAsync()).Count >= share * subscriptions.Count, $"{share:P0} of the invoices are out", TimeSpan.FromMinutes(2));
            await company.KillAndRestartAsync(Company.Billing);
        }
        await closing;
        await Eventually.True(async () => (await company.FinalInvoicesAsync()).Count >= subscriptions.Count, "every period is invoiced", TimeSpan.FromMinutes(2));

        var invoices = await company.FinalInvoicesAsync();
        Assert.Equal(subscriptions.Select(s => s.CurrentPeriod.PeriodId).Order(), invoices.Select(i => i.Period.PeriodId).Order());
        Assert.Equal(Enumerable.Range(1, subscriptions.Count).Select(n => $"INV-{n:000000}"), invoices.Select(i => i.Number));

        var books = await Books.ReadAsync(company.Deployment.Ledger);
        Assert.Equal(load.Acknowledged.Values.Sum(), books.Rows.Sum(r => r.Tokens.Output));
        Assert.Equal(
            books.Rows.GroupBy(r => r.SubscriptionId).ToDictionary(g => g.Key, g => g.Sum(r => r.Tokens.Input + r.Tokens.Output)).OrderBy(s => s.Key, StringComparer.Ordinal),
            invoices.ToDictionary(i => i.SubscriptionId, i => i.Lines.Sum(l => l.Tokens)).OrderBy(s => s.Key, StringComparer.Ordinal));

        var replayed = await AuditCalls.ReplayAsync(company.Deployment.Audit, "", CancellationToken.None);
        Assert.Equal(invoices.Count, replayed.Count);
        Assert.All(replayed, r => Assert.True(r.Identical, r.Difference));
        await Eventually.True(async () => (await SealsAsync(company)).Sum(s => s.EventCount) > 0, "events are sealed");
        Assert.All(await SealsAsync(company), s => Assert.True(s.Intact, s.Finding));
    }

    [Fact]
    public async Task B2_credit_notes_are_issued_once_each_and_numbered_without_a_gap()
    {
        const int notesEach = 6;
        await using var company = await Company.OpenAsync([Company.Billing]);
        await company.PublishMenuAsync();
        var subscriptions = await company.SubscribeAsync(12);
        await company.AdvanceAsync(Feb1.AddHours(2));
        var invoices = await Eventually.Some(
            async () => await company.FinalInvoicesAsync() is { } found && found.Count == subscriptions.Count ? found : null, "every period is invoiced", TimeSpan.FromMinutes(2));
        using var channel = OutgoingCalls.Open(company.Address(Company.Billing), key: null, authority: null, messageBytesMax: 64 << 20);
        var invoicing = new Invoicing.InvoicingClient(channel);

        // A cent at a time, many at once, each asked for until it is answered: by the answer of the first time, where only the answer was lost.
        var issuing = Task.WhenAll(invoices.SelectMany(invoice => Enumerable.Range(1, notesEach).Select(n => new IssueCreditNoteRequest
        {
            InvoiceId = invoice.InvoiceId, CreditNoteId = Ids.Derive("cn", Company.Jan1, invoice.InvoiceId, $"{n}"), AmountMicros = Currency.Parse(invoice.Currency).MinorUnit.Value, Reason = $"outage {n}",
        })).Select(async request =>
            (await Eventually.Some<CreditNote>(async () => await invoicing.IssueCreditNoteAsync(request, new Metadata { { "actor", "ada" } }), $"{request.CreditNoteId} is issued", TimeSpan.FromMinutes(2))).Number));
        foreach (var share in new[] { 0.2, 0.6 })
        {
            await Eventually.True(async () => (await NotesAsync()).Count >= share * notesEach * invoices.Count, $"{share:P0} of the credit notes are out", TimeSpan.FromMinutes(2));
            await company.KillAndRestartAsync(Company.Billing);
        }

        string[] expected = [.. Enumerable.Range(1, notesEach * invoices.Count).Select(n => $"CN-{n:000000}")];
        Assert.Equal(expected, (await issuing).Order());
        var stored = await Task.WhenAll((await NotesAsync()).Select(id => invoicing.GetCreditNoteAsync(new() { CreditNoteId = id }).ResponseAsync));
        Assert.Equal(expected, stored.Select(n => n.Number).Order());
        var replayed = await AuditCalls.ReplayAsync(company.Deployment.Audit, "", CancellationToken.None);
        Assert.Equal(expected.Length, replayed.Sum(r => r.CreditNoteCount));
        Assert.All(replayed, r => Assert.True(r.Identical, r.Difference));

        async Task<List<string>> NotesAsync() => [.. (await invoicing.ListInvoiceStandingsAsync(new() { PageSize = 1_000 })).Invoices.SelectMany(i => i.CreditNoteIds)];
    }

    private static Task<IReadOnlyList<SealFinding>> SealsAsync(Company company) => AuditCalls.VerifySealsAsync(company.Deployment.Audit, CancellationToken.None);
}
