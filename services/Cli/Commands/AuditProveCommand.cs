using System.CommandLine;
using Cli.Audits;
using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Grpc.Core;
using Verifier;

namespace Cli.Commands;

/// <summary>billing audit prove: that a generation's usage is on an invoice, in a file that needs neither service to be checked.</summary>
public static class AuditProveCommand
{
    public static Command Create()
    {
        var generation = new Argument<string>("GENERATION") { Description = "gen_…" };
        var sequence = new Option<long?>("--sequence") { HelpName = "N", Description = "one row of it, 0 is the prompt; all of them, with corrections, if absent" };
        var output = new Option<string>("--out") { HelpName = "FILE", Description = "the file to write", Required = true };
        var (usage, billing, json) = (ServiceAddress.Usage(), ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("prove", "Write a proof that a generation's usage is on an invoice; billing audit verify FILE checks it, offline") { generation, sequence, output, usage, billing, json };
        command.SetAction(async (parsed, ct) =>
        {
            var (path, rows) = (parsed.GetValue(output)!, new List<EventProof>());
            var request = new ProveEventsRequest { GenerationId = parsed.GetValue(generation) };
            if (parsed.GetValue(sequence) is { } one) request.Sequences.Add(one);
            await UsageCalls.AskAsync(parsed.GetValue(usage)!, async channel =>
            {
                using var call = new UsageLedger.UsageLedgerClient(channel).ProveEvents(request, cancellationToken: ct);
                await foreach (var row in call.ResponseStream.ReadAllAsync(ct)) rows.Add(row);
                return 0;
            });
            return await BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
            {
                var reports = new ProveReportsRequest();
                reports.Reports.AddRange(rows.Select(r => new ReportOfPeriod { Shard = r.Shard, Number = r.Report.Number, PeriodId = r.Row.PeriodId }).Distinct());
                using var call = new Audit.AuditClient(channel).ProveReports(reports, cancellationToken: ct);
                var lines = ProofFile.Lines(rows, await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct)).ToArray();
                await File.WriteAllLinesAsync(path, lines, ct);
                // Whoever hands it out should know that it holds.
                return AuditVerifyCommand.Report(path, VerifyProof.Check(lines), parsed.GetValue(json));
            });
        });
        return command;
    }
}
