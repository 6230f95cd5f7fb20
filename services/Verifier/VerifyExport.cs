using System.Globalization;
using System.Text.Json;

namespace Verifier;

/// <summary>A line of an export or a proof that does not hold, and why.</summary>
/// <param name="Line">from 1; 0 is the file as a whole</param>
public sealed record ExportFinding(long Line, string Finding);

/// <summary>
/// Checks an export with nothing but its text: no service, no database, and by code that has no reference to that of the writer. What each kind of line
/// says is checked against the events it comes from, and these against their seals.
/// </summary>
/// <param name="knownHead">a chain value of the seals that was noted elsewhere, 64 hex digits: some page must have it, or the history was made anew; null without one</param>
public sealed class VerifyExport(string? knownHead = null)
{
    private const string FirstFormat = "billing-export/1", LinesFormat = "billing-export/3";
    private static readonly string Start = Convert.ToHexStringLower(HashTree.Empty);
    private static readonly string[] Formats = [FirstFormat, "billing-export/2", LinesFormat];
    private readonly List<ExportFinding> _findings = [];
    private readonly SortedDictionary<long, (byte[] Leaf, string Name, long Line)> _events = [];
    private readonly Dictionary<string, Finalized> _finalized = [];
    private readonly AppliedLines _applied = new();
    private readonly Dictionary<int, (long Number, long LastBatch, string Chain)> _reports = [];
    private readonly ReportGaps _gaps = new();
    private readonly StreamVersions _versions = new();
    private readonly DocumentNumbers _numbers = new();
    private readonly OpenedPeriods _opened = new();
    // Grows with the events, as that to which periods they brought reports does: some 60 bytes an event together. Of leaves those of one page are kept.
    private readonly HashSet<Guid> _ids = [];
    private readonly HashSet<string> _periods = [];
    private readonly List<string> _notes = [];
    private readonly HashSet<string> _invoices = [];
    private readonly Dictionary<string, (string InvoiceId, string Number, string Sha256)> _credited = [];
    private readonly HashSet<string> _creditNotes = [];
    private readonly Dictionary<string, long> _counts = [];
    private readonly Dictionary<string, long> _promised = [];
    private byte[] _hash = new byte[32];
    private byte[] _sealChain = HashTree.Empty;
    private long _line, _page, _sealedThrough, _sequence, _promisedThrough;
    private bool _hashBroken, _ended, _isFirst, _hasLines, _headSeen;

    /// <returns>nothing if every line holds</returns>
    public static IReadOnlyList<ExportFinding> Check(IEnumerable<string> lines, string? knownHead = null)
    {
        var check = new VerifyExport(knownHead);
        foreach (var line in lines) check.Next(line);
        check.Finish();
        return check._findings;
    }

    public IReadOnlyList<ExportFinding> Findings => _findings;

    /// <summary>What is not wrong, and shown by less than it might be.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>The chain value of the last page of seals, 64 hex digits: noted elsewhere, it proves later that nothing up to here was made anew.</summary>
    public string Head => Convert.ToHexStringLower(_sealChain);

    /// <summary>Events after the last page: nothing vouches for them yet.</summary>
    public long UnsealedEvents => _events.Count;

    /// <summary>The next line, for whoever reads an export once and does something else with it too.</summary>
    public void Next(string line)
    {
        _line++;
        if (_ended) { Find("a line after the end"); return; }
        var running = HashedLine.Running(_hash, line);
        // After the first broken line every later hash differs too; only the first one says where.
        if (running is null) Find("not a line of an export: it does not end with its hash");
        else if (!running.Value.Agrees && !_hashBroken) Find("altered, or a line before it was added or removed: the running hash does not hold from here on");
        _hashBroken |= running is not { Agrees: true };
        _hash = running?.Hash ?? _hash;
        try
        {
            using var json = JsonDocument.Parse(line);
            Read(json.RootElement);
        }
        catch (Exception e) when (VerifyProof.IsUnreadable(e))
        {
            Find($"cannot be read: {e.Message}");
        }
    }

