using System.Globalization;
using System.Text.Json;
using Billing.Audit;
using Billing.Operations;
using Billing.Periods;
using Billing.Sellers;
using Billing.Webhooks;
using JasperFx.Events;
using Marten;
using Npgsql;
using Verifier;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>What an import brought.</summary>
/// <param name="CustomersWithoutDetails">customers whose names and addresses were recorded where the export was made: they are not in it</param>
/// <param name="UnsealedEvents">of the events, those after the last page of seals: nothing vouches for them but the file, and they are sealed here from now on</param>
/// <param name="Notes">what the export shows by less than it might</param>
/// <param name="Faults">streams that cannot be folded, and at which event: they are stored as they were, and have no view</param>
public sealed record ImportedBooks(
    long Events, long Pages, long Reports, long Invoices, long CreditNotes, long CustomersWithoutDetails, long UnsealedEvents, IReadOnlyList<string> Notes, IReadOnlyList<string> Faults)
{
    /// <summary>What it brought and what it could not bring, for people.</summary>
    public IEnumerable<string> Told(string from)
    {
        yield return string.Create(CultureInfo.InvariantCulture, $"{Events:N0} events, {Events - UnsealedEvents:N0} of them in {Pages:N0} sealed pages, {Reports:N0} reports, {Invoices:N0} invoices and {CreditNotes:N0} credit notes are imported from {from}");
        yield return string.Create(CultureInfo.InvariantCulture, $"not in an export: names and addresses ({CustomersWithoutDetails:N0} customers have some: copy billing.personal_details or record them again), idempotency keys, parked messages, secrets of webhook endpoints (billing webhook rotate makes new ones)");
        if (UnsealedEvents > 0)
            yield return string.Create(CultureInfo.InvariantCulture, $"{UnsealedEvents:N0} events came without a seal: nothing but this file vouches for them, whatever head was given, and they are sealed here as they are; books_imported says so");
        foreach (var note in Notes) yield return note;
        foreach (var fault in Faults) yield return $"no view of it was made: {fault}";
        yield return "start billing, then prove it with: billing audit replay, billing audit verify";
    }
}

/// <summary>
/// Raises the books in an empty store from an export: every event with its id, sequence, stream, version, time and body as it was, the seals over them, the
/// documents byte for byte, and views folded from them; after them one of its own that says so. One transaction, under the lock of the elected daemon: a file that does not hold leaves nothing
/// behind, and no instance projects or publishes half of it. Nothing that was published is published again.
/// </summary>
public sealed class BooksImport
{
    private const int EventsAtOnce = 2_000;
    private readonly DocumentStore _store;
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;
    private readonly Dictionary<string, string> _dotnetTypes;
    private readonly List<StoredEvent> _events = [];
    private readonly List<object> _documents = [];
    private readonly SortedDictionary<int, (long Through, long Highest)> _shards = [];
    private readonly Dictionary<string, long> _numbers = [];
    private readonly ImportedViews _views = new();
    private IReadOnlyList<string> _notes = [];
    private long _eventCount, _lastSequence, _pages, _reports, _invoices, _creditNotes, _line, _unsealed;

    private BooksImport(DocumentStore store, NpgsqlTransaction transaction)
    {
        (_store, _connection, _transaction) = (store, transaction.Connection!, transaction);
        _dotnetTypes = ((IReadOnlyStoreOptions)store.Options).Events.AllKnownEventTypes().ToDictionary(t => t.EventTypeName, t => t.DotNetTypeName);
    }

    /// <param name="connectionString">of the role that owns the schema billing; no instance may run on it</param>
    /// <param name="lines">of an export</param>
    /// <param name="by">who ordered it, and why</param>
    /// <param name="knownHead">a chain value of the seals that was noted elsewhere, 64 hex digits: the export must have it; null without one</param>
    /// <exception cref="RefusedException">actor_missing, store_not_empty, billing_running, export_invalid, export_too_old, event_type_unknown, or stream_corrupt where what issued a document or continued a series cannot be read; nothing was imported.</exception>
    public static async Task<ImportedBooks> RunAsync(string connectionString, IEnumerable<string> lines, Attribution by, CancellationToken ct, string? knownHead = null)
    {
        OfflineOperations.Demand(by);
        await using var store = await BillingStore.OpenAsync(connectionString);
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var import = new BooksImport(store, transaction);
        await import.TakeEmptyStore(ct);
        await import.Read(lines, knownHead, ct);
        var imported = await import.Finish(ct);
        await using (var session = import.Session())
            await OfflineOperations.Keep(session, connection, new BooksImported(imported.Events, import._lastSequence, OfflineOperations.Now, imported.UnsealedEvents), by, ct);
        await transaction.CommitAsync(ct);
        return imported;
    }

