using System.CommandLine;
using System.Text.Json;
using Billing.Audit;
using Cli.Audits;
using Contracts.Billing.V1;
using Grpc.Core;

namespace Cli.Commands;

/// <summary>billing audit: replay invoices, verify seals, export the books, verify an export offline, import it elsewhere. Exit code 1 if anything does not hold.</summary>
public static class AuditCommand
{
    public static Command Create() => new("audit", "Prove invoices by replaying history, and history by its seals") {
        Replay(), AuditHistoryCommands.AsOf(), AuditHistoryCommands.Diff(), AuditReconcileCommand.Create(), AuditWhatIfCommand.Create(), Verify(), Export(), AuditImportCommand.Create(),
    };

    private static Command Replay()
    {
        var invoice = new Option<string>("--invoice") { Description = "one invoice (inv_…); all finalized ones if absent", DefaultValueFactory = _ => "" };
        var (billing, json) = (ServiceAddress.Billing(), Json());
        var command = new Command("replay", "Rate every invoice again from its events and compare it with the bytes that were issued") { invoice, billing, json };
        command.SetAction((result, ct) => Ask(result.GetValue(billing)!, async audit =>
        {
            var replayed = await AuditCalls.ReplayAsync(audit, result.GetValue(invoice)!, ct);
            var different = replayed.Where(r => !r.Identical).ToArray();
            if (result.GetValue(json)) Print(new { invoices = replayed.Count, identical = replayed.Count - different.Length, creditNotes = replayed.Sum(r => r.CreditNoteCount), differences = different.Select(d => new { d.InvoiceId, d.Number, d.Difference }) });
            else
            {
                Console.Out.WriteLine($"{replayed.Count - different.Length} of {replayed.Count} invoices replay to the same bytes, with {replayed.Sum(r => r.CreditNoteCount)} credit notes");
                foreach (var d in different) Console.Out.WriteLine($"{d.Number} ({d.InvoiceId}): {d.Difference}");
            }
            return different.Length == 0 ? 0 : 1;
        }));
        return command;
    }

    private static Command Verify()
    {
        var file = new Argument<string?>("file") { Description = "an export to check offline; without it the running service checks its seals", Arity = ArgumentArity.ZeroOrOne };
        var (billing, json) = (ServiceAddress.Billing(), Json());
        var command = new Command("verify", "Check that no stored event was altered, added or removed, and name the one that was") { file, billing, json };
        command.SetAction((result, ct) => result.GetValue(file) is { } path
            ? Task.FromResult(VerifyFile(path, result.GetValue(json)))
            : Ask(result.GetValue(billing)!, async audit =>
            {
                var pages = await AuditCalls.VerifySealsAsync(audit, ct);
                return Report(pages.Sum(p => p.EventCount), "events in sealed pages", [.. pages.Where(p => !p.Intact).Select(p => new ExportFinding(p.Page, p.Finding))], "page", result.GetValue(json));
            }));
        return command;
    }

    private static Command Export()
    {
        var output = new Option<string>("--out") { Description = "the file to write", Required = true };
        var billing = ServiceAddress.Billing();
        var command = new Command("export", "Write every stored event, seal and invoice as NDJSON, for an audit without us") { output, billing };
        command.SetAction((result, ct) => Ask(result.GetValue(billing)!, async audit =>
        {
            Console.Out.WriteLine($"{await AuditCalls.ExportAsync(audit, result.GetValue(output)!, ct):N0} lines in {result.GetValue(output)}; check them with: billing audit verify {result.GetValue(output)}");
            return 0;
        }));
        return command;
    }

    private static int VerifyFile(string path, bool json)
    {
        if (!File.Exists(path)) throw new UserException($"{path}: no such file; write one with: billing audit export --out {path}");
        long lines = 0;
        var findings = VerifyExport.Check(File.ReadLines(path).Select(l => { lines++; return l; }));
        return Report(lines, "lines", findings, "line", json);
    }

    private static int Report(long checkedCount, string of, IReadOnlyList<ExportFinding> findings, string where, bool json)
    {
        if (json) Print(new { @checked = checkedCount, intact = findings.Count == 0, findings });
        else
        {
            Console.Out.WriteLine(findings.Count == 0 ? $"{checkedCount:N0} {of}: all intact" : $"{checkedCount:N0} {of}: {findings.Count:N0} findings");
            foreach (var finding in findings) Console.Out.WriteLine($"{where} {finding.Line}: {finding.Finding}");
        }
        return findings.Count == 0 ? 0 : 1;
    }

    private static async Task<int> Ask(Uri billing, Func<Audit.AuditClient, Task<int>> ask)
    {
        using var channel = ServiceChannel.Open(billing);
        try
        {
            return await ask(new(channel));
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
        {
            throw new UserException($"billing does not answer at {billing}: start it, or say where it is with --billing");
        }
        catch (RpcException e)
        {
            throw new UserException(e.Status.Detail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(e.Message);
        }
    }

    private static Option<bool> Json() => new("--json") { Description = "print one JSON object" };

    private static void Print(object value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, JsonSerializerOptions.Web));
}
