using System.CommandLine;
using System.Globalization;
using Cli.Demo;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Spectre.Console;
using HistoryPoint = Contracts.Billing.V1.HistoryPoint;
using Option = System.CommandLine.Option;

namespace Cli.Commands;

/// <summary>billing ledger: the books of finance, computed from the stored events. Tables for people, --csv for an accountant's program.</summary>
public static class LedgerCommand
{
    private static readonly (string Name, Func<LedgerAccount, object> Of)[] AccountColumns = [("code", a => a.Code), ("account", a => a.Name), ("kind", a => a.Kind), ("holds", a => a.Holds)];

    private static readonly (string Name, Func<AccountBalance, object> Of)[] BalanceColumns =
    [
        ("currency", b => b.Currency), ("code", b => b.Account.Code), ("account", b => b.Account.Name), ("debits", b => BillingCalls.Major(b.Currency, b.DebitMicros)),
        ("credits", b => BillingCalls.Major(b.Currency, b.CreditMicros)), ("balance", b => BillingCalls.Major(b.Currency, b.BalanceMicros)),
    ];

    private static readonly (string Name, Func<ContractPosition, object> Of)[] PositionColumns =
    [
        ("invoice", p => p.InvoiceId), ("customer", p => p.CustomerId), ("currency", p => p.Currency), ("earned", p => BillingCalls.Major(p.Currency, p.RecognizedMicros)),
        ("unbilled", p => BillingCalls.Major(p.Currency, p.UnbilledMicros)), ("deferred", p => BillingCalls.Major(p.Currency, p.DeferredMicros)), ("receivable", p => BillingCalls.Major(p.Currency, p.ReceivableMicros)),
    ];

    private static readonly string[] JournalHeader =
        ["entry", "date", "posted", "event", "what", "customer", "invoice", "text", "code", "account", "debit", "credit", "currency", "line_text"];

    public static Command Create() => new("ledger", "The books of finance: accounts, journal, trial balance, deferred and unbilled revenue") { Accounts(), Journal(), Balance(), AsOf() };

    private static Command Accounts() => Asking("accounts", "The chart of accounts", [], async (client, parsed, shape, ct) =>
        shape.Print(parsed, (await client.ListAccountsAsync(new(), cancellationToken: ct)).Accounts, AccountColumns));

    private static Command Journal()
    {
        var (from, to) = (BillingCalls.Time("--from", "entries that count for this time or later"), Day("--to", "and for this day or earlier (default up to now)"));
        var (account, invoice) = (UsageCommand.Text("--account", "only entries on this account, by code"), UsageCommand.Text("--invoice", "only of this invoice (inv_…)"));
        var (customer, currency, known) = (Customer(), Currency(), Known());
        return Asking("journal", "The entries of a span of time, by date; with --csv a row for each line", [from, to, account, customer, invoice, currency, known], async (client, parsed, shape, ct) =>
        {
            var request = new ListJournalEntriesRequest
            {
                From = parsed.GetValue(from), To = parsed.GetValue(to), Account = parsed.GetValue(account), CustomerId = parsed.GetValue(customer), InvoiceId = parsed.GetValue(invoice),
                Currency = parsed.GetValue(currency), Known = parsed.GetValue(known),
            };
            using var call = client.ListEntries(request, cancellationToken: ct);
            if (shape.IsJson(parsed))
            {
                await foreach (var entry in call.ResponseStream.ReadAllAsync(ct)) BillingCalls.Print(entry);
                return;
            }
            if (shape.IsCsv(parsed))
            {
                Csv.Write(Console.Out, JournalHeader, []);
                await foreach (var entry in call.ResponseStream.ReadAllAsync(ct))
                    foreach (var line in entry.Lines) Csv.WriteRow(Console.Out, Row(entry, line));
                return;
            }
            var table = InvoicePrinter.Table("date", "what", "text", "account", "debit", "credit", "");
            await foreach (var entry in call.ResponseStream.ReadAllAsync(ct)) Add(table, entry);
            CommandLine.Output.Write(table);
        });
    }

    private static Command Balance()
    {
        var asOf = Day("--as-of", "what counts for this day or earlier (default up to now)");
        var (customer, currency, known) = (Customer(), Currency(), Known());
        return Asking("balance", "The trial balance: what is on each account, and that debits are credits", [asOf, customer, currency, known], async (client, parsed, shape, ct) =>
            Print(parsed, shape, await client.GetTrialBalanceAsync(new() { AsOf = parsed.GetValue(asOf), CustomerId = parsed.GetValue(customer), Currency = parsed.GetValue(currency), Known = parsed.GetValue(known) }, cancellationToken: ct)));
    }

