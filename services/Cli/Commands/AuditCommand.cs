using System.CommandLine;
using Cli.Audits;
using Contracts.Billing.V1;

namespace Cli.Commands;

/// <summary>billing audit: replay invoices, prove usage, verify seals, export the books, verify exports and proofs offline, import elsewhere. Exit code 1 if anything does not hold.</summary>
public static class AuditCommand
{
    public static Command Create() => new("audit", "Prove invoices by replaying history, and history by its seals") {
        Replay(), AuditHistoryCommands.AsOf(), AuditHistoryCommands.Diff(), AuditReconcileCommand.Create(), AuditWhatIfCommand.Create(), AuditProveCommand.Create(), AuditVerifyCommand.Create(), Export(),
        AuditImportCommand.Create(), AuditRebuildCommand.Create(),
    };

    private static Command Replay()
    {
        var invoice = new Option<string>("--invoice") { Description = "one invoice (inv_…); all finalized ones if absent", DefaultValueFactory = _ => "" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("replay", "Rate every invoice again from its events and compare it with the bytes that were issued") { invoice, billing, json };
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(billing)!, async channel =>
        {
            var replayed = await AuditCalls.ReplayAsync(new Audit.AuditClient(channel), result.GetValue(invoice)!, ct);
            var different = replayed.Where(r => !r.Identical).ToArray();
            if (result.GetValue(json))
                BillingCalls.Print(new
                {
                    invoices = replayed.Count, identical = replayed.Count - different.Length, creditNotes = replayed.Sum(r => r.CreditNoteCount),
                    differences = different.Select(d => new { d.InvoiceId, d.Number, d.Difference }),
                });
            else
            {
                Console.Out.WriteLine($"{replayed.Count - different.Length} of {replayed.Count} invoices replay to the same bytes, with {replayed.Sum(r => r.CreditNoteCount)} credit notes");
                foreach (var d in different) Console.Out.WriteLine($"{d.Number} ({d.InvoiceId}): {d.Difference}");
            }
            return different.Length == 0 ? 0 : 1;
        }));
        return command;
    }

    private static Command Export()
    {
        var output = new Option<string>("--out") { Description = "the file to write", Required = true };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("export", "Write every stored event, seal and invoice as NDJSON, for an audit without us") { output, billing, json };
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(billing)!, async channel =>
        {
            var path = result.GetValue(output)!;
            var lines = await AuditCalls.ExportAsync(new Audit.AuditClient(channel), path, ct);
            if (result.GetValue(json)) BillingCalls.Print(new { file = path, lines });
            else Console.Out.WriteLine($"{lines:N0} lines in {path}; check them with: billing audit verify {path}");
            return 0;
        }));
        return command;
    }
}