    /// <summary>Where only the service's own image reaches the database: its binary with --import FILE [--head HEX], into Billing__Postgres. 0 done, 1 refused.</summary>
    public static async Task<int> FromEnvironmentAsync(string file, string? knownHead = null)
    {
        try
        {
            var options = new ConfigurationBuilder().AddEnvironmentVariables().Build().GetSection(BillingOptions.Section).Get<BillingOptions>() ?? new();
            foreach (var line in (await RunAsync(options.Postgres, File.ReadLines(file), OfflineOperations.FromEnvironment(), default, knownHead)).Told(file)) await Console.Out.WriteLineAsync(line);
            return 0;
        }
        catch (Exception e) when (e is RefusedException or NpgsqlException or IOException)
        {
            await Console.Error.WriteLineAsync($"billing: {e.Message}");
            return 1;
        }
    }

    private async Task TakeEmptyStore(CancellationToken ct)
    {
        await BillingStore.TakeAlone(_connection, ct);
        if (await Scalar<bool>("select exists (select from billing.mt_events)", ct))
            throw new Refusal("store_not_empty", "this billing system has events of its own: import into an empty one, whose schema billing has no events").AsException();
    }

    private async Task Read(IEnumerable<string> lines, string? knownHead, CancellationToken ct)
    {
        var check = new VerifyExport(knownHead);
        foreach (var line in lines)
        {
            check.Next(line);
            _line++;
            Refuse(check.Findings);
            using var json = JsonDocument.Parse(line);
            await Take(json.RootElement, ct);
        }
        check.Finish();
        Refuse(check.Findings);
        (_notes, _unsealed) = (check.Notes, check.UnsealedEvents);
    }

    private static void Refuse(IReadOnlyList<ExportFinding> findings)
    {
        if (findings is not [var first, ..]) return;
        var where = first.Line == 0 ? "the file" : FormattableString.Invariant($"line {first.Line}");
        throw new Refusal("export_invalid", $"{where}: {first.Finding}. Nothing was imported: take the file again from where it was written").AsException();
    }