    private static Command AsOf()
    {
        var date = new Argument<Timestamp?>("DATE") { Description = $"what counts for this day or earlier; {DayForms}", CustomParser = result => ParseDay(result, "DATE") };
        var (customer, currency, known) = (Customer(), Currency(), Known());
        var command = Asking("as-of", "The trial balance of a date, and the invoices that explain its receivables, unbilled and deferred revenue; with --csv these", [customer, currency, known], async (client, parsed, shape, ct) =>
        {
            var request = new ListContractPositionsRequest { AsOf = parsed.GetValue(date), CustomerId = parsed.GetValue(customer), Currency = parsed.GetValue(currency), Known = parsed.GetValue(known) };
            if (!shape.IsCsv(parsed))
                Print(parsed, shape, await client.GetTrialBalanceAsync(new() { AsOf = request.AsOf, CustomerId = request.CustomerId, Currency = request.Currency, Known = request.Known }, cancellationToken: ct));
            using var call = client.ListPositions(request, cancellationToken: ct);
            shape.Print(parsed, await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct), PositionColumns);
        });
        command.Add(date);
        return command;
    }

    private static void Print(ParseResult parsed, OutputShape shape, TrialBalance balance)
    {
        if (shape.IsJson(parsed))
        {
            BillingCalls.Print(balance);
            return;
        }
        shape.Print(parsed, balance.Balances, BalanceColumns);
        if (shape.IsCsv(parsed)) return;
        foreach (var all in balance.Balances.GroupBy(b => Kernel.Currency.Parse(b.Currency)))
            Console.Out.WriteLine($"{all.Key}: debits {new Micros(all.Sum(b => b.DebitMicros)).ToMajorUnits(all.Key)}, credits {new Micros(all.Sum(b => b.CreditMicros)).ToMajorUnits(all.Key)}");
        if (balance.PeriodsToInvoice > 0)
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"periods that had begun and have no final invoice, so that nothing of them is in it: {balance.PeriodsToInvoice:N0} (billing invoice list --drafts)"));
    }

    private static void Add(Table table, JournalEntry entry)
    {
        foreach (var (line, i) in entry.Lines.Select((l, i) => (l, i)))
            table.AddRow(
                OutputShape.Cell(i == 0 ? BillingCalls.Day(entry.At) : ""), OutputShape.Cell(i == 0 ? entry.Kind : ""), OutputShape.Cell(line.Text.Length > 0 ? line.Text : i == 0 ? entry.Text : ""),
                OutputShape.Cell($"{line.Account.Code} {line.Account.Name}"), Amount(line.DebitMicros), Amount(line.CreditMicros), OutputShape.Cell(entry.Currency));

        Markup Amount(long micros) => OutputShape.Cell(micros == 0 ? "" : BillingCalls.Major(entry.Currency, micros));
    }

    private static object[] Row(JournalEntry entry, JournalLine line) =>
    [
        entry.EntryId, BillingCalls.Day(entry.At), BillingCalls.Day(entry.PostedAt), entry.Sequence, entry.Kind, entry.CustomerId, entry.InvoiceId, entry.Text, line.Account.Code, line.Account.Name,
        BillingCalls.Major(entry.Currency, line.DebitMicros), BillingCalls.Major(entry.Currency, line.CreditMicros), entry.Currency, line.Text,
    ];

    private static Option<string> Customer() => UsageCommand.Text("--customer", "only this customer (cus_…)");
    private static Option<string> Currency() => UsageCommand.Text("--currency", "only this currency, such as USD");
    private static Option<HistoryPoint?> Known() => AuditHistoryCommands.Point("--known", "as the books were known at this point");

    private const string DayForms = "2026-01-31 is the close of that day, 2026-01-31T12:00:00Z the moment before, UTC";

    internal static Option<Timestamp?> Day(string name, string description) => new(name) { HelpName = "DATE", Description = $"{description}; {DayForms}", CustomParser = result => ParseDay(result, name) };

    private static Timestamp? ParseDay(System.CommandLine.Parsing.ArgumentResult result, string name)
    {
        var text = result.Tokens[0].Value;
        // A day alone is meant to its close; the last day that there is has none, and is the "no end" of many an accountant's program.
        if (Inputs.TryTime(text, out var time))
            return (text.Contains('T', StringComparison.Ordinal) ? time : time.UtcDateTime.Date == DateTime.MaxValue.Date ? DateTimeOffset.MaxValue : time.AddDays(1)).ToTimestamp();
        result.AddError($"{name} {text} is not a day such as 2026-01-31, nor a time such as 2026-01-31T12:00:00Z");
        return null;
    }

    private static Command Asking(string name, string description, Option[] options, Func<Ledger.LedgerClient, ParseResult, OutputShape, CancellationToken, Task> ask)
    {
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command(name, description) { billing };
        foreach (var option in options) command.Add(option);
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            await ask(new(channel), parsed, shape, ct);
            return 0;
        }));
        return command;
    }
}
