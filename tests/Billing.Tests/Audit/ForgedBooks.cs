using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Billing.Audit;
using Verifier;

namespace Billing.Tests.Audit;

/// <summary>
/// A month of one subscription as a forger would write it: whatever is changed here, all hashes, pages, paths and running hashes are made to fit. The true month has 307 tokens
/// in report 1, 200 taken back by report 2, and an invoice of 107.
/// </summary>
internal sealed class ForgedBooks
{
    public const string January = "per_019b76daa80070008000000000000001", Subscription = "sub_019b76daa80070008000000000000001", Plan = "plan_019b76daa80070008000000000000001",
        Invoice = "inv_019b76daa80070008000000000000001", Generation = "gen_019b76daa80070008000000000000001";
    private const int Shard = 3;

    public LedgerRow Row { get; init; } = new(Generation, 1, Subscription, January, Plan, "c", "m", 0, 0, 0, 307, 0, 0, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch);

    /// <summary>The row that usage really recorded, where another one is shown.</summary>
    public LedgerRow? Recorded { get; init; }

    public long Invoiced { get; init; } = 107;
    public string MoreLines { get; init; } = "";
    public bool WithChains { get; init; } = true;

    /// <summary>Of the six events, in their order; what is not named is left out, what is named twice stands twice.</summary>
    public int[] Shown { get; init; } = [0, 1, 2, 3, 4, 5];

    /// <summary>Whether the document of the invoice is shown.</summary>
    public bool InvoiceShown { get; init; } = true;

    /// <summary>Whether the report is shown with its line of the period.</summary>
    public bool LineShown { get; init; } = true;

