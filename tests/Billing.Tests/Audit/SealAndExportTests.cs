using System.Security.Cryptography;
using System.Text;
using Billing.Audit;
using Billing.Periods;
using Verifier;
using static Billing.Tests.Some;

namespace Billing.Tests.Audit;

public sealed class SealAndExportTests
{
    private static readonly string Document = """
        {"format":"invoice/1","number":"INV-000001","customerId":"cus_a","subscriptionId":"sub_a","period":{"id":"per_a"},"currency":"USD","lines":[{"kind":"period_fee","amountMicros":1}],"totalMicros":1}
        """;
    private static readonly string CreditNote = """{"number":"CN-000001","parts":[{"netMicros":1,"taxMicros":0}],"netMicros":1,"taxMicros":0,"totalMicros":1}""";
    private static readonly string Finalized = """
        {"number": "INV-000001", "periodId": "per_a", "currency": "USD", "customerId": "cus_a", "totalMicros": 1, "documentSha256": "SHA", "subscriptionId": "sub_a"}
        """;
    private static readonly string Sha256 = Sha256Of(Document), CreditNoteSha256 = Sha256Of(CreditNote);

    private static string Sha256Of(string document) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(document)));

    /// <summary>A gap at 4 (a rolled-back transaction without a tombstone), and an invoice at 6.</summary>
    private static readonly StoredEvent[] Events =
    [.. new StoredEvent[]
    {
        new(1, "menu_a", 1, "menu_terms_received", """{"name": "Größe"}"""), new(2, "sub_a", 1, "subscription_started", "{}"), new(3, "per_a", 1, "period_opened", """{"number": 0, "subscriptionId": "sub_a"}"""),
        new(5, "per_a", 2, "usage_applied", """{"lines": [{"kind": "output", "planId": "plan_a", "tokens": 7}], "shard": 3, "report": 1}"""),
        new(6, "inv_a", 1, "invoice_finalized", Finalized.Replace("SHA", Sha256, StringComparison.Ordinal)),
        new(7, "inv_a", 2, "credit_note_issued", $$"""{"creditNoteId": "cn_a", "number": "CN-000001", "documentSha256": "{{CreditNoteSha256}}"}"""),
    }.Select(e => e with { Id = new((int)e.Sequence, 0, 0, new byte[8]) })];

    private static SealPage[] Pages()
    {
        var first = SealPage.Over(1, MerkleTree.EmptyRoot, Events[..2]);
        return [first, SealPage.Over(2, first.Chain, Events[2..4])];
    }

    private static IReadOnlyList<string> Check(StoredEvent[] events, SealPage[]? pages = null)
    {
        var check = new SealCheck();
        return [.. (pages ?? Pages()).SelectMany(p => check.Next(p, [.. events.Where(e => e.Sequence > check.ThroughSequence && e.Sequence <= p.ToSequence)]).Findings)];
    }

    [Fact]
    public void Events_as_they_were_sealed_are_intact() => Assert.Empty(Check(Events));

    [Fact]
    public void An_altered_event_is_named() =>
        Assert.Equal(["event 3 (period_opened, version 1 of per_a) was altered"], Check([.. Events.Select(e => e.Sequence == 3 ? e with { Data = "{ }" } : e)]));

    [Fact]
    public void A_removed_event_is_named() => Assert.Equal(["event 2 was removed"], Check([.. Events.Where(e => e.Sequence != 2)]));

    [Fact]
    public void An_added_event_is_named() =>
        Assert.Equal(["event 4 (usage_applied, version 3 of per_a) was added after its page was sealed"], Check([.. Events, new(4, "per_a", 3, "usage_applied", "{}")]));

    [Fact]
    public void An_event_that_is_hidden_from_the_folds_is_named() => Assert.Equal(
        ["event 2 (subscription_started, version 1 of sub_a) is hidden from the folds that decide: its row is marked is_archived"], Check([.. Events.Select(e => e.Sequence == 2 ? e with { IsArchived = true } : e)]));

    [Fact]
    public void A_seal_made_to_fit_an_altered_event_breaks_the_chain()
    {
        StoredEvent[] altered = [.. Events.Select(e => e.Sequence == 1 ? e with { Data = "{}" } : e)];
        Assert.Contains("page 2 does not follow the page before it: a seal was altered, added or removed",
            Check(altered, [SealPage.Over(1, MerkleTree.EmptyRoot, altered[..2]), Pages()[1]]));
    }

    private static List<string> Export(long reported = 7, StoredEvent? finalized = null)
    {
        var (export, pages) = (new ExportFormat(), Pages());
        var root = SHA256.HashData("batch"u8);
        return
        [
            export.Manifest(6, 7, 2, 1, 1, 1),
            export.Event(Events[0]), export.Event(Events[1]), export.Page(pages[0]), export.Event(Events[2]), export.Event(Events[3]), export.Page(pages[1]), export.Event(finalized ?? Events[4]), export.Event(Events[5]),
            export.Report(3, 1, 1, 1, Convert.ToHexStringLower(MerkleTree.EmptyRoot), [Convert.ToHexStringLower(root)], Convert.ToHexStringLower(MerkleTree.Chain(MerkleTree.EmptyRoot, 1, root)), "2026-01-01T00:00:00+00:00", 1, [new("sub_a", "per_a", "plan_a", "output", reported)]),
            export.Invoice("inv_a", "INV-000001", Sha256, Document), export.CreditNote("cn_a", "CN-000001", "inv_a", CreditNoteSha256, CreditNote),
            export.End(),
        ];
    }

    [Fact]
    public void An_export_verifies_without_any_service() => Assert.Empty(VerifyExport.Check(Export()));

    [Fact]
    public void Any_altered_byte_of_an_export_is_named_at_its_line()
    {
        var lines = Export();
        for (var line = 0; line < lines.Count; line++)
            for (var at = 0; at < lines[line].Length; at++)
            {
                List<string> altered = [.. lines];
                altered[line] = lines[line][..at] + (char)(lines[line][at] == 'x' ? 'y' : 'x') + lines[line][(at + 1)..];
                Assert.Contains(VerifyExport.Check(altered), f => f.Line == line + 1);
            }
    }

    [Fact]
    public void A_missing_added_or_repeated_line_is_noticed()
    {
        for (var line = 0; line < Export().Count; line++)
        {
            var (without, twice) = (Export(), Export());
            without.RemoveAt(line);
            twice.Insert(line, twice[line]);
            Assert.NotEmpty(VerifyExport.Check(without));
            Assert.NotEmpty(VerifyExport.Check(twice));
        }
        Assert.NotEmpty(VerifyExport.Check([]));
    }

    [Fact]
    public void An_export_whose_hashes_were_all_made_anew_still_meets_the_seals()
    {
        var (export, pages) = (new ExportFormat(), Pages());
        string[] forged =
        [
            export.Manifest(4, 5, 2, 1, 0, 0), export.Event(Events[0]), export.Event(Events[1] with { Data = """{"planId": "cheaper"}""" }), export.Page(pages[0]),
            export.Event(Events[2]), export.Event(Events[3]), export.Page(pages[1]),
            export.Report(3, 1, 1, 0, Convert.ToHexStringLower(MerkleTree.EmptyRoot), [], Convert.ToHexStringLower(MerkleTree.EmptyRoot), "", 1, null), export.End(),
        ];
        Assert.Equal([new ExportFinding(3, "event 2 (subscription_started, version 1 of sub_a) is not what was sealed")], VerifyExport.Check(forged));
    }

    [Theory]
    [InlineData("totalMicros", "1", "2")]
    [InlineData("currency", "\"USD\"", "\"EUR\"")]
    [InlineData("customerId", "\"cus_a\"", "\"cus_b\"")]
    [InlineData("subscriptionId", "\"sub_a\"", "\"sub_b\"")]
    [InlineData("periodId", "\"per_a\"", "\"per_b\"")]
    public void What_the_event_says_of_an_invoice_is_what_its_document_says(string name, string said, string other)
    {
        // After the last page: nothing but the document contradicts it.
        var altered = Events[4] with { Data = Events[4].Data.Replace($"\"{name}\": {said}", $"\"{name}\": {other}", StringComparison.Ordinal) };
        var finding = Assert.Single(VerifyExport.Check(Export(finalized: altered)));
        Assert.StartsWith($"{name} is {other.Trim('"')} of INV-000001 in the event", finding.Finding, StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_says_what_its_events_applied() =>
        Assert.Equal(["the lines of report 1 of shard 3 are not what its events applied"], VerifyExport.Check(Export(reported: 8)).Select(f => f.Finding));

    [Fact]
    public void A_head_that_was_noted_is_met_or_the_history_was_made_anew()
    {
        var check = new VerifyExport();
        foreach (var line in Export()) check.Next(line);
        Assert.Equal((Convert.ToHexStringLower(Pages()[1].Chain), 2), (check.Head, check.UnsealedEvents));
        Assert.Empty(VerifyExport.Check(Export(), Convert.ToHexStringLower(Pages()[0].Chain)));
        var finding = Assert.Single(VerifyExport.Check(Export(), Convert.ToHexStringLower(SHA256.HashData("noted"u8))));
        Assert.Contains("made anew", finding.Finding, StringComparison.Ordinal);
    }

    [Fact]
    public void The_verifier_and_the_writer_agree_on_every_tree_although_they_share_nothing()
    {
        for (var count = 1; count <= 33; count++)
        {
            byte[][] leaves = [.. Enumerable.Range(0, count).Select(i => HashTree.Leaf([(byte)i]))];
            Assert.Equal(MerkleTree.Leaf([(byte)(count - 1)]), leaves[^1]);
            var root = MerkleTree.Root(leaves);
            Assert.Equal(root, HashTree.Root(leaves));
            Assert.Equal(MerkleTree.Chain(leaves[0], count, root), HashTree.Link(leaves[0], count, root));
            for (var i = 0; i < count; i++)
            {
                byte[][] path = [.. MerkleTree.InclusionProof(leaves, i)];
                Assert.Equal(root, HashTree.RootOf(count, i, leaves[i], path));
                Assert.NotEqual(root, HashTree.RootOf(count, i, HashTree.Leaf([0xFF]), path));
                if (path.Length > 0) Assert.NotEqual(root, HashTree.RootOf(count, i, leaves[i], path[1..]));
            }
        }
    }

    [Fact]
    public void A_difference_is_told_as_a_path_and_both_values() => Assert.Equal(
        "/lines/1/tokens is 5 stored and 6 replayed", DocumentDifference.First("""{"lines":[{},{"tokens":5}]}""", """{"lines":[{},{"tokens":6}]}"""));
}
