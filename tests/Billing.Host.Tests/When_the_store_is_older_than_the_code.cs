using System.Text.Json;
using Billing.Audit;
using Verifier;
using Billing.Invoices;
using Grpc.Core;
using Marten;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>
/// The exports in Pinned were written by earlier versions of billing. Their rows are put into a store as they stand, body by body as text, and today's service runs on them.
/// </summary>
public sealed class When_the_store_is_older_than_the_code
{
    [Fact]
    public void Exports_of_every_format_are_still_verified()
    {
        foreach (var export in new[] { Pinned.Export1, Pinned.Export2 })
        {
            Assert.Empty(VerifyExport.Check(export));
            var altered = Array.FindIndex(export, l => l.Contains("601000", StringComparison.Ordinal));
            string[] lines = [.. export.Select((l, i) => i == altered ? l.Replace("601000", "600999", StringComparison.Ordinal) : l)];
            Assert.Contains(VerifyExport.Check(lines), f => f.Line == altered + 1);
        }
    }

    /// <summary>1: an invoice was finalized in one event, without the terms that it was made by. 2: seller and payment terms were one event, and nobody said who did what.</summary>
    [Theory, InlineData(1, 4), InlineData(2, 4)]
    public async Task Every_invoice_of_an_old_store_replays_to_the_bytes_that_were_issued(int format, int invoices)
    {
        await using var app = await On(format == 1 ? WithIds(Pinned.Export1) : Pinned.Export2);
        var replayed = await app.Replay();
        Assert.Equal(invoices, replayed.Count);
        Assert.All(replayed, r => Assert.True(r.Identical, r.Difference));
        var pinned = (format == 1 ? Pinned.Export1 : Pinned.Export2).Where(l => l.StartsWith("""{"kind":"invoice""", StringComparison.Ordinal)).Select(l => JsonDocument.Parse(l).RootElement);
        Assert.Equal(
            pinned.Select(i => (i.GetProperty("number").GetString(), i.GetProperty("sha256").GetString(), i.GetProperty("document").GetString())).Order(),
            (await app.FinalInvoices()).Select(i => ((string?)i.Number, (string?)Convert.ToHexStringLower(i.DocumentSha256.Span), (string?)i.Document)).Order());
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
    }

    [Fact]
    public async Task An_event_that_was_split_and_one_that_got_a_field_are_read_as_they_are_written_now()
    {
        await using var app = await On(Pinned.Export2);
        var seller = await app.Agreements.GetSellerAsync(new());
        Assert.Equal(("Tokenwerke GmbH", 14, 2), (seller.Name, seller.PaymentTermsDays, seller.Version));
        var voided = Assert.Single(await Stored<InvoiceVoided>(app));
        Assert.Equal(new Attribution(Attribution.Unknown, "wrong plan"), voided.By);
        Assert.Equal(new Attribution(Attribution.Unknown, "outage"), Assert.Single(await Stored<CreditNoteIssued>(app)).By);

        // Today's events go on in the same streams, and what was made before them is made again by what was there.
        await app.Agreements.DescribeSellerAsync(
            new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1", "10119 Berlin" }, TaxId = "DE123456789", PaymentTermsDays = 30 }, new Metadata { { "actor", "ada" }, { "reason", "new terms" } });
        Assert.Equal("payment_terms_set", await app.Sql<string>("select type from billing.mt_events where stream_id like 'seller_%' order by version desc limit 1"));
        Assert.Equal(30, (await app.Agreements.GetSellerAsync(new())).PaymentTermsDays);
        await app.Advance(Apr1.AddHours(1));
        Assert.Equal(Apr1.AddDays(31), (await app.Invoicing.ListInvoiceStandingsAsync(new())).Invoices.Max(i => i.DueAt.ToDateTimeOffset()));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type = 'seller_described' and version > 1"));
        await app.CaughtUp();
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
    }

    private static async Task<BillingApp> On(IEnumerable<string> export)
    {
        var app = await BillingApp.PrepareAsync();
        app.Settings["Clock:Start"] = "2026-03-01T01:00:00Z";
        string[] lines = [.. export];
        await BooksImport.RunAsync(app.Database.ConnectionString("billing"), lines, new("ada", "moved"), default);
        // Usage came along: it is as far as it was.
        foreach (var report in lines.Where(l => l.StartsWith("""{"kind":"report""", StringComparison.Ordinal)).Select(l => JsonDocument.Parse(l).RootElement)) app.Usage.Record(report.GetProperty("shard").GetInt32(), Jan1);
        await app.ListenAsync();
        await app.RunAsync();
        return app;
    }

    /// <summary>The first format lacks what the table of events needs beside what was sealed: made up here, as the rows of that store had some too.</summary>
    private static IEnumerable<string> WithIds(string[] export)
    {
        var writer = new ExportFormat();
        foreach (var e in export.Select(l => JsonDocument.Parse(l).RootElement))
        {
            string Text(string name) => e.GetProperty(name).GetString()!;
            long Number(string name) => e.GetProperty(name).GetInt64();
            yield return Text("kind") switch
            {
                "manifest" => writer.Manifest(Number("events"), Number("throughSequence"), Number("pages"), Number("reports"), Number("invoices"), 0),
                "event" => writer.Event(new(Number("sequence"), Text("stream"), Number("version"), Text("type"), Text("data")) { Id = Ids.DeriveGuid(Jan1, Text("hash")), WrittenAt = Jan1 }),
                "seal" => writer.Page(new(Number("page"), [.. e.GetProperty("sequences").EnumerateArray().Select(s => s.GetInt64())], Hex(e, "leaves"), Hex(Text("root")), Hex(Text("previousChain")), Hex(Text("chain")))),
                "report" => writer.Report(
                    (int)Number("shard"), Number("number"), Number("firstBatch"), Number("lastBatch"), Text("previousChain"), e.GetProperty("roots").EnumerateArray().Select(r => r.GetString()!), Text("chain"),
                    "2026-01-01T00:00:00+00:00", 1, null),
                "invoice" => writer.Invoice(Text("invoiceId"), Text("number"), Text("sha256"), Text("document")),
                _ => writer.End(),
            };
        }
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text);

    private static byte[][] Hex(JsonElement line, string name) => [.. line.GetProperty(name).EnumerateArray().Select(x => Hex(x.GetString()!))];

    private static async Task<TEvent[]> Stored<TEvent>(BillingApp app)
    {
        await using var session = app.Store.QuerySession();
        var streams = await session.Events.QueryAllRawEvents().ToListAsync();
        return [.. streams.Select(e => e.Data).OfType<TEvent>()];
    }
}