    private void Read(JsonElement e)
    {
        var kind = e.GetProperty("kind").GetString()!;
        _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
        if (_line == 1 != (kind == "manifest")) Find("the manifest is the first line, and only that");
        switch (kind)
        {
            case "manifest":
                if (!Formats.Contains(e.GetProperty("format").GetString())) Find($"this verifier reads {LinesFormat} and earlier only");
                _isFirst = e.GetProperty("format").GetString() == FirstFormat;
                _hasLines = e.GetProperty("format").GetString() == LinesFormat;
                _promisedThrough = e.GetProperty("throughSequence").GetInt64();
                if (e.TryGetProperty("creditNotes", out var notes)) _promised["credit_note"] = notes.GetInt64();
                else if (!_isFirst) Find("the manifest does not say how many credit notes there are");
                foreach (var (of, name) in new[] { ("event", "events"), ("seal", "pages"), ("report", "reports"), ("invoice", "invoices") })
                    _promised[of] = e.GetProperty(name).GetInt64();
                break;
            case "event" or "seal" when _counts.Keys.Any(k => k is "report" or "invoice" or "credit_note"):
                // What these are held to, and what an import makes of them, is known of the events before them only.
                Find($"{(kind == "seal" ? "a seal" : "an event")} stands after a report or document: all events and seals come first");
                break;
            case "event": Event(e); break;
            case "seal": Seal(e); break;
            case "report": Report(e); break;
            case "invoice": Invoice(e); break;
            case "credit_note": CreditNote(e); break;
            case "end":
                _ended = true;
                if (e.GetProperty("linesBefore").GetInt64() != _line - 1) Find(Say($"{e.GetProperty("linesBefore").GetInt64()} lines were written before the end and {_line - 1} are here"));
                break;
            default: Find($"'{kind}' is no kind of line"); break;
        }
    }

    private void Event(JsonElement e)
    {
        var sequence = e.GetProperty("sequence").GetInt64();
        var type = e.GetProperty("type").GetString()!;
        if (sequence <= _sequence) Find(Say($"event {sequence} stands after event {_sequence}"));
        _sequence = sequence;
        var (stream, version, text) = (e.GetProperty("stream").GetString()!, e.GetProperty("version").GetInt64(), e.GetProperty("data").GetString()!);
        _events[sequence] = (Layout.LeafOfEvent(sequence, stream, version, type, text), Say($"event {sequence} ({type}, version {version} of {stream})"), _line);
        if (!_versions.Add(stream, version)) Find(Say($"version {version} of {stream} is here twice"));
        if (!_isFirst) Written(e, sequence);
        if (e.TryGetProperty("archived", out _)) Find($"{_events[sequence].Name} was hidden from the folds that decide where this was written: its row was marked is_archived");
        if (type is not ("invoice_finalized" or "credit_note_issued" or "usage_applied" or "period_opened" or "period_closed" or "numbering_continued")) return;
        try
        {
            using var json = JsonDocument.Parse(text);
            Event(type, stream, json.RootElement);
        }
        catch (Exception x) when (VerifyProof.IsUnreadable(x))
        {
            Find($"{_events[sequence].Name} cannot be read: {x.Message}");
        }
    }

    /// <summary>What an import stores and no seal covers: an id of its own, and a time.</summary>
    private void Written(JsonElement e, long sequence)
    {
        if (!e.TryGetProperty("id", out var id) || id.ValueKind != JsonValueKind.String || !id.TryGetGuid(out var own)) Find($"{_events[sequence].Name} has no id");
        else if (!_ids.Add(own)) Find($"{_events[sequence].Name} has the id of an event before it");
        if (!e.TryGetProperty("writtenAt", out var at) || at.ValueKind != JsonValueKind.String || !at.TryGetDateTimeOffset(out _)) Find($"{_events[sequence].Name} does not say when it was written");
    }

