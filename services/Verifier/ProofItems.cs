using System.Globalization;
using System.Text.Json;

namespace Verifier;

/// <summary>A row of usage, and where it stands in its batch.</summary>
/// <param name="Rows">of the batch</param>
internal sealed record ProofRow(LedgerRow Row, int Shard, long Batch, long Ordinal, long Rows, IReadOnlyList<byte[]> Path, long Report)
{
    public static ProofRow Of(JsonElement e) => new(
        new(
            e.Text("generationId"), e.Whole("sequence"), e.Text("subscriptionId"), e.Text("periodId"), e.Text("planId"), e.Text("conversation"), e.Text("model"),
            e.Whole("input"), e.Whole("cachedInput"), e.Whole("cacheCreation"), e.Whole("output"), e.Whole("reasoning"), e.Whole("overrun"), e.Time("at"), e.Time("receivedAt"),
            e.TryGetProperty("correctionId", out var correction) ? new(correction.GetString()!, e.GetProperty("void").GetBoolean(), e.Text("author"), e.Text("reason")) : null),
        (int)e.Whole("shard"), e.Whole("batch"), e.Whole("ordinal"), e.Whole("rows"), e.Hashes("path"), e.Whole("report"));
}

/// <summary>A report of a shard of usage: the roots of its batches, the chain through them, and its lines of the periods that the proof is about.</summary>
internal sealed record ProofReport(
    int Shard, long Number, long FirstBatch, long LastBatch, byte[] PreviousChain, IReadOnlyList<byte[]> Roots, byte[] Chain,
    IReadOnlyDictionary<(string Period, string Plan, string Kind), long> Lines)
{
    public static ProofReport Of(JsonElement e) => new(
        (int)e.Whole("shard"), e.Whole("number"), e.Whole("firstBatch"), e.Whole("lastBatch"), e.Hash("previousChain"), e.Hashes("roots"), e.Hash("chain"),
        e.GetProperty("lines").EnumerateArray().ToDictionary(l => (l.Text("periodId"), l.Text("planId"), l.Text("kind")), l => l.Whole("tokens")));

    public string? Fault()
    {
        if (FirstBatch < 1 || LastBatch < FirstBatch || Roots.Count != LastBatch - FirstBatch + 1) return string.Create(CultureInfo.InvariantCulture, $"report {Number} of shard {Shard} has not one root per batch");
        var chain = PreviousChain;
        for (var i = 0; i < Roots.Count; i++) chain = HashTree.Link(chain, FirstBatch + i, Roots[i]);
        return chain.AsSpan().SequenceEqual(Chain) ? null : string.Create(CultureInfo.InvariantCulture, $"the roots of report {Number} of shard {Shard} do not give its chain value");
    }

    public byte[]? RootOf(long batch) => batch >= FirstBatch && batch <= LastBatch && batch - FirstBatch < Roots.Count ? Roots[(int)(batch - FirstBatch)] : null;

    public IEnumerable<(string Plan, string Kind, long Tokens)> LinesOf(string period) =>
        Lines.Where(l => l.Key.Period == period).Select(l => (l.Key.Plan, l.Key.Kind, l.Value)).Order();
}

/// <summary>A stored event, and where it stands in the page that sealed it.</summary>
/// <param name="Leaves">of the page</param>
internal sealed record ProofEvent(long Sequence, string Stream, long Version, string Type, string Text, long Page, long Index, long Leaves, byte[][] Path)
{
    public static ProofEvent Of(JsonElement e)
    {
        var read = new ProofEvent(
            e.Whole("sequence"), e.Text("stream"), e.Whole("version"), e.Text("type"), e.Text("data"), e.Whole("page"), e.Whole("index"), e.Whole("leaves"), [.. e.Hashes("path")]);
        return read.Type == "usage_applied" ? read with { Usage = read.Data(AppliedUsage.Of) } : read;
    }

    public byte[] Leaf => Layout.LeafOfEvent(Sequence, Stream, Version, Type, Text);
    public string Name => string.Create(CultureInfo.InvariantCulture, $"event {Sequence} ({Type}, version {Version} of {Stream})");

    /// <summary>What it applied; null of an event of another type. Read once, however many rows it is asked of.</summary>
    public AppliedUsage? Usage { get; private init; }

    public T Data<T>(Func<JsonElement, T> read)
    {
        using var json = JsonDocument.Parse(Text);
        return read(json.RootElement);
    }
}

