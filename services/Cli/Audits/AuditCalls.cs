using Contracts.Billing.V1;
using Google.Protobuf;
using Grpc.Core;

namespace Cli.Audits;

/// <summary>The questions an auditor asks a running billing service.</summary>
public static class AuditCalls
{
    public static async Task<IReadOnlyList<ReplayedInvoice>> ReplayAsync(Audit.AuditClient audit, string invoiceId, CancellationToken ct)
    {
        using var call = audit.Replay(new() { InvoiceId = invoiceId }, cancellationToken: ct);
        return await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct);
    }

    /// <param name="knownHead">64 hex digits; null without one</param>
    /// <returns>a finding per page, and at last one about no page: what is not sealed yet, and whether the known head was met</returns>
    public static async Task<IReadOnlyList<SealFinding>> VerifySealsAsync(Audit.AuditClient audit, CancellationToken ct, string? knownHead = null)
    {
        using var call = audit.VerifySeals(new() { KnownHead = ByteString.CopyFrom(Convert.FromHexString(knownHead ?? "")) }, cancellationToken: ct);
        return await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct);
    }

    /// <summary>Writes the export next to its place and moves it there when it is whole.</summary>
    public static async Task<long> ExportAsync(Audit.AuditClient audit, string path, CancellationToken ct)
    {
        var partial = path + ".partial";
        long lines = 0;
        await using (var file = new StreamWriter(partial))
        {
            using var call = audit.Export(new(), cancellationToken: ct);
            await foreach (var line in call.ResponseStream.ReadAllAsync(ct))
            {
                await file.WriteAsync(line.Json + "\n");
                lines++;
            }
        }
        File.Move(partial, path, overwrite: true);
        return lines;
    }
}