    /// <summary>The last word on what is stored, before it is sealed.</summary>
    public Func<StoredEvent[], StoredEvent[]> Stored { get; init; } = events => events;

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    public static string Sha256(string text) => Hex(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static byte[] ChainOf(LedgerRow row) => HashTree.Link(HashTree.Empty, 1, Layout.LeafOfRow(row));

    public string Document => $$"""
        {"format":"invoice/1","invoiceId":"{{Invoice}}","number":"INV-000001","customerId":"cus_a","subscriptionId":"{{Subscription}}","period":{"id":"{{January}}"},"currency":"USD","lines":[{"kind":"overage","tokenKind":"output","tokens":{{Invoiced}},"amountMicros":{{Invoiced}}}{{MoreLines}}],"totalMicros":{{Invoiced}}}
        """;

    public static string Finalized(string document, long total, string number = "INV-000001", string period = January) => FormattableString.Invariant($$"""
        {"number": "{{number}}", "periodId": "{{period}}", "currency": "USD", "customerId": "cus_a", "totalMicros": {{total}}, "documentSha256": "{{Sha256(document)}}", "subscriptionId": "{{Subscription}}"}
        """);

    public static string Applied(int report, long tokens, byte[]? chain) => FormattableString.Invariant($$"""
        {"chain": "{{(chain is null ? "" : Hex(chain))}}", "lines": [{"kind": "output", "planId": "{{Plan}}", "tokens": {{tokens}}}], "shard": {{Shard}}, "report": {{report}}}
        """).Replace("\"chain\": \"\", ", "", StringComparison.Ordinal);

    public StoredEvent[] Events => Stored(
    [
        new(9, January, 1, "period_opened", $$"""{"number": 0, "subscriptionId": "{{Subscription}}"}"""),
        new(10, January, 2, "usage_applied", Applied(1, 307, WithChains ? ChainOf(Recorded ?? Row) : null)),
        new(11, January, 3, "usage_applied", Applied(2, -200, WithChains ? SHA256.HashData("two"u8) : null)),
        new(12, January, 4, "period_closed", """{"cut": [{"shard": 3, "number": 2}]}"""),
        new(13, Invoice, 1, "invoice_terms_cut", "{}"),
        new(14, Invoice, 2, "invoice_finalized", Finalized(Document, Invoiced)),
    ]);

    public VerifyProof Check(string? head = null) => VerifyProof.Check(Lines(), head);

    /// <param name="events">in pages of three</param>
    public static IReadOnlyList<SealPage> Pages(IReadOnlyList<StoredEvent> events)
    {
        var pages = new List<SealPage>();
        foreach (var some in events.OrderBy(e => e.Sequence).Chunk(3)) pages.Add(SealPage.Over(pages.Count + 1, pages.Count == 0 ? MerkleTree.EmptyRoot : pages[^1].Chain, some));
        return pages;
    }

    private IEnumerable<string> Lines()
    {
        var (hashed, lines, events, leaf) = (new HashedLines(), new List<string> { VerifyProof.FirstLine }, Events, Layout.LeafOfRow(Row));
        var pages = Pages(events);
        void Item(string kind, Action<Utf8JsonWriter> write) => lines.Add(hashed.Next(kind, write) + ",");
        Item("row", j =>
        {
            foreach (var (name, text) in new[] { ("generationId", Row.GenerationId), ("subscriptionId", Row.SubscriptionId), ("periodId", Row.PeriodId), ("planId", Row.PlanId), ("conversation", Row.Conversation), ("model", Row.Model) })
                j.WriteString(name, text);
            foreach (var (name, count) in new[] { ("sequence", Row.Sequence), ("input", Row.Input), ("cachedInput", 0), ("cacheCreation", 0), ("output", Row.Output), ("reasoning", 0), ("overrun", 0) })
                j.WriteNumber(name, count);
            foreach (var name in new[] { "at", "receivedAt" }) j.WriteString(name, "1970-01-01T00:00:00.000000Z");
            if (Row.Correction is { } correction)
            {
                foreach (var (name, text) in new[] { ("correctionId", correction.CorrectionId), ("author", correction.Author), ("reason", correction.Reason) }) j.WriteString(name, text);
                j.WriteBoolean("void", correction.Void);
            }
            foreach (var (name, count) in new[] { ("shard", Shard), ("batch", 1), ("ordinal", 0), ("rows", 1), ("report", 1) }) j.WriteNumber(name, count);
            Hashes(j, "path", []);
        });
        Item("report", j =>
        {
            foreach (var (name, count) in new[] { ("shard", Shard), ("number", 1), ("firstBatch", 1), ("lastBatch", 1) }) j.WriteNumber(name, count);
            j.WriteString("previousChain", Hex(HashTree.Empty));
            Hashes(j, "roots", [leaf]);
            j.WriteString("chain", Hex(ChainOf(Row)));
            j.WriteStartArray("lines");
            if (LineShown)
            {
                j.WriteStartObject();
                foreach (var (name, text) in new[] { ("periodId", January), ("planId", Plan), ("kind", "output") }) j.WriteString(name, text);
                j.WriteNumber("tokens", 307);
                j.WriteEndObject();
            }
            j.WriteEndArray();
        });
        foreach (var e in Shown.Select(i => events[i]))
            Item("event", j =>
            {
                var page = pages.Single(p => p.Sequences.Contains(e.Sequence));
                var index = page.Sequences.ToList().IndexOf(e.Sequence);
                foreach (var (name, text) in new[] { ("stream", e.Stream), ("type", e.Type), ("data", e.Data) }) j.WriteString(name, text);
                foreach (var (name, count) in new[] { ("sequence", e.Sequence), ("version", e.Version), ("page", page.Number), ("index", index), ("leaves", page.Leaves.Count) }) j.WriteNumber(name, count);
                Hashes(j, "path", MerkleTree.InclusionProof(page.Leaves, index));
            });
        if (InvoiceShown)
            Item("invoice", j =>
            {
                j.WriteString("invoiceId", Invoice);
                j.WriteString("document", Document);
            });
        Item("seals", j =>
        {
            j.WriteNumber("firstPage", 1);
            j.WriteString("previousChain", Hex(HashTree.Empty));
            Hashes(j, "roots", pages.Select(p => p.Root));
            j.WriteString("head", Hex(pages[^1].Chain));
        });
        return [.. lines, hashed.End(), "]}"];
    }

    private static void Hashes(Utf8JsonWriter json, string name, IEnumerable<byte[]> hashes)
    {
        json.WriteStartArray(name);
        foreach (var hash in hashes) json.WriteStringValue(Hex(hash));
        json.WriteEndArray();
    }
}
