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
    private const int EventsPerPage = 1_000, SequencesAtOnce = 20_000;
    private const string Insert = "insert into billing.seal (page, from_sequence, to_sequence, sequences, leaves, root, previous_chain, chain) values";
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
        var before = (Number: last?.Number ?? 0, Through: last?.ToSequence ?? 0, Chain: last?.Chain ?? MerkleTree.EmptyRoot);
        // What was imported, or came while nobody sealed, may be all there is: it is committed by and by, and what is committed is not sealed again if the rest fails.
        for (long from = before.Through, to; from < page.SequenceCeiling; from = to)
        {
            to = Math.Min(page.SequenceCeiling, from + SequencesAtOnce);
            var rows = new List<object[]>();
            await foreach (var events in SealReader.Events(connection, from, to, cancellationToken).Chunk(EventsPerPage).WithCancellation(cancellationToken))
            {
                var sealed_ = SealPage.Over(before.Number + 1, before.Chain, events);
                rows.Add(
                [
                    sealed_.Number, before.Through + 1, events[^1].Sequence, sealed_.Sequences.ToArray(), sealed_.Leaves.SelectMany(l => l).ToArray(), sealed_.Root, sealed_.PreviousChain, sealed_.Chain,
                ]);
                before = (sealed_.Number, events[^1].Sequence, sealed_.Chain);
                _metrics.Sealed(events.Select(e => e.Type));
            }
            if (to < page.SequenceCeiling) await WriteAsync(connection, rows, cancellationToken);
            else foreach (var row in rows) operations.QueueSqlCommand($"{Insert} (?, ?, ?, ?, ?, ?, ?, ?)", row);
        }
        return NullChangeListener.Instance;
    }

    private static async Task WriteAsync(NpgsqlConnection connection, List<object[]> rows, CancellationToken ct)
    {
        if (rows.Count == 0) return;
        await using var batch = new NpgsqlBatch(connection);
        foreach (var row in rows)
        {
            var command = new NpgsqlBatchCommand($"{Insert} ($1, $2, $3, $4, $5, $6, $7, $8)");
            foreach (var value in row) command.Parameters.Add(new() { Value = value });
            batch.BatchCommands.Add(command);
        }
        await batch.ExecuteNonQueryAsync(ct);
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
            "select seq_id, stream_id, version, type, data::text, id, timestamp, is_archived from billing.mt_events where seq_id > $1 and seq_id <= $2 order by seq_id", connection)
        {
            Parameters = { new() { Value = after }, new() { Value = through } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            yield return new(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetString(3), reader.GetString(4))
            {
                Id = reader.GetGuid(5), WrittenAt = reader.GetFieldValue<DateTimeOffset>(6), IsArchived = reader.GetBoolean(7),
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
