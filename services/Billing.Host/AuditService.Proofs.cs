using Contracts.Billing.V1;
using Grpc.Core;

namespace Billing.Host;

/// <summary>The books' half of a proof that a row of usage is on an invoice; usage gives the other one.</summary>
public sealed partial class AuditService
{
    public override async Task ProveReports(ProveReportsRequest request, IServerStreamWriter<ReportProofPart> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        if (request.Reports.Count == 0) throw new FormatException("reports is empty: name at least one report and the period that it has lines of");
        foreach (var report in request.Reports) Ids.Parse(Ids.Period, report.PeriodId);
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        await foreach (var part in new ReportProofs(snapshot.Connection).Run(request.Reports, ct)) await responseStream.WriteAsync(part, ct);
    }
}
