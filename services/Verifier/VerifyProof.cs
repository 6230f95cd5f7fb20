using System.Globalization;
using System.Text.Json;

namespace Verifier;

/// <summary>What a proof shows of one row of usage, in one sentence.</summary>
/// <param name="GenerationId">empty for a correction of a whole period</param>
/// <param name="CorrectionId">empty for what a runtime reported</param>
/// <param name="InvoiceNumber">empty where no final invoice is shown that has all of it</param>
public sealed record ProvenRow(string GenerationId, long Sequence, string CorrectionId, string InvoiceNumber, string Statement);

/// <summary>
/// Checks a proof of usage rows with nothing but its text: each row's leaf in its batch, the batch in a report, the report in an event, the event in a sealed page, the
/// pages up to the head of the chain, and the tokens of all events of the period on the invoice, whose document has the hash that its own sealed event names.
/// </summary>
/// <param name="knownHead">a chain value of the seals that was noted elsewhere, 64 hex digits: the proof must lead to it; null without one</param>
public sealed class VerifyProof(string? knownHead = null)
{
    public const string FirstLine = """{"format":"billing-proof/2","items":[""";
    private const string Older = "billing-proof/1";
    private readonly List<ExportFinding> _findings = [];
    private readonly List<(long Line, ProofRow Row)> _rows = [];
    private readonly Dictionary<(int, long), ProofReport> _reports = [];
    private readonly List<(long Line, ProofEvent Event)> _events = [];
    private readonly Dictionary<string, ProofInvoice> _invoices = [];
    private readonly List<string> _notes = [];
    private readonly HashSet<string> _noted = [];
    private (long Line, ProofSeals Seals)? _seals;
    private byte[] _hash = new byte[32];
    private long _line;
    private bool _hashBroken, _ended;

    public IReadOnlyList<ExportFinding> Findings => _findings;

    /// <summary>What is not wrong, and shown by less than it might be.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>What the proof shows; to be believed only without findings.</summary>
    public IReadOnlyList<ProvenRow> Proven { get; private set; } = [];

    /// <summary>The chain value that the proof leads to, 64 hex digits.</summary>
    public string Head { get; private set; } = "";

    public static VerifyProof Check(IEnumerable<string> lines, string? knownHead = null)
    {
        var check = new VerifyProof(knownHead);
        var all = lines.ToArray();
        for (var i = 0; i < all.Length; i++) check.Next(all[i], isFirst: i == 0, isLast: i == all.Length - 1, isLastItem: i == all.Length - 2);
        check.Conclude();
        return check;
    }

