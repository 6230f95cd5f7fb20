using Billing.Invoices;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>Rows of mt_events as the events that they are, for who reads them in an order of his own.</summary>
internal sealed class EventRows(IDocumentStore store)
{
    private readonly Dictionary<string, Type> _types = store.Options.Events.AllKnownEventTypes().ToDictionary(t => t.EventTypeName, t => t.EventType);
    private readonly ISerializer _serializer = store.Options.Serializer();

    /// <param name="type">the column with the type; the event itself is in the one after it</param>
    /// <exception cref="RefusedException">event_type_unknown</exception>
    public object Read(NpgsqlDataReader reader, int type) => _types.TryGetValue(reader.GetString(type), out var known)
        ? InvoiceUpcasts.Attributed(_serializer.FromJson(known, reader, type + 1))
        : throw new Refusal("event_type_unknown", $"a newer billing wrote '{reader.GetString(type)}' into the log: read it with that one").AsException();
}
