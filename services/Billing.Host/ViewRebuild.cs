using System.Globalization;
using System.Runtime.CompilerServices;
using Billing.Customers;
using Billing.Invoices;
using Billing.Operations;
using Billing.Periods;
using Billing.Subscriptions;
using Billing.Webhooks;
using Marten;
using Npgsql;
using NpgsqlTypes;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>What a rebuild made.</summary>
/// <param name="Events">that were folded</param>
public sealed record RebuiltViews(long Events, long Customers, long Subscriptions, long Periods, long Invoices);

/// <summary>
/// Every view made again from the events: many streams at once are read in the order of the log, folded by the folds that the views have, and their documents copied in. One transaction,
/// while nobody writes and no daemon runs: readers see the old views until the new ones are whole. Memory holds the views of those streams and the work lists, not the log.
/// </summary>
public sealed class ViewRebuild
{
    private const int EventsAhead = 250;
    private readonly DocumentStore _store;
    private readonly NpgsqlConnection _reading;
    private readonly NpgsqlConnection _writing;
    private readonly EventRows _rows;
    private readonly int _streamsAtOnce;
    private readonly HashSet<string> _invoiced = [];
    private readonly Dictionary<string, PeriodToClose> _toClose = [];
    private readonly Dictionary<string, PeriodToInvoice> _toInvoice = [];
    private long _events;

    private ViewRebuild(DocumentStore store, NpgsqlConnection reading, NpgsqlConnection writing, int streamsAtOnce)
    {
        (_store, _reading, _writing, _streamsAtOnce) = (store, reading, writing, streamsAtOnce);
        _rows = EventRows.Of(store);
    }

    /// <param name="connectionString">of the role that owns the schema billing; no instance may run on it</param>
    /// <param name="by">who ordered it, and why</param>
    /// <exception cref="RefusedException">actor_missing; billing_running, event_type_unknown; stream_corrupt, which names the event at which it stopped. Every view is as it was.</exception>
    public static async Task<RebuiltViews> RunAsync(string connectionString, Attribution by, CancellationToken ct)
    {
        OfflineOperations.Demand(by);
        await using var store = await BillingStore.OpenAsync(connectionString);
        return await RunAsync(store, connectionString, by, ct);
    }

    /// <summary>Likewise, on a store that is open and whose schema is up to date.</summary>
    /// <param name="streamsAtOnce">whose views are in memory, some kilobytes each</param>
    /// <exception cref="RefusedException">Likewise.</exception>
    public static async Task<RebuiltViews> RunAsync(DocumentStore store, string connectionString, Attribution by, CancellationToken ct, int streamsAtOnce = 20_000)
    {
        await using var reading = new NpgsqlConnection(connectionString);
        await using var writing = new NpgsqlConnection(connectionString);
        await reading.OpenAsync(ct);
        await writing.OpenAsync(ct);
        await using var transaction = await writing.BeginTransactionAsync(ct);
        await BillingStore.TakeAlone(writing, ct);
        var rebuilt = await new ViewRebuild(store, reading, writing, streamsAtOnce).RunOrRefuse(ct);
        await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
        await OfflineOperations.Keep(session, writing, new ViewsRebuilt(rebuilt.Events, OfflineOperations.Now), by, ct);
        await transaction.CommitAsync(ct);
        return rebuilt;
    }

    // A projection that skipped an event would show less than there is and say nothing: it stops, as the daemon does, and the old views stay.
    private async Task<RebuiltViews> RunOrRefuse(CancellationToken ct)
    {
        try
        {
            return await Run(ct);
        }
        catch (CorruptStreamException corrupt)
        {
            throw corrupt.Refusal("every view is as it was").AsException();
        }
    }

    private async Task<RebuiltViews> Run(CancellationToken ct)
    {
        var customers = await Rebuild<CustomerView, CustomerEvent>(Ids.Customer, CustomerView.Fold, ct);
        var subscriptions = await Rebuild<SubscriptionView, SubscriptionEvent>(Ids.Subscription, SubscriptionView.Fold, ct);
        await Rebuild<WebhookEndpointView, WebhookEvent>(WebhookState.IdPrefix, WebhookEndpointView.Fold, ct);
        // Invoices before periods: a closed period waits for its invoice unless that is final.
        var invoices = await Rebuild<InvoiceStandingView, InvoiceEvent>(Ids.Invoice, InvoiceStandingView.Fold, ct, (_, e) =>
        {
            if (e is InvoiceFinalized f) _invoiced.Add(f.PeriodId);
        });
        var periods = await Rebuild<PeriodView, PeriodEvent>(Ids.Period, PeriodView.Fold, ct, (id, e) =>
        {
            if (e is PeriodOpened o) _toClose[id] = new(id, o.SubscriptionId, o.Number, o.End, o.PreviousPeriodId);
            if (e is not PeriodClosed closed) return;
            _toClose.Remove(id);
            if (!_invoiced.Contains(id)) _toInvoice[id] = new(id, closed.At);
        });
        await Replace(_toClose, ct);
        await Replace(_toInvoice, ct);
        await Execute("""
            insert into billing.mt_event_progression (name, last_seq_id) select 'PeriodView:All', coalesce(max(seq_id), 0) from billing.mt_events
            on conflict (name) do update set last_seq_id = excluded.last_seq_id
            """, ct);
        return new(_events, customers, subscriptions, periods, invoices);
    }

