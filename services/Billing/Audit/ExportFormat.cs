using System.Text.Json;
using Billing.Periods;

namespace Billing.Audit;

/// <summary>
/// Writes an export: NDJSON of hashed lines. The first one is the manifest, the last one says that nothing was cut off.
/// </summary>
public sealed class ExportFormat
{
    public const string Version = "billing-export/3", WithoutLines = "billing-export/2";
    private readonly HashedLines _lines = new();

    public string Manifest(long events, long throughSequence, long pages, long reports, long invoices, long creditNotes) => Line("manifest", json =>
    {
        json.WriteString("format", Version);
        json.WriteNumber("events", events);
        json.WriteNumber("throughSequence", throughSequence);
        json.WriteNumber("pages", pages);
        json.WriteNumber("reports", reports);
        json.WriteNumber("invoices", invoices);
        json.WriteNumber("creditNotes", creditNotes);
    });

    public string Event(StoredEvent e) => Line("event", json =>
    {
        json.WriteNumber("sequence", e.Sequence);
        json.WriteString("stream", e.Stream);
        json.WriteNumber("version", e.Version);
        json.WriteString("type", e.Type);
        json.WriteString("data", e.Data);
        json.WriteString("id", e.Id);
        json.WriteString("writtenAt", e.WrittenAt);
        // Absent where it is not so: every export of books that nobody altered is as it ever was.
        if (e.IsArchived) json.WriteBoolean("archived", true);
    });

    public string Page(SealPage page) => Line("seal", json =>
    {
        json.WriteNumber("page", page.Number);
        json.WriteStartArray("sequences");
        foreach (var sequence in page.Sequences) json.WriteNumberValue(sequence);
        json.WriteEndArray();
        json.WriteStartArray("leaves");
        foreach (var leaf in page.Leaves) json.WriteStringValue(Convert.ToHexStringLower(leaf));
        json.WriteEndArray();
        json.WriteString("root", Convert.ToHexStringLower(page.Root));
        json.WriteString("previousChain", Convert.ToHexStringLower(page.PreviousChain));
        json.WriteString("chain", Convert.ToHexStringLower(page.Chain));
    });

    /// <param name="lines">null of a report that was applied by a billing that did not keep them</param>
    public string Report(
        int shard, long number, long firstBatch, long lastBatch, string previousChain, IEnumerable<string> roots, string chain, string recordedAt, int lineCount,
        IReadOnlyCollection<ReportedLine>? lines) => Line("report", json =>
    {
        json.WriteNumber("shard", shard);
        json.WriteNumber("number", number);
        json.WriteNumber("firstBatch", firstBatch);
        json.WriteNumber("lastBatch", lastBatch);
        json.WriteString("previousChain", previousChain);
        json.WriteStartArray("roots");
        foreach (var root in roots) json.WriteStringValue(root);
        json.WriteEndArray();
        json.WriteString("chain", chain);
        json.WriteString("recordedAt", recordedAt);
        json.WriteNumber("lineCount", lineCount);
        if (lines is null) { json.WriteNull("lines"); return; }
        json.WriteStartArray("lines");
        foreach (var line in lines)
        {
            json.WriteStartObject();
            json.WriteString("subscriptionId", line.SubscriptionId);
            json.WriteString("periodId", line.PeriodId);
            json.WriteString("planId", line.PlanId);
            json.WriteString("kind", line.Kind);
            json.WriteNumber("tokens", line.Tokens);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    public string Invoice(string invoiceId, string number, string sha256, string document) => Line("invoice", json =>
    {
        json.WriteString("invoiceId", invoiceId);
        json.WriteString("number", number);
        json.WriteString("sha256", sha256);
        json.WriteString("document", document);
    });

    public string CreditNote(string creditNoteId, string number, string invoiceId, string sha256, string document) => Line("credit_note", json =>
    {
        json.WriteString("creditNoteId", creditNoteId);
        json.WriteString("number", number);
        json.WriteString("invoiceId", invoiceId);
        json.WriteString("sha256", sha256);
        json.WriteString("document", document);
    });

    public string End() => _lines.End();

    private string Line(string kind, Action<Utf8JsonWriter> write) => _lines.Next(kind, write);
}
