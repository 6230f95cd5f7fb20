using System.CommandLine;
using Cli.Demo;
using Contracts.Billing.V1;
using Grpc.Core;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>billing audit reconcile: every token from usage's rows to the invoices. Exit code 1 if any is not where it should be.</summary>
public static class AuditReconcileCommand
{
    public static Command Create()
    {
        var rows = new Option<bool>("--without-rows") { Description = "compare batches by their roots only: fast, and blind to rows that do not give their root" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("reconcile", "Follow every token from usage's rows, batches and reports to billing's events and invoices") { rows, billing, json };
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(billing)!, async channel =>
        {
            using var call = new Audit.AuditClient(channel).Reconcile(new() { WithoutRows = result.GetValue(rows) }, cancellationToken: ct);
            var parts = await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct);
            var (differences, s) = (parts.Where(p => p.Difference is not null).Select(p => p.Difference).ToArray(), parts[^1].Summary);
            if (result.GetValue(json))
                BillingCalls.Print(new
                {
                    s.Rows, s.ArchivedRows, s.Batches, s.Reports, s.WaitingReports, s.Invoices, s.RecordedTokens, s.AppliedTokens, s.InvoicedTokens, s.VoidedTokens, s.OpenTokens, s.ReportsWithoutRows, s.TokensWithoutRows,
                    differences = differences.Select(d => new { d.Reason, d.Shard, d.ReportNumber, d.SubscriptionId, d.PeriodId, d.PlanId, d.Kind, d.RecordedTokens, d.FoundTokens, d.Detail }),
                });
            else Print(s, differences);
            return differences.Length == 0 ? 0 : 1;
        }));
        return command;
    }

    private static void Print(ReconcileSummary s, ReconcileDifference[] differences)
    {
        var table = InvoicePrinter.Table("", "count", "tokens");
        table.Columns[1].RightAligned();
        table.Columns[2].RightAligned();
        table.AddRow("rows of usage", $"{s.Rows:N0}", "");
        if (s.ArchivedRows > 0) table.AddRow("  of them archived, known by their leaves", $"{s.ArchivedRows:N0}", "");
        table.AddRow("batches", $"{s.Batches:N0}", "");
        table.AddRow("reports", $"{s.Reports:N0}", $"{s.RecordedTokens:N0}");
        if (s.WaitingReports > 0) table.AddRow("  of them on their way", $"{s.WaitingReports:N0}", "");
        table.AddRow("applied to periods", "", $"{s.AppliedTokens:N0}");
        table.AddRow("on final invoices", $"{s.Invoices:N0}", $"{s.InvoicedTokens:N0}");
        if (s.VoidedTokens > 0) table.AddRow("  of them on void ones, which nobody has to pay", "", $"{s.VoidedTokens:N0}");
        table.AddRow("not yet on a final invoice", "", $"{s.OpenTokens:N0}");
        CommandLine.Output.Write(table);
        if (differences.Length == 0)
        {
            foreach (var line in AllClear(s)) Console.Out.WriteLine(line);
            return;
        }
        Console.Out.WriteLine($"{differences.Length:N0} differences:");
        foreach (var d in differences) Console.Out.WriteLine($"{d.Reason}: {d.Detail}{(d.SubscriptionId.Length > 0 ? $" ({d.SubscriptionId}, {d.PeriodId})" : "")}");
    }

    /// <summary>What may be said where nothing differs: no more than was compared.</summary>
    public static IEnumerable<string> AllClear(ReconcileSummary s)
    {
        var every = (s.WaitingReports, s.ReportsWithoutRows) switch
        {
            (0, 0) => "every token",
            (_, 0) => "every token that arrived",
            (0, _) => "every token that reports say",
            _ => "every token that reports say and that arrived",
        };
        yield return $"{every} is where it should be{(s.WaitingReports == 0 ? "" : $"; {s.WaitingReports:N0} reports are on their way: ask again when they are applied")}";
        if (s.ReportsWithoutRows > 0)
            yield return $"not compared with their rows: {s.ReportsWithoutRows:N0} of {s.Reports:N0} reports, {s.TokensWithoutRows:N0} tokens ({(s.ArchivedRows > 0 ? "rows of them are archived, and their leaves say nothing of tokens" : "--without-rows")})";
    }
}
