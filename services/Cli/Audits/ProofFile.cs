using System.Globalization;
using Billing.Audit;
using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Verifier;

namespace Cli.Audits;

/// <summary>
/// A proof of usage rows as a file: one JSON object with an item a line, every item hashed with those before it. Reports show their lines of the row's periods only: what other
/// customers used is nobody's business.
/// </summary>
public static class ProofFile
{
    public static IEnumerable<string> Lines(IReadOnlyList<EventProof> rows, IReadOnlyList<ReportProofPart> books)
    {
        var (lines, periods) = (new HashedLines(), rows.Select(r => r.Row.PeriodId).ToHashSet());
        yield return VerifyProof.FirstLine;
        foreach (var row in rows) yield return Row(lines, row) + ",";
        foreach (var report in rows.Select(r => r.Report).DistinctBy(r => (r.Shard, r.Number))) yield return Report(lines, report, periods) + ",";
        foreach (var part in books.Where(p => p.Seals is null)) yield return (part.Event is { } e ? Event(lines, e) : Invoice(lines, part.Invoice)) + ",";
        yield return Seals(lines, [.. books.Select(p => p.Seals).OfType<SealChain>()]) + ",";
        yield return lines.End();
        yield return "]}";
    }

    private static string Row(HashedLines lines, EventProof proof) => lines.Next("row", json =>
    {
        var (row, tokens) = (proof.Row, proof.Row.Tokens ?? new());
        json.WriteString("generationId", row.GenerationId);
        json.WriteNumber("sequence", row.Sequence);
        json.WriteString("subscriptionId", row.SubscriptionId);
        json.WriteString("periodId", row.PeriodId);
        json.WriteString("planId", row.PlanId);
        json.WriteString("conversation", row.Conversation);
        json.WriteString("model", row.Model);
        json.WriteNumber("input", tokens.Input);
        json.WriteNumber("cachedInput", tokens.CachedInput);
        json.WriteNumber("cacheCreation", tokens.CacheCreation);
        json.WriteNumber("output", tokens.Output);
        json.WriteNumber("reasoning", tokens.Reasoning);
        json.WriteNumber("overrun", row.OverrunTokens);
        json.WriteString("at", Time(row.At));
        json.WriteString("receivedAt", Time(row.ReceivedAt));
        if (row.Kind == RowKind.Correction)
        {
            json.WriteString("correctionId", row.Correction.CorrectionId);
            json.WriteBoolean("void", row.Correction.Void);
            json.WriteString("author", row.Correction.Author);
            json.WriteString("reason", row.Correction.Reason);
        }
        json.WriteNumber("shard", proof.Shard);
        json.WriteNumber("batch", row.Batch);
        json.WriteNumber("ordinal", row.Ordinal);
        json.WriteNumber("rows", proof.RowCount);
        Hashes(json, "path", proof.Path);
        json.WriteNumber("report", proof.Report.Number);
    });

    private static string Report(HashedLines lines, UsageReport report, HashSet<string> periods) => lines.Next("report", json =>
    {
        json.WriteNumber("shard", report.Shard);
        json.WriteNumber("number", report.Number);
        json.WriteNumber("firstBatch", report.FirstBatch);
        json.WriteNumber("lastBatch", report.LastBatch);
        json.WriteString("previousChain", Hex(report.PreviousChain));
        Hashes(json, "roots", report.Roots);
        json.WriteString("chain", Hex(report.Chain));
        json.WriteStartArray("lines");
        foreach (var line in report.Lines.Where(l => periods.Contains(l.PeriodId)))
        {
            json.WriteStartObject();
            json.WriteString("periodId", line.PeriodId);
            json.WriteString("planId", line.PlanId);
            json.WriteString("kind", line.Kind);
            json.WriteNumber("tokens", line.Tokens);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    private static string Event(HashedLines lines, ProvenEvent e) => lines.Next("event", json =>
    {
        json.WriteNumber("sequence", e.Sequence);
        json.WriteString("stream", e.Stream);
        json.WriteNumber("version", e.Version);
        json.WriteString("type", e.Type);
        json.WriteString("data", e.Data);
        json.WriteNumber("page", e.Page);
        json.WriteNumber("index", e.Index);
        json.WriteNumber("leaves", e.LeafCount);
        Hashes(json, "path", e.Path);
    });

    private static string Invoice(HashedLines lines, ProvenInvoice invoice) => lines.Next("invoice", json =>
    {
        json.WriteString("invoiceId", invoice.InvoiceId);
        json.WriteString("document", invoice.Document);
    });

    /// <param name="seals">in as many messages as they came in</param>
    private static string Seals(HashedLines lines, IReadOnlyList<SealChain> seals) => lines.Next("seals", json =>
    {
        json.WriteNumber("firstPage", seals[0].FirstPage);
        json.WriteString("previousChain", Hex(seals[0].PreviousChain));
        Hashes(json, "roots", seals.SelectMany(s => s.Roots));
        json.WriteString("head", Hex(seals[^1].Head));
    });

    private static void Hashes(System.Text.Json.Utf8JsonWriter json, string name, IEnumerable<ByteString> hashes)
    {
        json.WriteStartArray(name);
        foreach (var hash in hashes) json.WriteStringValue(Hex(hash));
        json.WriteEndArray();
    }

    private static string Hex(ByteString hash) => Convert.ToHexStringLower(hash.Span);

    private static string Time(Timestamp at) => at.ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}
