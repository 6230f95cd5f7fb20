using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Marten;

namespace Billing.Host;

/// <summary>
/// billing.v1.Audit. Everything is read in one read-only transaction, so that a proof is about one moment, and nothing here could write
/// or publish if it wanted to.
/// </summary>
public sealed partial class AuditService(IDocumentStore store, AuditDatabase database, UsageLedger.UsageLedgerClient usage) : Contracts.Billing.V1.Audit.AuditBase
{
    public override async Task Replay(ReplayRequest request, IServerStreamWriter<ReplayedInvoice> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        if (request.InvoiceId.Length > 0) Ids.Parse(Ids.Invoice, request.InvoiceId);
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        await using var session = snapshot.Session(store);
        var found = false;
        var seals = new SealExplanation(snapshot.Connection);
        for (long after = 0; ;)
        {
            var page = await InvoiceReplay.FinalsAsync(session, after, request.InvoiceId, ct);
            if (page.Count == 0) break;
            (found, after) = (true, page[^1].Sequence);
            var replay = await InvoiceReplay.ReadAsync(session, page, seals, ct);
            foreach (var e in page) await responseStream.WriteAsync(await replay.Run(e, ct), ct);
        }
        if (request.InvoiceId.Length > 0 && !found) throw new Refusal("invoice_unknown", $"{request.InvoiceId} is not a final invoice").AsException();
    }

    public override async Task VerifySeals(VerifySealsRequest request, IServerStreamWriter<SealFinding> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        if (request.KnownHead.Length is not (0 or MerkleTree.HashBytes)) throw new FormatException($"known_head has {MerkleTree.HashBytes} bytes, or none");
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        var (head, through, headSeen) = (MerkleTree.EmptyRoot, 0L, request.KnownHead.Length == 0);
        await foreach (var (verdict, chain) in SealVerification.Run(snapshot.Connection, ct))
        {
            (head, through) = (chain, verdict.ToSequence);
            headSeen |= request.KnownHead.Span.SequenceEqual(chain);
            await responseStream.WriteAsync(
                new SealFinding
                {
                    Page = verdict.Page, FromSequence = verdict.FromSequence, ToSequence = verdict.ToSequence, EventCount = verdict.EventCount,
                    Intact = verdict.IsIntact, Finding = string.Join("; ", verdict.Findings), Chain = ByteString.CopyFrom(chain),
                }, ct);
        }
        var (count, findings) = await SealVerification.Unsealed(snapshot.Connection, through, ct);
        if (!headSeen) findings = [.. findings, "no page of seals has the chain value that was known: the history was made anew since it was noted, or it is of other books"];
        await responseStream.WriteAsync(
            new SealFinding { Intact = findings.Count == 0, UnsealedEventCount = count, Chain = ByteString.CopyFrom(head), Finding = string.Join("; ", findings) }, ct);
    }

    public override async Task Export(ExportRequest request, IServerStreamWriter<ExportLine> responseStream, ServerCallContext context)
    {
        await using var snapshot = await AuditSnapshot.Open(database, context.CancellationToken);
        await foreach (var line in ExportReader.Lines(snapshot.Connection, context.CancellationToken))
            await responseStream.WriteAsync(new ExportLine { Json = line }, context.CancellationToken);
    }

    public override async Task Reconcile(ReconcileRequest request, IServerStreamWriter<ReconcilePart> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        try
        {
            var asked = await usage.GetHeadsAsync(new() { WithDetachedRows = !request.WithoutRows }, cancellationToken: ct);
            await using var snapshot = await AuditSnapshot.Open(database, ct);
            await foreach (var part in new Reconciliation(usage, snapshot.Connection, EventRows.Of(store), asked, !request.WithoutRows).Run(ct)) await responseStream.WriteAsync(part, ct);
        }
        catch (RpcException e) when (!ct.IsCancellationRequested)
        {
            throw new Refusal("usage_unreachable", $"usage does not show what it recorded ({e.Status.Detail}); ask again when it answers").AsException();
        }
    }
}