    private void Event(string type, string stream, JsonElement data)
    {
        switch (type)
        {
            case "usage_applied":
                if (_applied.Event(stream, data) is { } again) Find($"{_events[_sequence].Name} {again}");
                break;
            case "period_opened": Told(_opened.Opened(data.GetProperty("subscriptionId").GetString()!, data.GetProperty("number").GetInt64())); break;
            case "numbering_continued": Told(_numbers.Continued(data.GetProperty("series").GetString()!, data.GetProperty("lastNumber").GetInt64())); break;
            case "period_closed":
                foreach (var cut in data.GetProperty("cut").EnumerateArray()) _gaps.Complete(cut.GetProperty("shard").GetInt32(), cut.GetProperty("number").GetInt64());
                break;
            case "invoice_finalized":
                var finalized = Finalized.Of(data);
                // The first one is what was demanded, whatever was said later.
                if (!_finalized.TryAdd(stream, finalized)) { Find($"{stream} was final already"); break; }
                if (!_periods.Add(finalized.PeriodId)) Find($"{finalized.PeriodId} is invoiced twice");
                Told(_numbers.Given(finalized.Number));
                break;
            case "credit_note_issued":
                var (note, number) = (data.GetProperty("creditNoteId").GetString()!, data.GetProperty("number").GetString()!);
                if (!_credited.TryAdd(note, (stream, number, data.GetProperty("documentSha256").GetString()!))) Find($"{note} was issued already");
                else Told(_numbers.Given(number));
                break;
        }
    }

    private void Seal(JsonElement e)
    {
        var number = e.GetProperty("page").GetInt64();
        var sequences = e.GetProperty("sequences").EnumerateArray().Select(s => s.GetInt64()).ToArray();
        var leaves = e.GetProperty("leaves").EnumerateArray().Select(l => Convert.FromHexString(l.GetString()!)).ToArray();
        var (root, previous) = (Convert.FromHexString(e.GetProperty("root").GetString()!), Convert.FromHexString(e.GetProperty("previousChain").GetString()!));
        if (number != ++_page) Find(Say($"page {_page} was expected here, not {number}"));
        if (!previous.AsSpan().SequenceEqual(_sealChain)) Find(Say($"page {number} does not follow the page before it"));
        if (sequences.Length != leaves.Length || !HashTree.Root(leaves).AsSpan().SequenceEqual(root)) Find(Say($"the leaves of page {number} do not give its root"));
        _sealChain = HashTree.Link(previous, number, root);
        if (Convert.ToHexStringLower(_sealChain) != e.GetProperty("chain").GetString()) Find(Say($"the chain value of page {number} does not hold"));
        _headSeen |= Head == knownHead;
        _page = number;
        foreach (var (sequence, leaf) in sequences.Zip(leaves))
        {
            if (!_events.Remove(sequence, out var found)) Find(Say($"event {sequence} is sealed in page {number} and missing"));
            else if (!found.Leaf.AsSpan().SequenceEqual(leaf)) Find($"{found.Name} is not what was sealed", found.Line);
        }
        var through = sequences.LastOrDefault(_sealedThrough);
        foreach (var added in _events.TakeWhile(x => x.Key <= through).ToArray())
        {
            Find($"{added.Value.Name} was added after its page was sealed", added.Value.Line);
            _events.Remove(added.Key);
        }
        _sealedThrough = through;
    }

    private void Report(JsonElement e)
    {
        var (shard, number, batch) = (e.GetProperty("shard").GetInt32(), e.GetProperty("number").GetInt64(), e.GetProperty("firstBatch").GetInt64());
        var (previous, chain) = (e.GetProperty("previousChain").GetString()!, e.GetProperty("chain").GetString()!);
        var before = _reports.GetValueOrDefault(shard, (Number: 0, LastBatch: 0, Chain: Start));
        if (number <= before.Number) Find(Say($"report {number} of shard {shard} is here twice, or after a later one"));
        else _gaps.Report(shard, number);
        if (before.Number + 1 == number && (before.Chain != previous || before.LastBatch + 1 != batch))
            Find(Say($"report {number} of shard {shard} does not follow the one before it"));
        var value = Convert.FromHexString(previous);
        foreach (var root in e.GetProperty("roots").EnumerateArray()) value = HashTree.Link(value, batch++, Convert.FromHexString(root.GetString()!));
        if (batch - 1 != e.GetProperty("lastBatch").GetInt64()) Find(Say($"report {number} of shard {shard} has not one root per batch"));
        if (Convert.ToHexStringLower(value) != chain) Find(Say($"the chain of report {number} of shard {shard} does not hold"));
        _reports[shard] = (number, batch - 1, chain);
        var lines = _hasLines ? e.GetProperty("lines") : default;
        if (lines.ValueKind == JsonValueKind.Array && lines.GetArrayLength() != e.GetProperty("lineCount").GetInt32())
            Find(Say($"report {number} of shard {shard} had {e.GetProperty("lineCount").GetInt32()} lines and {lines.GetArrayLength()} are here"));
        if (_applied.Difference(shard, number, chain, lines) is { } difference) Find(difference);
    }

