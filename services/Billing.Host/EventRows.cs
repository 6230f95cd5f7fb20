using System.Data.Common;
using System.Runtime.CompilerServices;
using Billing.Invoices;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>Rows of mt_events as the events that they are, for who reads them in an order of his own.</summary>
internal sealed class EventRows(IDocumentStore store)
{
    private readonly Dictionary<string, Type> _types = store.Options.Events.AllKnownEventTypes().ToDictionary(t => t.EventTypeName, t => t.EventType);
    private readonly ISerializer _serializer = store.Options.Serializer();
    private static readonly ConditionalWeakTable<IDocumentStore, EventRows> Known = [];

    /// <param name="type">the column with the type; the event itself is in the one after it</param>
    /// <exception cref="RefusedException">event_type_unknown</exception>
    public object Read(DbDataReader reader, int type) => _types.TryGetValue(reader.GetString(type), out var known)
        ? InvoiceUpcasts.Attributed(_serializer.FromJson(known, reader, type + 1))
        : throw new Refusal("event_type_unknown", $"a newer billing wrote '{reader.GetString(type)}' into the log: read it with that one").AsException();

    /// <summary>What came in streams after the versions that are known of them (0: all of it), in the order of each. Marten reads a row column by column, each of them awaited.</summary>
    public static async IAsyncEnumerable<StreamEvent> ReadAsync(IQuerySession session, IReadOnlyCollection<(string Id, long Version)> known, [EnumeratorCancellation] CancellationToken ct)
    {
        if (known.Count == 0) yield break;
        var rows = Known.GetValue(session.DocumentStore, store => new(store));
        await using var command = new NpgsqlCommand("""
            select e.stream_id, e.version, e.seq_id, e.type, e.data from unnest($1, $2) as known(id, version)
            cross join lateral (select * from billing.mt_events where stream_id = known.id and version > known.version and not is_archived order by version) e
            """) { Parameters = { new() { Value = known.Select(k => k.Id).ToArray() }, new() { Value = known.Select(k => k.Version).ToArray() } } };
        await using var reader = await session.ExecuteReaderAsync(command, ct);
        while (await reader.ReadAsync(ct)) yield return new(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetString(3), rows.Read(reader, 3));
    }
}

internal readonly record struct StreamEvent(string Stream, long Version, long Sequence, string Type, object Data);