/// <param name="Chain">the value of the report that it names; null of an event that is older than the field</param>
/// <param name="Lines">in their order</param>
internal sealed record AppliedUsage(long Shard, long Report, string? Chain, IReadOnlyList<(string Plan, string Kind, long Tokens)> Lines)
{
    public static AppliedUsage Of(JsonElement d) => new(
        d.Whole("shard"), d.Whole("report"), AppliedLines.ChainOf(d), [.. d.GetProperty("lines").EnumerateArray().Select(l => (l.Text("planId"), l.Text("kind"), l.Whole("tokens"))).Order()]);
}

/// <summary>A final invoice's document.</summary>
internal sealed record ProofInvoice(string InvoiceId, string PeriodId, string SubscriptionId, string Number, string Document)
{
    public static ProofInvoice Of(JsonElement e)
    {
        using var json = JsonDocument.Parse(e.Text("document"));
        var (id, number) = (json.RootElement.Text("invoiceId"), json.RootElement.Text("number"));
        if (e.Text("invoiceId") != id) throw new FormatException($"{e.Text("invoiceId")} is not the invoice of its document");
        return new(id, json.RootElement.GetProperty("period").Text("id"), json.RootElement.Text("subscriptionId"), number, e.Text("document"));
    }

    public string? DifferenceTo(ProofEvent final)
    {
        var said = final.Data(Finalized.Of);
        if (said.Sha256 != HashedLine.Sha256(Document)) return $"the document of {Number} is not the one that was finalized: {final.Name} names another SHA-256";
        if (said.DifferenceTo(Document) is { } difference) return $"{difference} in {final.Name}, and the document of {Number} has another one";
        return DocumentSums.FirstDifferenceOfInvoice(Document) is { } sum ? $"the document of {Number} does not add up: {sum}" : null;
    }

    /// <summary>Tokens by kind on its lines: of its own period, or those that came late for another one.</summary>
    public IReadOnlyDictionary<string, long> Tokens(string period, bool late)
    {
        using var json = JsonDocument.Parse(Document);
        return json.RootElement.GetProperty("lines").EnumerateArray()
            .Where(l => l.Text("kind") is "included" or "overage" or "overrun" or "adjustment")
            .Where(l => l.TryGetProperty("aboutPeriodId", out var about) ? late && about.GetString() == period : !late)
            .GroupBy(l => l.Text("tokenKind")).ToDictionary(g => g.Key, g => g.Sum(l => l.Whole("tokens")));
    }
}

/// <summary>The pages of seals from the first that the proof needs to the last there was.</summary>
internal sealed record ProofSeals(long FirstPage, byte[] PreviousChain, IReadOnlyList<byte[]> Roots, string Head)
{
    public static ProofSeals Of(JsonElement e) => new(e.Whole("firstPage"), e.Hash("previousChain"), e.Hashes("roots"), e.Text("head"));

    public byte[]? RootOf(long page) => FirstPage >= 1 && page >= FirstPage && page - FirstPage < Roots.Count ? Roots[(int)(page - FirstPage)] : null;

    public string? Fault() => Chain().LastOrDefault() == Head ? null : "the roots of the pages do not give the head of the chain";

    /// <summary>The page at which the chain has this value, or the one before the first; null if none of these does.</summary>
    public long? PageOf(string head) => head == Convert.ToHexStringLower(PreviousChain) ? FirstPage - 1 : Chain().ToList().IndexOf(head) is var at and >= 0 ? FirstPage + at : null;

    private IEnumerable<string> Chain()
    {
        var chain = PreviousChain;
        for (var i = 0; i < Roots.Count; i++)
        {
            chain = HashTree.Link(chain, FirstPage + i, Roots[i]);
            yield return Convert.ToHexStringLower(chain);
        }
    }
}

internal static class ProofText
{
    public static string Text(this JsonElement e, string name) => e.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null");

    public static long Whole(this JsonElement e, string name) => e.GetProperty(name).GetInt64();

    public static byte[] Hash(this JsonElement e, string name) => Hash(e.GetProperty(name));

    public static IReadOnlyList<byte[]> Hashes(this JsonElement e, string name) => [.. e.GetProperty(name).EnumerateArray().Select(Hash)];

    public static DateTimeOffset Time(this JsonElement e, string name) => DateTimeOffset.ParseExact(
        e.Text(name), "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    private static byte[] Hash(JsonElement e) => Convert.FromHexString(e.GetString()!) is { Length: 32 } hash ? hash : throw new FormatException("a hash is 64 hex digits");
}
