using Billing.Audit;
using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Marten;
using Marten.Events.Daemon;
using Marten.Events.Daemon.Internals;
using Marten.Subscriptions;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// Seals events in the order of their sequence, as PostgreSQL gives them back, tombstones too. A page is written together with the
/// progress past it and never again; after a restart the next page simply goes on, however it is cut.
/// </summary>
public sealed class EventSealer : SubscriptionBase
{
    internal const string ShardName = "event-sealer";
    private const int EventsPerPage = 1_000;
    private readonly NpgsqlDataSource _database;
    private readonly BillingMetrics _metrics;

    public EventSealer(NpgsqlDataSource database, BillingMetrics metrics)
    {
        (_database, _metrics) = (database, metrics);
        Name = ShardName;
        // It reads events as they are stored: whoever deserialized them for it would do so for nothing.
        IncludeType<NoEvent>();
    }

    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        await using var connection = await _database.OpenConnectionAsync(cancellationToken);
        var last = await SealReader.LastPage(connection, cancellationToken);
        var (number, through, chain) = (last?.Number ?? 0, last?.ToSequence ?? 0, last?.Chain ?? MerkleTree.EmptyRoot);
        var events = new List<StoredEvent>();
        // What was imported, or came while nobody sealed, may be all there is.
        await foreach (var e in SealReader.Events(connection, through, page.SequenceCeiling, cancellationToken))
        {
            events.Add(e);
            if (events.Count == EventsPerPage) Seal();
        }
        if (events.Count > 0) Seal();
        return NullChangeListener.Instance;

        void Seal()
        {
            var sealed_ = SealPage.Over(++number, chain, events);
            operations.QueueSqlCommand(
                "insert into billing.seal (page, from_sequence, to_sequence, sequences, leaves, root, previous_chain, chain) values (?, ?, ?, ?, ?, ?, ?, ?)",
                sealed_.Number, through + 1, events[^1].Sequence, sealed_.Sequences.ToArray(), sealed_.Leaves.SelectMany(l => l).ToArray(), sealed_.Root, sealed_.PreviousChain, sealed_.Chain);
            _metrics.Sealed(events.Select(x => x.Type));
            (through, chain) = (events[^1].Sequence, sealed_.Chain);
            events.Clear();
        }
    }
}

/// <summary>Of which there is never one.</summary>
internal sealed record NoEvent;

/// <summary>Events and seals as they are in the tables, without any deserialization in between.</summary>
public static class SealReader
{
    public static async Task<(long Number, long ToSequence, byte[] Chain)?> LastPage(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select page, to_sequence, chain from billing.seal order by page desc limit 1", connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetInt64(0), reader.GetInt64(1), reader.GetFieldValue<byte[]>(2)) : null;
    }

    /// <param name="after">exclusive</param>
    /// <param name="through">inclusive</param>
    public static async IAsyncEnumerable<StoredEvent> Events(
        NpgsqlConnection connection, long after, long through, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "select seq_id, stream_id, version, type, data::text, id, timestamp from billing.mt_events where seq_id > $1 and seq_id <= $2 order by seq_id", connection)
        {
            Parameters = { new() { Value = after }, new() { Value = through } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            yield return new(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetString(3), reader.GetString(4))
            {
                Id = reader.GetGuid(5), WrittenAt = reader.GetFieldValue<DateTimeOffset>(6),
            };
    }

    public static async Task<SealPage?> Page(NpgsqlConnection connection, long after, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            "select page, sequences, leaves, root, previous_chain, chain from billing.seal where page > $1 order by page limit 1", connection)
        {
            Parameters = { new() { Value = after } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) return null;
        return new(
            reader.GetInt64(0), reader.GetFieldValue<long[]>(1), [.. reader.GetFieldValue<byte[]>(2).Chunk(MerkleTree.HashBytes)],
            reader.GetFieldValue<byte[]>(3), reader.GetFieldValue<byte[]>(4), reader.GetFieldValue<byte[]>(5));
    }
}