    /// <summary>What the verifier does not look at may still be of a form that nothing can be stored from.</summary>
    private T Form<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException)
        {
            Refuse([new(_line, $"cannot be read: {e.Message}")]);
            throw;
        }
    }

    private async Task Take(JsonElement line, CancellationToken ct)
    {
        string Text(string name) => line.GetProperty(name).GetString()!;
        switch (Text("kind"))
        {
            case "manifest":
                if (Text("format") is not (ExportFormat.Version or ExportFormat.WithoutLines))
                    throw new Refusal("export_too_old", $"a {Text("format")} does not hold the ids of events: write a {ExportFormat.Version} with a newer billing, and import that").AsException();
                break;
            case "event": await Event(line, ct); break;
            case "seal":
                await FlushEvents(ct);
                await Seal(line, ct);
                break;
            // All events come before these: what the documents belong to is known.
            case "report":
                await FoldEvents(ct);
                Report(line);
                break;
            case "invoice":
                await FoldEvents(ct);
                _documents.Add(_views.Invoice(Text("invoiceId"), Text("document")));
                Count(Text("number"));
                _invoices++;
                break;
            case "credit_note":
                await FoldEvents(ct);
                _documents.Add(_views.CreditNote(Text("creditNoteId"), Text("document")));
                Count(Text("number"));
                _creditNotes++;
                break;
        }
        if (_documents.Count >= EventsAtOnce) await SaveDocuments(ct);
    }

    private async Task Event(JsonElement e, CancellationToken ct)
    {
        var stored = Form(() => new StoredEvent(
            e.GetProperty("sequence").GetInt64(), e.GetProperty("stream").GetString()!, e.GetProperty("version").GetInt64(), e.GetProperty("type").GetString()!, e.GetProperty("data").GetString()!)
        {
            Id = e.GetProperty("id").GetGuid(), WrittenAt = e.GetProperty("writtenAt").GetDateTimeOffset(),
        });
        if (!_dotnetTypes.ContainsKey(stored.Type) && stored.Type != TombstoneType)
            throw new Refusal("event_type_unknown", $"{stored.Name} is of a type that this billing does not know: import with the version that wrote the export, or a later one").AsException();
        if (stored.Type == NumberingType) Count(Continued(stored));
        _events.Add(stored);
        (_eventCount, _lastSequence) = (_eventCount + 1, stored.Sequence);
        if (_events.Count >= EventsAtOnce) await FlushEvents(ct);
    }

    private static NumberingContinued Continued(StoredEvent stored)
    {
        try
        {
            return JsonSerializer.Deserialize<NumberingContinued>(stored.Data, JsonSerializerOptions.Web) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw CorruptStreamException.Unreadable(stored.Name, e).Refusal("which number is next is not known without it, and nothing was imported").AsException();
        }
    }

    private static readonly string TombstoneType = typeof(Tombstone).GetEventTypeName(), NumberingType = typeof(NumberingContinued).GetEventTypeName();

    private async Task FlushEvents(CancellationToken ct)
    {
        if (_events.Count == 0) return;
        var streams = _events.GroupBy(e => e.Stream).Select(g => (Id: g.Key, Version: g.Max(e => e.Version), First: g.Min(e => e.WrittenAt), Last: g.Max(e => e.WrittenAt))).ToArray();
        await Execute("""
            insert into billing.mt_streams (id, version, created, timestamp) select * from unnest($1, $2, $3, $4)
            on conflict (id) do update set version = excluded.version, timestamp = excluded.timestamp
            """, ct, streams.Select(s => s.Id).ToArray(), streams.Select(s => s.Version).ToArray(), streams.Select(s => s.First).ToArray(), streams.Select(s => s.Last).ToArray());
        await Execute("""
            insert into billing.mt_events (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type)
            select seq_id, id, stream_id, version, data::jsonb, type, written_at, dotnet_type from unnest($1, $2, $3, $4, $5, $6, $7, $8) as e(seq_id, id, stream_id, version, data, type, written_at, dotnet_type)
            """, ct, _events.Select(e => e.Sequence).ToArray(), _events.Select(e => e.Id).ToArray(), _events.Select(e => e.Stream).ToArray(), _events.Select(e => e.Version).ToArray(),
            _events.Select(e => e.Data).ToArray(), _events.Select(e => e.Type).ToArray(), _events.Select(e => e.WrittenAt).ToArray(), _events.Select(e => _dotnetTypes.GetValueOrDefault(e.Type)).ToArray());
        _events.Clear();
    }

    private async Task Seal(JsonElement s, CancellationToken ct)
    {
        byte[] Hex(string name) => Convert.FromHexString(s.GetProperty(name).GetString()!);
        var page = Form(() => (
            Number: s.GetProperty("page").GetInt64(), Sequences: s.GetProperty("sequences").EnumerateArray().Select(x => x.GetInt64()).ToArray(),
            Leaves: s.GetProperty("leaves").EnumerateArray().SelectMany(l => Convert.FromHexString(l.GetString()!)).ToArray(), Root: Hex("root"), Previous: Hex("previousChain"), Chain: Hex("chain")));
        var last = Form(() => page.Sequences[^1]);
        await Execute("""
            insert into billing.seal (page, from_sequence, to_sequence, sequences, leaves, root, previous_chain, chain)
            values ($1, (select coalesce(max(to_sequence), 0) + 1 from billing.seal), $2, $3, $4, $5, $6, $7)
            """, ct, page.Number, last, page.Sequences, page.Leaves, page.Root, page.Previous, page.Chain);
        _pages++;
    }

    private void Report(JsonElement r)
    {
        var report = Form(() =>
        {
            var (shard, number) = (r.GetProperty("shard").GetInt32(), r.GetProperty("number").GetInt64());
            return new AppliedReport(
                AppliedReport.IdOf(shard, number), shard, number, r.GetProperty("firstBatch").GetInt64(), r.GetProperty("lastBatch").GetInt64(), r.GetProperty("previousChain").GetString()!,
                r.GetProperty("roots").EnumerateArray().Select(x => x.GetString()!).ToValueList(), r.GetProperty("chain").GetString()!, r.GetProperty("recordedAt").GetDateTimeOffset(),
                r.GetProperty("lineCount").GetInt32(), Lines(r));
        });
        _documents.Add(report);
        var before = _shards.GetValueOrDefault(report.Shard);
        _shards[report.Shard] = (report.Number == before.Through + 1 ? report.Number : before.Through, report.Number);
        _reports++;
    }

    private static ValueList<ReportedLine>? Lines(JsonElement report) =>
        report.TryGetProperty("lines", out var lines) && lines.ValueKind == JsonValueKind.Array ? lines.Deserialize<ReportedLine[]>(JsonSerializerOptions.Web)!.ToValueList() : null;

    /// <summary>A number that was given: its series goes on after the highest.</summary>
    private void Count(string number)
    {
        var dash = number.LastIndexOf('-');
        var (series, count) = (number[..dash], long.Parse(number.AsSpan(dash + 1), CultureInfo.InvariantCulture));
        _numbers[series] = Math.Max(count, _numbers.GetValueOrDefault(series));
    }

    /// <summary>A number that another system gave: likewise. Events come before documents, and the last word counts.</summary>
    private void Count(NumberingContinued continued) => _numbers[continued.Series] = continued.LastNumber;

    private async Task FoldEvents(CancellationToken ct)
    {
        if (_views.AreFolded) return;
        await FlushEvents(ct);
        await _views.Fold(Session, ct);
    }

    private async Task SaveDocuments(CancellationToken ct)
    {
        await using var session = Session();
        session.InsertObjects(_documents);
        await session.SaveChangesAsync(ct);
        _documents.Clear();
    }

    private async Task<ImportedBooks> Finish(CancellationToken ct)
    {
        await FoldEvents(ct);
        await SaveDocuments(ct);
        foreach (var (series, last) in _numbers)
        {
            await NumberSeries.Lock(_connection, series, ct);
            await NumberSeries.Set(_connection, series, last, ct);
        }
        foreach (var (shard, (through, highest)) in _shards)
            await Execute("""
                insert into billing.usage_shard (shard, through_number, highest_number) values ($1, $2, $3)
                on conflict (shard) do update set through_number = excluded.through_number, highest_number = excluded.highest_number
                """, ct, shard, through, highest);
        await Execute(
            "insert into billing.webhook_imported (endpoint_id, through) select distinct stream_id, $1 from billing.mt_events where type = $2", ct, _lastSequence, typeof(WebhookEndpointRegistered).GetEventTypeName());
        if (_lastSequence > 0) await Scalar<long>("select setval('billing.mt_events_sequence', $1)", ct, _lastSequence);
        var sealedThrough = await Scalar<long>("select coalesce(max(to_sequence), 0) from billing.seal", ct);
        foreach (var (name, sequence) in BillingStore.DaemonProgress.Select(name => (name, _lastSequence)).Append((BillingStore.SealerProgress, sealedThrough)))
            await Execute("""
                insert into billing.mt_event_progression (name, last_seq_id) values ($1, $2)
                on conflict (name) do update set last_seq_id = excluded.last_seq_id
                """, ct, name, sequence);
        return new(_eventCount, _pages, _reports, _invoices, _creditNotes, _views.CustomersWithDetails, _unsealed, _notes, _views.Faults);
    }

    private IDocumentSession Session()
    {
        var options = SessionOptions.ForTransaction(_transaction);
        options.Timeout = 0;
        return _store.LightweightSession(options);
    }

    private async Task Execute(string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<T> Scalar<T>(string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    private NpgsqlCommand Command(string sql, object[] parameters)
    {
        var command = new NpgsqlCommand(sql, _connection);
        foreach (var parameter in parameters) command.Parameters.Add(new() { Value = parameter });
        return command;
    }
}
