using System.Security.Cryptography;
using Billing.Audit;
using Billing.Periods;
using Verifier;
using static Billing.Tests.Audit.ForgedBooks;

namespace Billing.Tests.Audit;

/// <summary>Exports in which everything fits together and something is not so.</summary>
public sealed class ForgedExportTests
{
    private sealed record Document(string Id, string Number, string Text);

    private static readonly ForgedBooks Books = new();
    private static readonly byte[] One = Link(HashTree.Empty, 1), Two = Link(One, 2), Three = Link(Two, 3);

    private static byte[] Link(byte[] previous, long batch) => HashTree.Link(previous, batch, SHA256.HashData("batch"u8));

    private static readonly StoredEvent[] True =
    [
        Books.Events[0], Books.Events[1] with { Data = Applied(1, 307, One) }, Books.Events[2] with { Data = Applied(2, -200, Two) }, .. Books.Events[3..],
    ];

    private static VerifyExport Check(
        StoredEvent[]? events = null, Document[]? invoices = null, Document[]? notes = null, int[]? reports = null, long? through = null)
    {
        events ??= True;
        invoices ??= [new(Invoice, "INV-000001", Books.Document)];
        var (export, pages, numbers) = (new ExportFormat(), Pages(events), reports ?? [1, 2]);
        List<string> lines = [export.Manifest(events.Length, through ?? events.Max(e => e.Sequence), pages.Count, numbers.Length, invoices.Length, notes?.Length ?? 0)];
        var last = 0L;
        foreach (var page in pages)
        {
            lines.AddRange(events.Where(e => e.Sequence > last && e.Sequence <= page.ToSequence).OrderBy(e => e.Sequence).Select(export.Event));
            lines.Add(export.Page(page));
            last = page.ToSequence;
        }
        foreach (var number in numbers)
        {
            string[] chain = [.. new[] { HashTree.Empty, One, Two, Three }.Select(Convert.ToHexStringLower)];
            var tokens = number switch { 1 => 307, 2 => -200, _ => 0 };
            ReportedLine[] of = tokens == 0 ? [] : [new(Subscription, January, Plan, "output", tokens)];
            lines.Add(export.Report(3, number, number, number, chain[number - 1], [Convert.ToHexStringLower(SHA256.HashData("batch"u8))], chain[number], "2026-01-01T00:00:00+00:00", of.Length, of));
        }
        foreach (var i in invoices) lines.Add(export.Invoice(i.Id, i.Number, Sha256(i.Text), i.Text));
        foreach (var n in notes ?? []) lines.Add(export.CreditNote(n.Id, n.Number, Invoice, Sha256(n.Text), n.Text));
        lines.Add(export.End());
        var check = new VerifyExport();
        foreach (var line in lines) check.Next(line);
        check.Finish();
        return check;
    }

    private static void Told(string finding, VerifyExport check) => Assert.Contains(check.Findings, f => f.Finding.Contains(finding, StringComparison.Ordinal));

    [Fact]
    public void A_true_export_holds()
    {
        Assert.Empty(Check().Findings);
        Assert.Empty(Check().Notes);
    }

    [Fact]
    public void An_invoice_that_is_made_final_again_is_named()
    {
        var other = new ForgedBooks { Invoiced = 999 }.Document;
        Told($"{Invoice} was final already", Check([.. True, new(15, Invoice, 3, "invoice_finalized", Finalized(other, 999))], [new(Invoice, "INV-000001", other)]));
    }

    [Fact]
    public void A_credit_note_that_is_issued_again_is_named()
    {
        var note = """{"number":"CN-000001","parts":[{"netMicros":1,"taxMicros":0}],"netMicros":1,"taxMicros":0,"totalMicros":1}""";
        string Issued(string document) => $$"""{"creditNoteId": "cn_a", "number": "CN-000001", "documentSha256": "{{Sha256(document)}}"}""";
        Told("cn_a was issued already", Check([.. True, new(15, Invoice, 3, "credit_note_issued", Issued("another")), new(16, Invoice, 4, "credit_note_issued", Issued(note))], notes: [new("cn_a", "CN-000001", note)]));
    }

    [Theory]
    [InlineData("a hole", "version 3 of inv_")]
    [InlineData("a late beginning", "version 1 of inv_")]
    [InlineData("a version twice", "is here twice")]
    public void Versions_of_a_stream_have_no_gap_and_no_repetition(string forged, string told) => Told(told, Check(forged switch
    {
        "a hole" => [.. True, new(15, Invoice, 4, "invoice_voided", "{}")],
        "a late beginning" => [.. True[..4], True[5]],
        _ => [.. True, new(15, January, 2, "late_usage_added", "{}")],
    }));

    [Fact]
    public void A_number_is_given_once()
    {
        var (id, period) = ("inv_019b76daa80070008000000000000002", "per_019b76daa80070008000000000000002");
        var document = Books.Document.Replace(Invoice, id, StringComparison.Ordinal).Replace(January, period, StringComparison.Ordinal);
        Told("INV-000001 is given twice", Check([.. True, new(15, id, 1, "invoice_finalized", Finalized(document, 107, period: period))], [new(Invoice, "INV-000001", Books.Document), new(id, "INV-000001", document)]));
    }

    [Fact]
    public void A_period_is_invoiced_once()
    {
        var id = "inv_019b76daa80070008000000000000002";
        var document = Books.Document.Replace(Invoice, id, StringComparison.Ordinal).Replace("INV-000001", "INV-000002", StringComparison.Ordinal);
        Told($"{January} is invoiced twice", Check([.. True, new(15, id, 1, "invoice_finalized", Finalized(document, 107, "INV-000002"))], [new(Invoice, "INV-000001", Books.Document), new(id, "INV-000002", document)]));
    }

    [Fact]
    public void The_manifest_says_how_far_the_log_goes() => Told("through event 99", Check(through: 99));

    [Fact]
    public void A_report_that_a_closed_period_was_complete_with_is_not_missing()
    {
        var without = True.Select(e => e.Sequence == 11 ? e with { Type = "period_plan_ended", Data = "{}" } : e).ToArray();
        Told("report 2 of shard 3 is missing: a period was closed with it", Check(without, reports: [1, 3]));
        Told("report 2 of shard 3 is missing: a period was closed with it", Check(without, reports: [1]));
    }

    [Fact]
    public void A_report_that_is_still_on_its_way_is_noted()
    {
        var open = True.Select(e => e.Sequence == 11 ? e with { Type = "period_plan_ended", Data = "{}" } : e.Type == "period_closed" ? e with { Data = """{"cut": [{"shard": 3, "number": 1}]}""" } : e).ToArray();
        var check = Check(open, reports: [1, 3]);
        Assert.Empty(check.Findings);
        Assert.Contains("report 2 of shard 3 is not here", Assert.Single(check.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_has_the_chain_that_its_events_name() => Told(
        "report 1 of shard 3 has another chain value than an event that applied it", Check([.. True.Select(e => e.Sequence == 10 ? e with { Data = Applied(1, 307, Three) } : e)]));

    [Fact]
    public void Events_of_before_they_named_the_chain_are_counted() =>
        Assert.Contains("1 of 2 ", Assert.Single(Check([.. True.Select(e => e.Sequence == 10 ? e with { Data = Applied(1, 307, null) } : e)]).Notes), StringComparison.Ordinal);
}
