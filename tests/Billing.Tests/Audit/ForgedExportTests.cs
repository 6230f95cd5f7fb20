using System.Globalization;
using System.Security.Cryptography;
using System.Text;
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

    /// <param name="told">the last word on every line, without its running hash, which is made to fit; null leaves the line out</param>
    private static VerifyExport Check(
        StoredEvent[]? events = null, Document[]? invoices = null, Document[]? notes = null, int[]? reports = null, long? through = null, Func<string, string?>? told = null)
    {
        var (check, lines) = (new VerifyExport(), Lines(events, invoices, notes, reports, through));
        foreach (var line in told is null ? lines : Rewritten(lines, told)) check.Next(line);
        check.Finish();
        return check;
    }

    private static List<string> Lines(StoredEvent[]? events = null, Document[]? invoices = null, Document[]? notes = null, int[]? reports = null, long? through = null)
    {
        events = [.. (events ?? True).Select(e => e with { Id = IdOf(e.Sequence), WrittenAt = DateTimeOffset.UnixEpoch })];
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
        return lines;
    }

    private static Guid IdOf(long sequence) => new((int)sequence, 0, 0, new byte[8]);

    private static IEnumerable<string> Rewritten(IEnumerable<string> lines, Func<string, string?> told)
    {
        var (hash, before) = (new byte[32], 0);
        foreach (var line in lines)
        {
            if (told(line[..line.LastIndexOf(",\"hash\":", StringComparison.Ordinal)]) is not { } open) continue;
            if (open.StartsWith("""{"kind":"end""", StringComparison.Ordinal)) open = string.Create(CultureInfo.InvariantCulture, $$"""{"kind":"end","linesBefore":{{before}}""");
            hash = SHA256.HashData([.. hash, .. Encoding.UTF8.GetBytes(open)]);
            before++;
            yield return $"{open},\"hash\":\"{Convert.ToHexStringLower(hash)}\"}}";
        }
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
        string Issued(string document) => $$"""{"creditNoteId": "cn_a", "number": "CN-000001", "documentSha256": "{{Sha256(document)}}"}""";
        Told("cn_a was issued already", Check([.. True, new(15, Invoice, 3, "credit_note_issued", Issued("another")), new(16, Invoice, 4, "credit_note_issued", Issued(Note))], notes: [new("cn_a", "CN-000001", Note)]));
    }

    private const string Note = """{"number":"CN-000001","parts":[{"netMicros":1,"taxMicros":0}],"netMicros":1,"taxMicros":0,"totalMicros":1}""";

    private static readonly StoredEvent[] Credited = [.. True, new(15, Invoice, 3, "credit_note_issued", $$"""{"creditNoteId": "cn_a", "number": "CN-000001", "documentSha256": "{{Sha256(Note)}}"}""")];

    /// <summary>What an export of before credit notes had documents looks like is no way around their documents: where they may be missing, that is said.</summary>
    [Theory]
    [InlineData("", "")]
    [InlineData("its document", "the document of CN-000001 is missing")]
    [InlineData("its document and the count of them", "the manifest does not say how many credit notes there are")]
    [InlineData("its document and the count of them", "the document of CN-000001 is missing")]
    [InlineData("the count of them", "the manifest does not say how many credit notes there are")]
    public void An_issued_credit_note_has_its_document_whatever_the_manifest_says(string without, string finding)
    {
        var check = Check(Credited, notes: [new("cn_a", "CN-000001", Note)], told: l =>
            without.StartsWith("its document", StringComparison.Ordinal) && l.StartsWith("""{"kind":"credit_note""", StringComparison.Ordinal) ? null
            : without.EndsWith("the count of them", StringComparison.Ordinal) ? l.Replace(",\"creditNotes\":1", "", StringComparison.Ordinal)
            : l);
        if (finding.Length > 0) Told(finding, check);
        else Assert.Empty(check.Findings);
    }

    [Fact]
    public void What_an_export_of_before_credit_notes_cannot_show_is_noted()
    {
        var check = Check(Credited, notes: [new("cn_a", "CN-000001", Note)], told: l => l.StartsWith("""{"kind":"credit_note""", StringComparison.Ordinal)
            ? null
            : l.Replace(",\"creditNotes\":1", "", StringComparison.Ordinal).Replace("billing-export/3", "billing-export/1", StringComparison.Ordinal));
        Assert.Empty(check.Findings);
        Assert.Equal("1 of 1 credit notes were issued and their documents are not here: billing-export/1 holds none, and a newer export of these books does", check.Notes[0]);
        Assert.StartsWith("2 of 2 reports are here without their lines", check.Notes[1], StringComparison.Ordinal);
        Assert.Equal(2, check.Notes.Count);
        Told("the document of CN-000001 is missing", Check(
            [.. Credited, new(16, Invoice, 4, "credit_note_issued", $$"""{"creditNoteId": "cn_b", "number": "CN-000002", "documentSha256": "{{Sha256(Note)}}"}""")], notes: [new("cn_b", "CN-000002", Note)],
            told: l => l.Replace("billing-export/3", "billing-export/1", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("billing-export/3", "id", "event 11 (usage_applied, version 3 of per_019b76daa80070008000000000000001) has no id")]
    [InlineData("billing-export/2", "id", "event 11 (usage_applied, version 3 of per_019b76daa80070008000000000000001) has no id")]
    [InlineData("billing-export/1", "id", null)]
    [InlineData("billing-export/3", "an id of another", "has the id of an event before it")]
    [InlineData("billing-export/3", "an id that is none", "has no id")]
    [InlineData("billing-export/3", "an id that is a number", "has no id")]
    [InlineData("billing-export/3", "writtenAt", "does not say when it was written")]
    [InlineData("billing-export/3", "a time that is none", "does not say when it was written")]
    public void An_event_says_its_own_id_and_when_it_was_written(string format, string fault, string? finding)
    {
        var (id, time) = ($",\"id\":\"{IdOf(11)}\"", ",\"writtenAt\":\"1970-01-01T00:00:00+00:00\"");
        var check = Check(told: line =>
        {
            var l = line.Replace("billing-export/3", format, StringComparison.Ordinal);
            if (!l.Contains("\"sequence\":11,", StringComparison.Ordinal)) return l;
            Assert.Contains(id + time, l, StringComparison.Ordinal);
            return fault switch
            {
                "id" => l.Replace(id, "", StringComparison.Ordinal),
                "an id of another" => l.Replace(id, $",\"id\":\"{IdOf(9)}\"", StringComparison.Ordinal),
                "an id that is none" => l.Replace(id, ",\"id\":\"eleven\"", StringComparison.Ordinal),
                "an id that is a number" => l.Replace(id, ",\"id\":11", StringComparison.Ordinal),
                "writtenAt" => l.Replace(time, "", StringComparison.Ordinal),
                _ => l.Replace(time, ",\"writtenAt\":\"soon\"", StringComparison.Ordinal),
            };
        });
        if (finding is null) Assert.Empty(check.Findings);
        else Assert.Contains(finding, Assert.Single(check.Findings).Finding, StringComparison.Ordinal);
    }

    private static (StoredEvent Event, Document Document) Numbered(int count, string number)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"inv_019b76daa80070008{count:D15}");
        var period = string.Create(CultureInfo.InvariantCulture, $"per_019b76daa80070008{count:D15}");
        var document = Books.Document.Replace(Invoice, id, StringComparison.Ordinal).Replace(January, period, StringComparison.Ordinal).Replace("INV-000001", number, StringComparison.Ordinal);
        return (new(20 + count, id, 1, "invoice_finalized", Finalized(document, 107, number, period)), new(id, number, document));
    }

    private static VerifyExport CheckNumbers(StoredEvent[] before, params string[] numbers)
    {
        var more = numbers.Select((n, i) => Numbered(i + 2, n)).ToArray();
        return Check([.. before, .. More()], [new(Invoice, "INV-000001", Books.Document), .. more.Select(m => m.Document)]);

        IEnumerable<StoredEvent> More() => more.Select(m => m.Event);
    }

    [Theory]
    [InlineData("", "INV-000002 INV-000003")]
    [InlineData("", "INV-000003 INV-000002")]
    [InlineData("", "RE-000001 RE-2026-000001")]
    [InlineData("the number INV-000002 is missing, and a later one is given", "INV-000003")]
    [InlineData("the numbers INV-000002 to INV-000004 are missing, and a later one is given", "INV-000005")]
    [InlineData("the number INV-000004 is missing, and a later one is given", "INV-000002 INV-000003 INV-000005 INV-000006")]
    [InlineData("the number RE-000001 is missing, and a later one is given", "INV-000002 RE-000002")]
    [InlineData("the number INV-000001 is given twice", "INV-000001")]
    [InlineData("'INV-2' is no number of a series", "INV-2")]
    [InlineData("'INV-00000x' is no number of a series", "INV-00000x")]
    [InlineData("'000002' is no number of a series", "000002")]
    [InlineData("'INV-9223372036854775808' is no number of a series", "INV-9223372036854775808")]
    public void Numbers_of_a_series_have_no_gap(string finding, string numbers)
    {
        var check = CheckNumbers(True, numbers.Split(' '));
        if (finding.Length > 0) Assert.Equal([finding], check.Findings.Select(f => f.Finding));
        else Assert.Empty(check.Findings);
    }

    /// <summary>Three of another system's documents are in no books here; what was said of its last number before any was given here counts, and of that the last word.</summary>
    [Theory]
    [InlineData("", "3", "RE-000004 RE-000005")]
    [InlineData("", "9 3", "RE-000004")]
    [InlineData("", "3", "")]
    [InlineData("the number RE-000004 is missing, and a later one is given", "3", "RE-000005")]
    [InlineData("the number RE-000003 is given, and the series goes on after RE-000003", "3", "RE-000003 RE-000004")]
    [InlineData("the series INV is said to go on after INV-000004 when numbers of it were given already", "INV 4", "INV-000005")]
    [InlineData("the numbers INV-000002 to INV-000004 are missing, and a later one is given", "INV 4", "INV-000005")]
    public void A_series_that_goes_on_from_another_system_begins_after_its_last_number(string finding, string lasts, string numbers)
    {
        var (series, of) = lasts.StartsWith("INV ", StringComparison.Ordinal) ? ("INV", lasts[4..]) : ("RE", lasts);
        var continued = of.Split(' ').Select((last, i) => new StoredEvent(15 + i, "seller_a", 1 + i, "numbering_continued", $$"""{"at": "2026-01-01T00:00:00+00:00", "series": "{{series}}", "lastNumber": {{last}}}"""));
        var check = CheckNumbers([.. True, .. continued], numbers.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        if (finding.Length > 0) Told(finding, check);
        else Assert.Empty(check.Findings);
    }

    [Theory]
    [InlineData("", "1 2")]
    [InlineData("", "2 1")]
    [InlineData($"period 1 of {Subscription} is missing, and a later one is here", "2")]
    [InlineData($"periods 1 to 3 of {Subscription} are missing, and a later one is here", "4")]
    [InlineData($"period 0 of {Subscription} is opened twice", "0")]
    public void Periods_of_a_subscription_have_no_gap(string finding, string numbers)
    {
        var opened = numbers.Split(' ').Select((n, i) => new StoredEvent(15 + i, $"per_{n}{i}", 1, "period_opened", $$"""{"number": {{n}}, "subscriptionId": "{{Subscription}}"}"""));
        var check = Check([.. True, .. opened]);
        if (finding.Length > 0) Assert.Equal([finding], check.Findings.Select(f => f.Finding));
        else Assert.Empty(check.Findings);
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

    /// <summary>The second time before anything was sealed, on an invoice that demands it; and the report's lines, which no seal covers, made to fit it or taken away.</summary>
    [Theory]
    [InlineData("twice", $"report 1 of shard 3 has two lines of output tokens of {Plan} in {January}")]
    [InlineData("added up", "the lines of report 1 of shard 3 are not what its events applied")]
    [InlineData("none", null)]
    public void A_report_that_was_applied_twice_is_named_whatever_its_lines_say(string lines, string? besides)
    {
        var demanded = new ForgedBooks { Invoiced = 614 }.Document;
        var check = Check(
            [True[0], True[1], True[2] with { Data = Applied(1, 307, One) }, True[3] with { Data = """{"cut": [{"shard": 3, "number": 1}]}""" }, True[4], True[5] with { Data = Finalized(demanded, 614) }],
            [new(Invoice, "INV-000001", demanded)], reports: [1], told: l =>
            {
                if (!l.StartsWith("""{"kind":"report""", StringComparison.Ordinal)) return l;
                var (at, line) = (l.IndexOf("\"lineCount\"", StringComparison.Ordinal), l[(l.IndexOf("\"lines\":[", StringComparison.Ordinal) + 9)..^1]);
                return l[..at] + lines switch
                {
                    "twice" => $"\"lineCount\":2,\"lines\":[{line},{line}]",
                    "added up" => $"\"lineCount\":1,\"lines\":[{line.Replace("307", "614", StringComparison.Ordinal)}]",
                    _ => "\"lineCount\":1,\"lines\":null",
                };
            });
        string again = $"event 11 (usage_applied, version 3 of {January}) applies report 1 of shard 3 to {January} again";
        Assert.Equal(besides is null ? [again] : [again, besides], check.Findings.Select(f => f.Finding));
        Assert.Equal(lines == "none" ? 1 : 0, check.Notes.Count);
    }

    [Fact]
    public void Reports_without_their_lines_are_counted() => Assert.StartsWith(
        "1 of 2 reports are here without their lines", Assert.Single(Check(told: l => !l.Contains("\"number\":2,", StringComparison.Ordinal) ? l : l[..l.IndexOf("\"lines\"", StringComparison.Ordinal)] + "\"lines\":null").Notes), StringComparison.Ordinal);

    /// <summary>An import folds the events when the first report comes: what came after it would be stored and never folded.</summary>
    [Theory, InlineData("event"), InlineData("seal")]
    public void Events_and_seals_come_before_reports_and_documents(string late)
    {
        var export = Lines();
        var report = export.FindIndex(l => l.StartsWith("""{"kind":"report""", StringComparison.Ordinal));
        var moved = export.FindLastIndex(l => l.StartsWith($"{{\"kind\":\"{late}", StringComparison.Ordinal));
        (export[report], export[moved]) = (export[moved], export[report]);
        var check = new VerifyExport();
        foreach (var line in Rewritten(export, l => l)) check.Next(line);
        Told($"{(late == "seal" ? "a seal" : "an event")} stands after a report or document", check);
    }

    [Fact]
    public void Events_of_before_they_named_the_chain_are_counted() =>
        Assert.Contains("1 of 2 ", Assert.Single(Check([.. True.Select(e => e.Sequence == 10 ? e with { Data = Applied(1, 307, null) } : e)]).Notes), StringComparison.Ordinal);
}
