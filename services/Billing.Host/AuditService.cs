using System.Data;
using System.Security.Cryptography;
using System.Text;
using Billing.Accounts;
using Billing.Audit;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Contracts.Billing.V1;
using Google.Protobuf;
using Grpc.Core;
using Marten;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>
/// billing.v1.Audit. Everything is read in one read-only transaction, so that a proof is about one moment, and nothing here could write
/// or publish if it wanted to.
/// </summary>
public sealed class AuditService(IDocumentStore store, AuditDatabase database) : Contracts.Billing.V1.Audit.AuditBase
{
    private const int InvoicesAtOnce = 100;

    public override async Task Replay(ReplayRequest request, IServerStreamWriter<ReplayedInvoice> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        if (request.InvoiceId.Length > 0) Ids.Parse(Ids.Invoice, request.InvoiceId);
        await using var snapshot = await Snapshot.Open(database, ct);
        await using var session = store.QuerySession(SessionOptions.ForTransaction(snapshot.Transaction));
        var found = false;
        for (long after = 0; ;)
        {
            var query = session.Events.QueryAllRawEvents().Where(e => e.Sequence > after && e.EventTypeName == "invoice_finalized");
            if (request.InvoiceId.Length > 0) query = query.Where(e => e.StreamKey == request.InvoiceId);
            var page = await query.OrderBy(e => e.Sequence).Take(InvoicesAtOnce).ToListAsync(ct);
            if (page.Count == 0) break;
            (found, after) = (true, page[^1].Sequence);
            var finals = page.Select(e => (InvoiceId: e.StreamKey!, Event: (InvoiceFinalized)e.Data)).ToArray();
            var documents = (await session.LoadManyAsync<StoredInvoice>(ct, [.. finals.Select(f => f.InvoiceId)])).ToDictionary(d => d.Id);
            var streams = await StoredStreams.ReadAsync(session, finals.SelectMany(f => new[] { f.Event.PeriodId, f.InvoiceId }), ct);
            var terms = await StoredTerms.ReadAsync(session, [.. finals.Select(f => streams.Period(f.Event.PeriodId)).OfType<PeriodState.Closed>().Select(c => c.Facts)], ct);
            foreach (var (invoiceId, final) in finals)
                await responseStream.WriteAsync(await Replay(snapshot.Connection, invoiceId, final, documents.GetValueOrDefault(invoiceId), streams, terms, ct), ct);
        }
        if (request.InvoiceId.Length > 0 && !found) throw new Refusal("invoice_unknown", $"{request.InvoiceId} is not a final invoice").AsException();
    }

    public override async Task VerifySeals(VerifySealsRequest request, IServerStreamWriter<SealFinding> responseStream, ServerCallContext context)
    {
        await using var snapshot = await Snapshot.Open(database, context.CancellationToken);
        await foreach (var verdict in SealVerification.Run(snapshot.Connection, context.CancellationToken))
            await responseStream.WriteAsync(
                new SealFinding
                {
                    Page = verdict.Page, FromSequence = verdict.FromSequence, ToSequence = verdict.ToSequence, EventCount = verdict.EventCount,
                    Intact = verdict.IsIntact, Finding = string.Join("; ", verdict.Findings),
                }, context.CancellationToken);
    }

    public override async Task Export(ExportRequest request, IServerStreamWriter<ExportLine> responseStream, ServerCallContext context)
    {
        await using var snapshot = await Snapshot.Open(database, context.CancellationToken);
        await foreach (var line in ExportReader.Lines(snapshot.Connection, context.CancellationToken))
            await responseStream.WriteAsync(new ExportLine { Json = line }, context.CancellationToken);
    }

    private static async Task<ReplayedInvoice> Replay(
        NpgsqlConnection connection, string invoiceId, InvoiceFinalized final, StoredInvoice? stored, StoredStreams streams, StoredTerms stands, CancellationToken ct)
    {
        var answer = new ReplayedInvoice { InvoiceId = invoiceId, Number = final.Number, TotalMicros = final.TotalMicros.Value };
        var storedBytes = Encoding.UTF8.GetBytes(stored?.Document ?? "");
        answer.StoredSha256 = ByteString.CopyFrom(SHA256.HashData(storedBytes));
        var period = streams.Period(final.PeriodId);
        var cut = streams.Invoice(invoiceId) switch { InvoiceState.Finalized f => f.Terms, InvoiceState.Voided v => v.Was.Terms, _ => null };
        string[] made = period is PeriodState.Closed c
            ? [.. InvoiceRating.MenusOf(c.Facts), .. c.Facts.Adjustments.Select(a => a.FromPeriodId), AccountIds.Of(c.Facts.CustomerId), SellerState.StreamId]
            : [];
        byte[]? replayed = null;
        string? difference = null;
        try
        {
            replayed = period is PeriodState.Closed closed
                ? InvoiceDocument.Finalized(closed.Facts, cut is null ? stands.Now(closed.Facts) : stands.At(closed.Facts, cut), final.Number, cut, final.At).ToUtf8()
                : throw new InvalidOperationException($"{final.PeriodId} is not a closed period");
            answer.ReplayedSha256 = ByteString.CopyFrom(SHA256.HashData(replayed));
        }
        catch (Exception e) when (e is InvalidOperationException or OverflowException)
        {
            difference = $"the invoice cannot be rated again: {e.Message}";
        }
        if (replayed is not null && stored is null) difference = "the stored document is missing";
        else if (replayed is not null && DocumentDifference.First(stored!.Document, Encoding.UTF8.GetString(replayed)) is { } parts) difference = parts;
        else if (replayed is not null && Convert.ToHexStringLower(answer.StoredSha256.Span) != final.DocumentSha256)
            difference = $"the document's SHA-256 is {Convert.ToHexStringLower(answer.StoredSha256.Span)}, and the event that finalized it says {final.DocumentSha256}";
        answer.Identical = difference is null;
        if (difference is not null)
            answer.Difference = $"{difference}. {await SealVerification.Explain(connection, [final.PeriodId, invoiceId, final.CustomerId, .. made], ct)}";
        return answer;
    }

    private sealed record Snapshot(NpgsqlConnection Connection, NpgsqlTransaction Transaction) : IAsyncDisposable
    {
        public static async Task<Snapshot> Open(AuditDatabase database, CancellationToken ct)
        {
            var connection = await database.Source.OpenConnectionAsync(ct);
            return new(connection, await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct));
        }

        public async ValueTask DisposeAsync()
        {
            await Transaction.DisposeAsync();
            await Connection.DisposeAsync();
        }
    }
}

/// <summary>The database as an auditor sees it: PostgreSQL itself refuses every write on these connections.</summary>
public sealed class AuditDatabase(string connectionString) : IAsyncDisposable
{
    public NpgsqlDataSource Source { get; } = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
    {
        Options = "-c default_transaction_read_only=on",
        ApplicationName = "billing audit",
    });

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
