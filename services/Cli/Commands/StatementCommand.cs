using System.CommandLine;
using Cli.Demo;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>billing customer statement: what a customer owed, what changed it, what it owes and for how long.</summary>
internal static class StatementCommand
{
    private static readonly string[] Header = ["currency", "date", "what", "invoice", "text", "amount", "balance"];

    public static Command Create()
    {
        var customer = new Argument<string>("customer") { Description = "cus_…" };
        var (from, to) = (BillingCalls.Time("--from", "what counts for this time or later"), LedgerCommand.Day("--to", "and for this day or earlier (default up to now)"));
        var known = AuditHistoryCommands.Point("--known", "as the books were known at this point");
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command("statement", "What a customer owed, what changed it, and what it owes, by age") { customer, from, to, known, billing };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var statement = await new Statements.StatementsClient(channel).GetStatementAsync(
                new() { CustomerId = parsed.GetValue(customer)!, From = parsed.GetValue(from), To = parsed.GetValue(to), Known = parsed.GetValue(known) }, cancellationToken: ct);
            if (shape.IsJson(parsed)) BillingCalls.Print(statement);
            else if (shape.IsCsv(parsed)) Csv.Write(Console.Out, Header, statement.Currencies.SelectMany(c => Rows(statement, c).Select(r => r.Prepend(c.Currency).ToArray())));
            else Print(statement);
            return 0;
        }));
        return command;
    }

    private static void Print(Statement statement)
    {
        if (statement.Currencies.Count == 0) Console.Out.WriteLine($"{statement.CustomerId} was never invoiced; billing invoice list --drafts shows what is to come");
        foreach (var c in statement.Currencies)
        {
            var table = InvoicePrinter.Table([.. Header[1..], ""]);
            foreach (var row in Rows(statement, c)) table.AddRow(row.Append(c.Currency).Select(OutputShape.Cell));
            CommandLine.Output.Write(table);
            var ages = InvoicePrinter.Table("not due", "1-30 days late", "31-60", "61-90", "over 90", "");
            var a = c.Ageing;
            ages.AddRow(new[] { a.CurrentMicros, a.To30DaysMicros, a.To60DaysMicros, a.To90DaysMicros, a.Over90DaysMicros }.Select(m => (object)BillingCalls.Major(c.Currency, m)).Append(c.Currency).Select(OutputShape.Cell));
            CommandLine.Output.Write(ages);
        }
    }

    /// <summary>Opening balance, lines and closing balance, without the currency.</summary>
    private static IEnumerable<object[]> Rows(Statement statement, CurrencyStatement c)
    {
        decimal Major(long micros) => BillingCalls.Major(c.Currency, micros);
        yield return [BillingCalls.Day(statement.From), "opening", "", "", "", Major(c.OpeningMicros)];
        foreach (var l in c.Lines) yield return [BillingCalls.Day(l.At), l.Kind, l.Number, l.Text, Major(l.AmountMicros), Major(l.BalanceMicros)];
        // The moment before the end, which a day alone is meant to the close of.
        var end = statement.To.ToDateTimeOffset();
        yield return [BillingCalls.Day((end > DateTimeOffset.MinValue ? end.AddTicks(-1) : end).ToTimestamp()), "closing", "", "", "", Major(c.ClosingMicros)];
    }
}
