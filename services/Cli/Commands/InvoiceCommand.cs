using System.CommandLine;
using System.Globalization;
using Contracts.Billing.V1;
using Timestamp = Google.Protobuf.WellKnownTypes.Timestamp;

namespace Cli.Commands;

/// <summary>billing invoice: look at invoices, print them, and settle them. Tables for people, --json for programs.</summary>
public static class InvoiceCommand
{
    public static Command Create() => new("invoice", "Look at invoices, print them, and settle them")
    {
        InvoiceListCommand.Create(Columns), Show(), Finalize(), Void(), WriteOff(), Credit(), CreditNote(), Pay(), Refund(),
    };

    private static readonly (string Name, Func<InvoiceStanding, object> Of)[] Columns =
    [
        ("number", i => i.Number), ("invoice", i => i.InvoiceId), ("status", i => i.Status), ("finalized", i => BillingCalls.Day(i.FinalizedAt)), ("due", i => i.LastDay),
        ("currency", i => i.Currency), ("total", i => BillingCalls.Major(i.Currency, i.TotalMicros)), ("credited", i => BillingCalls.Major(i.Currency, i.CreditedMicros)), ("paid", i => BillingCalls.Major(i.Currency, i.PaidMicros)), ("left", i => BillingCalls.Major(i.Currency, i.OutstandingMicros)),
    ];

    private static Command Show() => Document("show", "An invoice, or the live draft of one, as a table or a document", "INVOICE", "inv_…, or the per_… it is for", id => new() { InvoiceId = id }, async (channel, id, ct) =>
    {
        var invoice = await new Contracts.Billing.V1.Billing.BillingClient(channel).GetInvoiceAsync(new() { InvoiceId = id }, cancellationToken: ct);
        Demo.InvoicePrinter.Print(CommandLine.Output, invoice);
    });

    private static Command CreditNote() => Document("credit-note", "A credit note as a table or a document", "CREDIT-NOTE", "cn_…", id => new() { CreditNoteId = id }, async (channel, id, ct) =>
        Print(await new Invoicing.InvoicingClient(channel).GetCreditNoteAsync(new() { CreditNoteId = id }, cancellationToken: ct)));

