using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Billing.Invoices;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// Rows of mt_events as the events that they are, for who reads them in an order of his own. The one place that says whether a row can be read: one whose JSON lacks what its type
/// must have, has null where that cannot be, or another kind of value, is an UnreadableEvent, so that whoever reads a thousand streams goes on with the others.
/// </summary>
internal sealed class EventRows
{
    /// <summary>What a row begins with, in this order.</summary>
    public const string Columns = "stream_id, version, seq_id, type, data";

    private const int Type = 3, Data = 4;
    private static readonly ConditionalWeakTable<IDocumentStore, EventRows> Known = [];
    private readonly Dictionary<string, Type> _types;
    private readonly ISerializer _serializer;

    private EventRows(IDocumentStore store)
    {
        _types = store.Options.Events.AllKnownEventTypes().ToDictionary(t => t.EventTypeName, t => t.EventType);
        _serializer = BillingStore.EventReader(store.Options.Serializer());
    }

    public static EventRows Of(IDocumentStore store) => Known.GetValue(store, s => new(s));

    /// <param name="reader">at a row that begins with the Columns</param>
    /// <exception cref="RefusedException">event_type_unknown</exception>
    public StreamEvent Read(DbDataReader reader)
    {
        var row = new StreamEvent(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetString(Type), "");
        if (!_types.TryGetValue(row.Type, out var type))
            throw new Refusal("event_type_unknown", $"a newer billing wrote '{row.Type}' into the log: read it with that one").AsException();
        try
        {
            return row with { Data = InvoiceUpcasts.Attributed(_serializer.FromJson(type, reader, Data) ?? throw new JsonException("it is null")) };
        }
        catch (Exception e) when (e is JsonException or NotSupportedException || CorruptStreamException.IsOfAFold(e))
        {
            return row with { Data = new UnreadableEvent(CorruptStreamException.Unreadable(row.Name, e), UnreadableEvent.TimeOf(reader.GetString(Data))) };
        }
    }

    /// <summary>
    /// What came in streams after the versions that are known of them (0: all of it), in the order of each. Marten reads a row column by column, each of them awaited. Nothing here archives an event: one that is marked so was
    /// altered, and counts, as it does in every seal.
    /// </summary>
    public static IAsyncEnumerable<StreamEvent> ReadAsync(IQuerySession session, IReadOnlyCollection<(string Id, long Version)> known, CancellationToken ct) => known.Count == 0
        ? AsyncEnumerable.Empty<StreamEvent>()
        : ReadAsync(session, $"""
            select {Columns} from unnest($1, $2) as known(id, after)
            cross join lateral (select * from billing.mt_events where stream_id = known.id and version > known.after and type <> 'tombstone' order by version) e
            """, ct, known.Select(k => k.Id).ToArray(), known.Select(k => k.Version).ToArray());

    /// <param name="sql">gives rows that begin with the Columns; its parameters are $1 and so on</param>
    public static async IAsyncEnumerable<StreamEvent> ReadAsync(IQuerySession session, string sql, [EnumeratorCancellation] CancellationToken ct, params object[] parameters)
    {
        var rows = Of(session.DocumentStore);
        await using var command = new NpgsqlCommand(sql);
        foreach (var parameter in parameters) command.Parameters.Add(new() { Value = parameter });
        await using var reader = await session.ExecuteReaderAsync(command, ct);
        while (await reader.ReadAsync(ct)) yield return rows.Read(reader);
    }
}

/// <param name="Data">an UnreadableEvent where it cannot be read</param>
internal readonly record struct StreamEvent(string Stream, long Version, long Sequence, string Type, object Data)
{
    public string Name => FormattableString.Invariant($"event {Sequence} ({Type}, version {Version} of {Stream})");

    /// <exception cref="CorruptStreamException">It cannot be read, or does not belong into such a stream.</exception>
    public T Body<T>() => Data switch
    {
        UnreadableEvent unreadable => throw new CorruptStreamException(unreadable.Fault),
        T body => body,
        _ => throw CorruptStreamException.Unfoldable(Name, new InvalidCastException($"a {Data.GetType().Name} is no {typeof(T).Name}")),
    };

    /// <summary>What comes of a state by this event.</summary>
    /// <exception cref="CorruptStreamException">It cannot be read, or cannot follow on that state.</exception>
    public TState Folded<TState, TEvent>(TState state, Func<TState, TEvent, TState> evolve)
    {
        var body = Body<TEvent>();
        try
        {
            return evolve(state, body);
        }
        catch (Exception e) when (CorruptStreamException.IsOfAFold(e))
        {
            throw CorruptStreamException.Unfoldable(Name, e);
        }
    }
}

/// <summary>Stands in the place of a stored event that cannot be read.</summary>
/// <param name="At">when it happened, where that can be read still; else the beginning of time, so that it is known as soon as the event before it: nothing is told of a time to which it may belong</param>
internal sealed record UnreadableEvent(CorruptStreamException Fault, DateTimeOffset At)
{
    public static DateTimeOffset TimeOf(string json)
    {
        using var data = JsonDocument.Parse(json);
        if (data.RootElement.ValueKind == JsonValueKind.Object)
            foreach (var name in (string[])["at", "recordedAt", "publishedAt"])
                if (data.RootElement.TryGetProperty(name, out var at) && at.ValueKind == JsonValueKind.String && at.TryGetDateTimeOffset(out var time)) return time;
        return DateTimeOffset.MinValue;
    }
}