    private void Next(string line, bool isFirst, bool isLast, bool isLastItem)
    {
        _line++;
        if (isFirst || isLast)
        {
            if (isFirst && line.Contains(Older, StringComparison.Ordinal)) Find($"a {Older} does not hold every event of its periods, so that one may be left out: ask for the proof again");
            else if (line != (isFirst ? FirstLine : "]}")) Find($"a proof's {(isFirst ? "first" : "last")} line is {(isFirst ? FirstLine : "]}")}");
            return;
        }
        if (_ended) { Find("a line after the end"); return; }
        if (!isLastItem && !line.EndsWith(',')) Find("the comma at its end is missing");
        if (!isLastItem && line.Length > 0) line = line[..^1];
        var running = HashedLine.Running(_hash, line);
        if (running is null) Find("not a line of a proof: it does not end with its hash");
        else if (!running.Value.Agrees && !_hashBroken) Find("altered, or a line before it was added or removed: the running hash does not hold from here on");
        _hashBroken |= running is not { Agrees: true };
        _hash = running?.Hash ?? _hash;
        try
        {
            using var json = JsonDocument.Parse(line);
            Read(json.RootElement);
        }
        catch (Exception e) when (IsUnreadable(e))
        {
            Find($"cannot be read: {e.Message}");
        }
    }

    private void Read(JsonElement e)
    {
        switch (e.GetProperty("kind").GetString())
        {
            case "row": _rows.Add((_line, ProofRow.Of(e))); break;
            case "report":
                var report = ProofReport.Of(e);
                if (report.Fault() is { } fault) Find(fault);
                if (!_reports.TryAdd((report.Shard, report.Number), report)) Find(Say($"report {report.Number} of shard {report.Shard} is here twice"));
                break;
            case "event": _events.Add((_line, ProofEvent.Of(e))); break;
            case "invoice":
                var invoice = ProofInvoice.Of(e);
                if (_invoices.Values.Any(i => i.PeriodId == invoice.PeriodId) || !_invoices.TryAdd(invoice.InvoiceId, invoice)) Find($"the invoice of {invoice.PeriodId} is here twice");
                break;
            case "seals":
                if (_seals is not null) Find("the seals are here twice");
                _seals = (_line, ProofSeals.Of(e));
                break;
            case "end":
                _ended = true;
                // The first line counts too.
                if (e.GetProperty("linesBefore").GetInt64() != _line - 2) Find(Say($"{e.GetProperty("linesBefore").GetInt64()} items were written before the end and {_line - 2} are here"));
                break;
            case var kind: Find($"'{kind}' is no kind of line"); break;
        }
    }

    private void Conclude()
    {
        if (!_ended) Find("the proof is cut off: its end is missing", 0);
        if (_rows.Count == 0) Find("the proof has no row of usage", 0);
        Seals();
        var books = Books();
        foreach (var (id, invoice) in _invoices)
        {
            try
            {
                if (books.Of(id).Where(e => e.Type == "invoice_finalized").MinBy(e => e.Version) is not { } final) Find($"no event finalized {invoice.Number}", 0);
                else if (invoice.DifferenceTo(final) is { } difference) Find(difference, 0);
            }
            catch (Exception e) when (IsUnreadable(e))
            {
                Find($"what finalized {invoice.Number} cannot be read: {e.Message}", 0);
            }
        }
        var proven = new List<ProvenRow>();
        foreach (var (line, row) in _rows)
        {
            try
            {
                proven.Add(Follow(line, row, books));
            }
            catch (Exception e) when (IsUnreadable(e))
            {
                Find($"cannot be followed: {e.Message}", line);
            }
        }
        Proven = proven;
    }

    /// <summary>
    /// The events, each once. Of no stream one is left out before the last that is shown: without an amendment, an invoice that does not know of it would seem right.
    /// </summary>
    private ProofBooks Books()
    {
        var (books, versions, sequences, finals) = (new ProofBooks(), new StreamVersions(), new HashSet<long>(), new HashSet<string>());
        foreach (var (line, e) in _events)
        {
            if (!sequences.Add(e.Sequence) || !versions.Add(e.Stream, e.Version)) { Find($"{e.Name} is here twice, or another of its number is", line); continue; }
            if (!books.Add(e)) Find(Say($"{e.Name} applies report {e.Usage!.Report} of shard {e.Usage.Shard} again"), line);
            if (e.Type == "invoice_finalized" && !finals.Add(e.Stream)) Find($"{e.Stream} was final already: {e.Name} is another word on it", line);
        }
        foreach (var (stream, version) in versions.Missing) Find(Say($"version {version} of {stream} is missing, and a later one is here: the proof leaves an event out"), 0);
        return books;
    }

    private void Seals()
    {
        if (_seals is not { } seals)
        {
            Find("the proof has no seals", 0);
            return;
        }
        Head = seals.Seals.Head;
        if (seals.Seals.Fault() is { } fault) Find(fault, seals.Line);
        var known = knownHead is null ? null : seals.Seals.PageOf(knownHead);
        if (known is { } page && _events.Count(e => e.Event.Page > page) is var later and > 0)
            _notes.Add(Say($"{later} of its events were sealed after the head that was given: compare {Head} too, with one that is noted from now on"));
        if (knownHead is not null && known is null)
            Find(Say($"the seals do not lead to {knownHead}: they were made anew since it was noted, or the proof is older than it, or it was noted before page {seals.Seals.FirstPage}, where this proof begins (compare a later head, or verify an export with it)"), seals.Line);
        foreach (var (line, e) in _events)
        {
            if (seals.Seals.RootOf(e.Page) is not { } root) Find($"{e.Name} says that it is in a page that the proof does not have", line);
            else if (HashTree.RootOf(e.Leaves, e.Index, e.Leaf, e.Path) is not { } found || !found.AsSpan().SequenceEqual(root)) Find(Say($"{e.Name} is not what was sealed in page {e.Page}"), line);
        }
    }

    private ProvenRow Follow(long line, ProofRow row, ProofBooks books)
    {
        var correction = row.Row.Correction;
        // Every correction has the sequence of the prompt.
        var name = correction is null
            ? Say($"sequence {row.Row.Sequence} of {row.Row.GenerationId}")
            : $"correction {correction.CorrectionId} of {(row.Row.GenerationId.Length > 0 ? row.Row.GenerationId : row.Row.PeriodId)}";
        if (!_reports.TryGetValue((row.Shard, row.Report), out var report))
        {
            Find(Say($"report {row.Report} of shard {row.Shard} is missing"), line);
            return Shown("", name);
        }
        if (report.RootOf(row.Batch) is not { } root) Find(Say($"report {row.Report} of shard {row.Shard} does not cover batch {row.Batch}"), line);
        else if (HashTree.RootOf(row.Rows, row.Ordinal, Layout.LeafOfRow(row.Row), [.. row.Path]) is not { } found || !found.AsSpan().SequenceEqual(root))
            Find(Say($"{name} is not row {row.Ordinal} of batch {row.Batch} of shard {row.Shard}: the leaf of these fields does not lead to its root"), line);

        var period = row.Row.PeriodId;
        var tokensSaid = string.Join(", ", row.Row.Tokens.Where(t => t.Tokens != 0).Select(t => Say($"{t.Tokens} {t.Kind}")));
        var by = correction is null ? "" : $", by {correction.Author} because \"{correction.Reason}\",";
        var recorded = Say($"{name} ({(tokensSaid.Length == 0 ? "no tokens" : tokensSaid)}){by} is row {row.Ordinal} of batch {row.Batch} in report {row.Report} of shard {row.Shard}");
        if (books.Of(period).FirstOrDefault(e => e.Type == "period_opened") is not { } opened) Find($"no event opened {period}", line);
        else if (opened.Data(d => d.Text("subscriptionId")) is var owner && owner != row.Row.SubscriptionId) Find($"{period} belongs to {owner}, and {name} is of {row.Row.SubscriptionId}", line);
        // A report leaves out what adds up to nothing, and a report without a line of the period brings it no event.
        if (!report.LinesOf(period).Any() && books.Applied(period, row.Shard, row.Report) is null)
        {
            // The chain of reports does not cover their lines: whoever left out a line, and the events after it, would show the same.
            if (tokensSaid.Length > 0) Note(NoLine(name, tokensSaid, row));
            return Shown("", $"{recorded}; no line of {period} in it is shown, nor an event that names it");
        }
        if (books.Applied(period, row.Shard, row.Report) is not { } applied)
        {
            Find(Say($"no event of {period} applied report {row.Report} of shard {row.Shard}"), line);
            return Shown("", name);
        }
        if (!report.LinesOf(period).SequenceEqual(applied.Usage!.Lines)) Find($"{applied.Name} did not apply what its report says", line);
        var chain = Convert.ToHexStringLower(report.Chain);
        var named = applied.Usage!.Chain;
        if (named is not null && named != chain) Find(Say($"report {row.Report} of shard {row.Shard} has the chain value {chain} and its event names {named}: it is not the report that was applied"), line);
        var tie = named is null ? " (by its lines only: the event is from before events named the chain of their report, so nothing shows that usage recorded this very row)" : "";
        var statement = Say($"{recorded}, applied by event {applied.Sequence} to {period}{tie}");
        // A line is the sum of all rows of its plan and kind: what stands on no line was taken back in the same report, or was left out with the events that came of it.
        var unsaid = row.Row.Tokens.Where(t => t.Tokens != 0 && !report.Lines.ContainsKey((period, row.Row.PlanId, t.Kind))).Select(t => Say($"{t.Tokens} {t.Kind}")).ToArray();
        if (unsaid.Length > 0) Note(NoLine(name, string.Join(", ", unsaid), row));
        var where = books.InvoicesOf(applied);
        if (where is { InvoicePeriodId: null, IsLate: false } && _invoices.Values.FirstOrDefault(i => i.PeriodId == period) is { } early) Find($"{early.Number} is final, and no event closed {period}", line);
        if (where.InvoicePeriodId is null || _invoices.Values.FirstOrDefault(i => i.PeriodId == where.InvoicePeriodId) is not { } invoice)
        {
            Note(Say($"no final invoice with the tokens of event {applied.Sequence} is shown: there is none yet, or what came after version {books.Of(period).Max(e => e.Version)} of {period}, or its invoice, was left out. A proof cannot say which: ask for a new one"));
            return Shown("", $"{statement}; no final invoice is shown here");
        }
        if (invoice.SubscriptionId != row.Row.SubscriptionId) Find($"{invoice.Number} belongs to {invoice.SubscriptionId}, and {name} is of {row.Row.SubscriptionId}", line);
        var lines = books.Tokens(invoice, period, where.IsLate);
        // Of every kind that either has: what no event brought is not to be demanded either.
        foreach (var kind in where.Tokens.Keys.Union(lines.Keys).Order(StringComparer.Ordinal))
            if ((Expected: where.Tokens.GetValueOrDefault(kind), Demanded: lines.GetValueOrDefault(kind)) is var (expected, demanded) && demanded != expected)
                Find(Say($"events bring {expected} {kind} tokens of {period} to {invoice.Number}, and its lines say {demanded}"), line);
        if (unsaid.Length > 0) return Shown("", $"{statement}, in which no line of {row.Row.PlanId} has its {string.Join(" and ", unsaid)}: nothing shows that they are on {invoice.Number}");
        return Shown(invoice.Number, Say($"{statement}, counted among {where.Tokens.Values.Sum()} tokens on {invoice.Number}{(where.IsLate ? " as late usage" : "")}{VoidSince(invoice, books)}"));

        ProvenRow Shown(string invoiceNumber, string statement) => new(row.Row.GenerationId, row.Row.Sequence, correction?.CorrectionId ?? "", invoiceNumber, statement);
    }

    private static string NoLine(string name, string tokens, ProofRow row) =>
        Say($"{name} has tokens, and no line of report {row.Report} of shard {row.Shard} is shown that has them ({tokens} of {row.Row.PlanId}): not shown either is a correction in the same report that took them back");

    /// <summary>What is void demands nothing, and neither does any other invoice of its period. Whoever left the void out, or proved before it, shows none: that is said.</summary>
    private string VoidSince(ProofInvoice invoice, ProofBooks books)
    {
        if (books.Of(invoice.InvoiceId).FirstOrDefault(e => e.Type == "invoice_voided") is { } voided)
            return Say($", which is void since {voided.Data(d => d.GetProperty("at").GetDateTimeOffset()):u}: it demands nothing");
        Note($"no void of {invoice.Number} is shown: whether it was voided or credited later, a proof cannot say");
        return "";
    }

    /// <summary>Once, however many rows it is about.</summary>
    private void Note(string note)
    {
        if (_noted.Add(note)) _notes.Add(note);
    }

    internal static bool IsUnreadable(Exception e) => e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException or OverflowException;

    private void Find(string finding, long? line = null) => _findings.Add(new(line ?? _line, finding));

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