    /// <param name="prefix">of the streams</param>
    /// <param name="also">told of every event and its stream, in the order of the log</param>
    /// <returns>how many documents there are</returns>
    private async Task<long> Rebuild<TView, TEvent>(string prefix, Func<TView?, string, TEvent, TView> fold, CancellationToken ct, Action<string, TEvent>? also = null) where TView : class where TEvent : class
    {
        var table = Table<TView>();
        await Execute($"truncate {table}", ct);
        var revisions = await RevisionType(table, ct);
        var serializer = _store.Options.Serializer();
        await using var writer = await _writing.BeginBinaryImportAsync($"copy {table} (id, data, mt_version, mt_dotnet_type) from stdin (format binary)", ct);
        writer.Timeout = TimeSpan.Zero;
        var documents = 0L;
        prefix += "_";
        for (var after = prefix; await LastOfNext(prefix, after, ct) is { } last; after = last)
        {
            var views = new Dictionary<string, (TView View, long Version)>();
            await foreach (var e in EventsOf(prefix, after, last, ct))
            {
                var (view, version) = views.GetValueOrDefault(e.Stream);
                if (e.Version <= version) throw CorruptStreamException.Unfoldable(e.Name, new InvalidOperationException($"version {version} came before it"));
                views[e.Stream] = (e.Folded<TView?, TEvent>(view, (v, body) => fold(v, e.Stream, body))!, e.Version);
                also?.Invoke(e.Stream, e.Body<TEvent>());
                _events++;
            }
            foreach (var (id, (view, version)) in views.OrderBy(v => v.Key, StringComparer.Ordinal))
            {
                await writer.StartRowAsync(ct);
                await writer.WriteAsync(id, NpgsqlDbType.Varchar, ct);
                await writer.WriteAsync(serializer.ToCleanJson(view), NpgsqlDbType.Jsonb, ct);
                if (revisions == NpgsqlDbType.Integer) await writer.WriteAsync((int)version, revisions, ct);
                else await writer.WriteAsync(version, revisions, ct);
                await writer.WriteAsync(typeof(TView).FullName!, NpgsqlDbType.Varchar, ct);
            }
            documents += views.Count;
        }
        await writer.CompleteAsync(ct);
        return documents;
    }

    private async Task<string?> LastOfNext(string prefix, string after, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select max(id) from (select id from billing.mt_streams where starts_with(id, $1) and id > $2 order by id limit $3) next", _reading)
        {
            Parameters = { new() { Value = prefix }, new() { Value = after }, new() { Value = _streamsAtOnce } },
        };
        return await command.ExecuteScalarAsync(ct) as string;
    }

    /// <summary>
    /// What is in some streams, in the order of the log, in which each stream's versions follow each other: read one stream after the other, every event would be somewhere else in the table. Rows are read and
    /// parsed on another thread than the one that folds, some hundreds ahead.
    /// </summary>
    private async IAsyncEnumerable<StreamEvent> EventsOf(string prefix, string after, string last, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            $"select {EventRows.Columns} from billing.mt_events where starts_with(stream_id, $1) and stream_id > $2 and stream_id <= $3 and type <> 'tombstone' order by seq_id", _reading)
        {
            CommandTimeout = 0, Parameters = { new() { Value = prefix }, new() { Value = after }, new() { Value = last } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var next = Page();
        try
        {
            while (await next is { Count: > 0 } page)
            {
                next = Page();
                foreach (var e in page) yield return e;
            }
        }
        finally
        {
            // Nobody may read from it any more when it is disposed of.
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Task<List<StreamEvent>> Page() => Task.Run(async () =>
        {
            var page = new List<StreamEvent>(EventsAhead);
            while (page.Count < EventsAhead && await reader.ReadAsync(ct)) page.Add(_rows.Read(reader));
            return page;
        }, ct);
    }

    private async Task Replace<T>(Dictionary<string, T> documents, CancellationToken ct) where T : class
    {
        var table = Table<T>();
        await Execute($"truncate {table}", ct);
        await using var writer = await _writing.BeginBinaryImportAsync($"copy {table} (id, data, mt_dotnet_type) from stdin (format binary)", ct);
        foreach (var (id, document) in documents)
        {
            await writer.StartRowAsync(ct);
            await writer.WriteAsync(id, NpgsqlDbType.Varchar, ct);
            await writer.WriteAsync(_store.Options.Serializer().ToCleanJson(document), NpgsqlDbType.Jsonb, ct);
            await writer.WriteAsync(typeof(T).FullName!, NpgsqlDbType.Varchar, ct);
        }
        await writer.CompleteAsync(ct);
    }

    private static string Table<T>() => $"billing.mt_doc_{typeof(T).Name.ToLower(CultureInfo.InvariantCulture)}";

    /// <summary>A view's revision is the version of its stream; how wide the column is was decided by the Marten that made it.</summary>
    private async Task<NpgsqlDbType> RevisionType(string table, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select atttypid::regtype::text from pg_attribute where attrelid = $1::regclass and attname = 'mt_version'", _writing) { Parameters = { new() { Value = table } } };
        return await command.ExecuteScalarAsync(ct) is "integer" ? NpgsqlDbType.Integer : NpgsqlDbType.Bigint;
    }

    private async Task Execute(string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, _writing) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }
}
