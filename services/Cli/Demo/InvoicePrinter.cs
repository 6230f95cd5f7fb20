using Contracts.Billing.V1;
using Spectre.Console;

namespace Cli.Demo;

/// <summary>An invoice as a table whose amounts a reader can add up.</summary>
public static class InvoicePrinter
{
    public static void Print(IAnsiConsole console, Invoice invoice)
    {
        var currency = Kernel.Currency.Parse(invoice.Currency);
        var table = Table("", "tokens", $"amount, {currency.Code}");
        table.Columns[1].RightAligned();
        table.Columns[2].RightAligned();
        foreach (var line in invoice.Lines)
            table.AddRow(line.Description.EscapeMarkup(), line.TokenKind == "" ? "" : $"{line.Tokens:N0}", new Micros(line.AmountMicros).ToMajorUnits(currency));
        table.AddEmptyRow();
        table.AddRow("[bold]Total[/]", "", $"[bold]{new Micros(invoice.TotalMicros).ToMajorUnits(currency)}[/]");
        var period = invoice.Period;
        console.Write(new Panel(table)
        {
            Header = new PanelHeader(invoice.Status == InvoiceStatus.Draft ? $" Draft of {invoice.InvoiceId} " : $" Invoice {invoice.Number.EscapeMarkup()} "),
            Border = BoxBorder.Rounded,
        });
        console.MarkupLineInterpolated($"  customer {invoice.CustomerId}");
        var days = invoice.FirstDay.Length > 0 ? $"{invoice.FirstDay} to {invoice.LastDay}" : $"{period.Start.ToDateTimeOffset():yyyy-MM-dd} to {period.End.ToDateTimeOffset():yyyy-MM-dd}";
        console.MarkupLineInterpolated($"  period {days}{(invoice.TimeZone is "" or "UTC" ? "" : $" ({invoice.TimeZone})")}, subscription {invoice.SubscriptionId}");
        if (invoice.Status == InvoiceStatus.Draft)
        {
            console.MarkupLineInterpolated($"  {(invoice.PeriodStatus == "closed" ? $"to make it final: billing invoice finalize {period.PeriodId}" : $"period {period.PeriodId} runs")}");
            return;
        }
        console.MarkupLineInterpolated($"  document SHA-256 {Convert.ToHexStringLower(invoice.DocumentSha256.Span)}");
    }

    public static Table Table(params string[] columns)
    {
        var table = new Table { Border = TableBorder.Simple };
        foreach (var column in columns) table.AddColumn(column.EscapeMarkup());
        return table;
    }
}
