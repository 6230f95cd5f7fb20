using System.Security.Cryptography;
using System.Text;
using Billing.Audit;
using static Billing.Tests.Some;

namespace Billing.Tests.Audit;

public sealed class SealAndExportTests
{
    private static readonly string Document = """{"total":1}""";
    private static readonly string Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Document)));

    /// <summary>A gap at 4 (a rolled-back transaction without a tombstone), and an invoice at 6.</summary>
    private static readonly StoredEvent[] Events =
    [
        new(1, "menu_a", 1, "menu_terms_received", """{"name": "Größe"}"""), new(2, "sub_a", 1, "subscription_started", "{}"), new(3, "per_a", 1, "period_opened", "{}"),
        new(5, "per_a", 2, "usage_applied", """{"lines": []}"""), new(6, "inv_a", 1, "invoice_finalized", $$"""{"number": "INV-000001", "documentSha256": "{{Sha256}}"}"""),
        new(7, "inv_a", 2, "credit_note_issued", $$"""{"creditNoteId": "cn_a", "number": "CN-000001", "documentSha256": "{{Sha256}}"}"""),
    ];

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
    public void A_seal_made_to_fit_an_altered_event_breaks_the_chain()
    {
        StoredEvent[] altered = [.. Events.Select(e => e.Sequence == 1 ? e with { Data = "{}" } : e)];
        Assert.Contains("page 2 does not follow the page before it: a seal was altered, added or removed",
            Check(altered, [SealPage.Over(1, MerkleTree.EmptyRoot, altered[..2]), Pages()[1]]));
    }

    private static List<string> Export()
    {
        var (export, pages) = (new ExportFormat(), Pages());
        var root = SHA256.HashData("batch"u8);
        return
        [
            export.Manifest(6, 7, 2, 1, 1, 1),
            export.Event(Events[0]), export.Event(Events[1]), export.Page(pages[0]), export.Event(Events[2]), export.Event(Events[3]), export.Page(pages[1]), export.Event(Events[4]), export.Event(Events[5]),
            export.Report(3, 1, 1, 1, Convert.ToHexStringLower(MerkleTree.EmptyRoot), [Convert.ToHexStringLower(root)], Convert.ToHexStringLower(MerkleTree.Chain(MerkleTree.EmptyRoot, 1, root)), "2026-01-01T00:00:00+00:00", 1),
            export.Invoice("inv_a", "INV-000001", Sha256, Document), export.CreditNote("cn_a", "CN-000001", "inv_a", Sha256, Document),
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
            export.Manifest(4, 5, 2, 0, 0, 0), export.Event(Events[0]), export.Event(Events[1] with { Data = """{"planId": "cheaper"}""" }), export.Page(pages[0]),
            export.Event(Events[2]), export.Event(Events[3]), export.Page(pages[1]), export.End(),
        ];
        Assert.Equal([new ExportFinding(3, "event 2 (subscription_started, version 1 of sub_a) is not what was sealed")], VerifyExport.Check(forged));
    }

    [Fact]
    public void A_difference_is_told_as_a_path_and_both_values() => Assert.Equal(
        "/lines/1/tokens is 5 stored and 6 replayed", DocumentDifference.First("""{"lines":[{},{"tokens":5}]}""", """{"lines":[{},{"tokens":6}]}"""));
}