    private void Invoice(JsonElement e)
    {
        var (id, number, document) = (e.GetProperty("invoiceId").GetString()!, e.GetProperty("number").GetString()!, e.GetProperty("document").GetString()!);
        if (!_invoices.Add(id)) Find($"{id} is here twice");
        if (HashedLine.Sha256(document) != e.GetProperty("sha256").GetString()) Find($"the document of {number} does not have the hash beside it");
        if (!_finalized.TryGetValue(id, out var finalized)) Find($"no event finalized {id}");
        else if (finalized.Number != number || finalized.Sha256 != HashedLine.Sha256(document)) Find($"the document of {number} is not the one that was finalized");
        else if (finalized.DifferenceTo(document) is { } difference) Find($"{difference} of {number} in the event that finalized it, and the document has another one");
        if (DocumentSums.FirstDifferenceOfInvoice(document) is { } sum) Find($"the document of {number} does not add up: {sum}");
    }

    private void CreditNote(JsonElement e)
    {
        var (id, number, document) = (e.GetProperty("creditNoteId").GetString()!, e.GetProperty("number").GetString()!, e.GetProperty("document").GetString()!);
        if (!_creditNotes.Add(id)) Find($"{id} is here twice");
        if (HashedLine.Sha256(document) != e.GetProperty("sha256").GetString()) Find($"the document of {number} does not have the hash beside it");
        if (!_credited.TryGetValue(id, out var issued)) Find($"no event issued {id}");
        else if (issued != (e.GetProperty("invoiceId").GetString()!, number, HashedLine.Sha256(document))) Find($"the document of {number} is not the one that was issued");
        if (DocumentSums.FirstDifferenceOfCreditNote(document) is { } sum) Find($"the document of {number} does not add up: {sum}");
    }

    public void Finish()
    {
        if (!_ended) Find("the export is cut off: its last line is missing", 0);
        foreach (var (kind, promised) in _promised)
            if (_counts.GetValueOrDefault(kind) != promised) Find(Say($"the manifest promises {promised} {kind} lines and {_counts.GetValueOrDefault(kind)} are here"), 0);
        var undocumented = _credited.Where(c => !_creditNotes.Contains(c.Key)).ToArray();
        if (!_isFirst || _creditNotes.Count > 0)
            foreach (var missing in undocumented) Find($"the document of {missing.Value.Number} is missing", 0);
        else if (undocumented.Length > 0)
            _notes.Add(Say($"{undocumented.Length} of {_credited.Count} credit notes were issued and their documents are not here: {FirstFormat} holds none, and a newer export of these books does"));
        foreach (var missing in _finalized.Where(f => !_invoices.Contains(f.Key))) Find($"the document of {missing.Value.Number} is missing", 0);
        foreach (var (stream, version) in _versions.Missing) Find(Say($"version {version} of {stream} is missing, and a later one is here"), 0);
        foreach (var missing in _numbers.Missing.Concat(_opened.Missing)) Find(missing, 0);
        if (_promisedThrough != _sequence) Find(Say($"the manifest says that the log goes through event {_promisedThrough}, and the last one here is event {_sequence}"), 0);
        foreach (var (told, isFinding) in _gaps.Told())
        {
            if (isFinding) Find(told, 0);
            else _notes.Add(told);
        }
        if (_applied.EventsWithoutChain > 0)
            _notes.Add(Say($"{_applied.EventsWithoutChain} of {_applied.Events} usage_applied events are from before they named the chain of their report: nothing but its lines ties such a report to the seals"));
        if (_applied.Reports is (var without and > 0, var all))
            _notes.Add(Say($"{without} of {all} reports are here without their lines, as they were applied or exported by an older billing: nothing but the chain value that events name ties what was applied to them"));
        foreach (var (shard, number) in _applied.WithoutReport) Find(Say($"events applied report {number} of shard {shard}, which is missing"), 0);
        if (knownHead is not null && !_headSeen) Find($"no page of seals has the chain value {knownHead}: the history was made anew since it was noted, or it is of other books", 0);
    }

    private void Told(string? finding)
    {
        if (finding is not null) Find(finding);
    }

    private void Find(string finding, long? line = null) => _findings.Add(new(line ?? _line, finding));

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