    private static Command Document(
        string name, string description, string argument, string form, Func<string, GetInvoiceDocumentRequest> requested, Func<Grpc.Core.CallInvoker, string, CancellationToken, Task> print)
    {
        var id = new Argument<string>(argument) { Description = form };
        var html = new Option<string?>("--html") { HelpName = "FILE", Description = "write it as a web page that prints" };
        var pdf = new Option<string?>("--pdf") { HelpName = "FILE", Description = "write it as PDF" };
        var ubl = new Option<string?>("--ubl") { HelpName = "FILE", Description = "write it as an e-invoice: UBL 2.1 by EN 16931" };
        var language = UsageCommand.Text("--language", "of the page, the PDF or the e-invoice: en (default) or de");
        var json = new Option<bool>("--json") { Description = "print the canonical JSON, byte for byte: sha256sum of it is the hash that documents show" };
        var billing = ServiceAddress.Billing();
        var command = new Command(name, description) { id, html, pdf, ubl, language, json, billing };
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var client = new Invoicing.InvoicingClient(channel);
            var named = parsed.GetValue(id)!;
            // A period has one invoice, and whoever looks at a subscription knows the period.
            if (named.StartsWith("per_", StringComparison.Ordinal))
                named = (await new Contracts.Billing.V1.Billing.BillingClient(channel).GetInvoiceAsync(new() { PeriodId = named }, cancellationToken: ct)).InvoiceId;
            async Task<DocumentFile> Get(DocumentForm as_)
            {
                var request = requested(named);
                request.Form = as_;
                request.Language = parsed.GetValue(language)!;
                return await client.GetInvoiceDocumentAsync(request, cancellationToken: ct);
            }
            foreach (var (path, as_) in new[] { (parsed.GetValue(html), DocumentForm.Html), (parsed.GetValue(pdf), DocumentForm.Pdf), (parsed.GetValue(ubl), DocumentForm.Ubl) })
            {
                if (path is null) continue;
                var file = await Get(as_);
                await File.WriteAllBytesAsync(path, file.Content.ToByteArray(), ct);
                await Console.Error.WriteLineAsync($"billing: {file.FileName} is written to {path}");
            }
            if (parsed.GetValue(json))
            {
                await using var output = Console.OpenStandardOutput();
                await output.WriteAsync((await Get(DocumentForm.Json)).Content.Memory, ct);
            }
            else if (parsed.GetValue(html) is null && parsed.GetValue(pdf) is null && parsed.GetValue(ubl) is null) await print(channel, named, ct);
            return 0;
        }));
        return command;
    }

    private static Command Finalize()
    {
        var period = new Argument<string>("PERIOD") { Description = "per_…: a closed period whose invoice is a draft; billing invoice list --drafts shows them" };
        return Changing("finalize", "Make the invoice of a closed period final now", [period], [], (client, parsed, ct) =>
            client.FinalizeInvoiceAsync(new() { PeriodId = parsed.GetValue(period)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Void()
    {
        var (invoice, reason) = (Invoice(), UsageCommand.Text("--reason", "why; an auditor reads it", required: true));
        return Changing("void", "Take back an invoice that nobody has paid or been credited for", [invoice], [reason], (client, parsed, ct) =>
            client.VoidInvoiceAsync(new() { InvoiceId = parsed.GetValue(invoice)!, Reason = parsed.GetValue(reason)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command WriteOff()
    {
        var (invoice, reason) = (Invoice(), UsageCommand.Text("--reason", "why; an auditor reads it", required: true));
        return Changing("write-off", "Give up what is left to pay; what comes in after all is taken back from the loss", [invoice], [reason], (client, parsed, ct) =>
            client.WriteOffInvoiceAsync(new() { InvoiceId = parsed.GetValue(invoice)!, Reason = parsed.GetValue(reason)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Credit()
    {
        var (invoice, amount) = (Invoice(), BillingCalls.Amount("--amount", "tax included, such as 12.50; absent is all that is left"));
        var (reason, id) = (UsageCommand.Text("--reason", "why; it is printed on the note", required: true), UsageCommand.Text("--id", "cn_…, so that a repeat is the same note"));
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("credit", "Give back all or a part of an invoice, with a credit note") { invoice, amount, reason, id, billing, json };
        var by = new ByOptions();
        by.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var note = await new Invoicing.InvoicingClient(channel).IssueCreditNoteAsync(
                new() { InvoiceId = parsed.GetValue(invoice)!, CreditNoteId = parsed.GetValue(id)!, AmountMicros = parsed.GetValue(amount) ?? 0, Reason = parsed.GetValue(reason)! }, cancellationToken: ct);
            if (parsed.GetValue(json)) BillingCalls.Print(note);
            else Print(note);
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static Command Pay() => Moved("pay", "Record a payment that a provider reports", BillingCalls.Time("--paid-at", "when the money came in, which statements and the ledger go by (default now)"), (client, r, ct) => client.RecordPaymentAsync(
        new() { InvoiceId = r.Invoice, Provider = r.Provider, Reference = r.Reference, AmountMicros = r.Micros, Currency = r.Currency, PaidAt = r.At }, cancellationToken: ct).ResponseAsync);

    private static Command Refund() => Moved("refund", "Record a refund that a provider reports", BillingCalls.Time("--refunded-at", "when the money went back, which statements and the ledger go by (default now)"), (client, r, ct) => client.RecordRefundAsync(
        new() { InvoiceId = r.Invoice, Provider = r.Provider, Reference = r.Reference, AmountMicros = r.Micros, Currency = r.Currency, RefundedAt = r.At }, cancellationToken: ct).ResponseAsync);

    /// <param name="At">by the provider; null is now</param>
    private sealed record Movement(string Invoice, string Provider, string Reference, long Micros, string Currency, Timestamp? At);

    private static Command Moved(string name, string description, Option<Timestamp?> at, Func<Invoicing.InvoicingClient, Movement, CancellationToken, Task<InvoiceStanding>> record)
    {
        var (invoice, amount) = (Invoice(), BillingCalls.Amount("--amount", "such as 12.50", required: true));
        var provider = UsageCommand.Text("--provider", "who moved the money, such as stripe or bank", required: true);
        var reference = UsageCommand.Text("--reference", "the provider's own id of it: the same one again is the same payment", required: true);
        var currency = UsageCommand.Text("--currency", "ISO 4217; the invoice's if absent");
        return Changing(name, description, [invoice], [amount, provider, reference, currency, at], async (client, parsed, ct) =>
        {
            var money = parsed.GetValue(currency) is { Length: > 0 } given
                ? given
                : (await client.GetInvoiceStandingAsync(new() { InvoiceId = parsed.GetValue(invoice)! }, cancellationToken: ct)).Currency;
            return await record(client, new(parsed.GetValue(invoice)!, parsed.GetValue(provider)!, parsed.GetValue(reference)!, parsed.GetValue(amount)!.Value, money, parsed.GetValue(at)), ct);
        });
    }

    private static Command Changing(
        string name, string description, Argument[] arguments, Option[] options, Func<Invoicing.InvoicingClient, ParseResult, CancellationToken, Task<InvoiceStanding>> change)
    {
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command(name, description) { billing };
        foreach (var argument in arguments) command.Add(argument);
        foreach (var option in options) command.Add(option);
        shape.AddTo(command);
        var by = new ByOptions();
        by.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            shape.Print(parsed, [await change(new(channel), parsed, ct)], Columns);
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static Argument<string> Invoice() => new("INVOICE") { Description = "inv_…; see billing invoice list" };

    private static void Print(CreditNote note)
    {
        var currency = Kernel.Currency.Parse(note.Currency);
        string Of(long micros) => new Micros(micros).ToMajorUnits(currency);
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{note.Number} ({note.CreditNoteId}) credits {Of(note.TotalMicros)} {note.Currency} of {note.InvoiceId}: {Of(note.NetMicros)} and {Of(note.TaxMicros)} tax"));
        Console.Out.WriteLine($"reason: {note.Reason}");
        Console.Out.WriteLine($"print it with: billing invoice credit-note {note.CreditNoteId} --pdf {note.Number}.pdf");
    }
}
