using Npgsql;
using NpgsqlTypes;
using Usage.Host.Store;
using Usage.Imports;

namespace Usage.Host.Imports;

/// <summary>An event and the generation that records it.</summary>
/// <param name="At">when it happened, as its first receipt said</param>
/// <param name="Recorded">the ledger has it: nothing is left to do</param>
/// <param name="SameContent">false if its key was used for something else</param>
public sealed record KeyedEvent(ImportedEvent Event, Guid Generation, DateTimeOffset? At, bool Recorded, bool SameContent);

/// <summary>The table of keys. Whoever comes first fixes a key's generation; everybody after that, at once or years later, finds it.</summary>
public sealed class ImportedEvents(UsageStore store, BusinessClock clock)
{
    /// <summary>Fixes the keys that are new, all of them or, if one was used for other content, none.</summary>
    /// <param name="events">with keys that differ</param>
    public async Task<IReadOnlyList<KeyedEvent>> FixAsync(IReadOnlyList<ImportedEvent> events, CancellationToken ct)
    {
        // In one order for everybody, so that two batches with the same keys wait for each other and never deadlock.
        ImportedEvent[] sorted = [.. events.OrderBy(e => e.Source, StringComparer.Ordinal).ThenBy(e => e.Id, StringComparer.Ordinal)];
        byte[][] contents = [.. sorted.Select(e => e.Content())];
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using (var insert = new NpgsqlCommand("""
            insert into usage.imported_event (source, id, content, generation, at)
            select source, id, content, generation, at from unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::timestamptz[]) with ordinality e(source, id, content, generation, at, n)
            order by n on conflict do nothing
            """, connection))
        {
            AddKeys(insert, sorted);
            insert.Parameters.Add(new NpgsqlParameter { Value = contents });
            insert.Parameters.Add(new NpgsqlParameter { Value = sorted.Select(_ => Ids.NewGuid(clock.Now)).ToArray() });
            insert.Parameters.Add(new NpgsqlParameter { Value = sorted.Select(e => e.Time).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz });
            await insert.ExecuteNonQueryAsync(ct);
        }

        var keyed = new List<KeyedEvent>(sorted.Length);
        await using (var select = new NpgsqlCommand("""
            select i.content, i.generation, i.at, i.recorded from unnest($1::text[], $2::text[]) with ordinality k(source, id, n)
            join usage.imported_event i using (source, id) order by k.n
            """, connection))
        {
            AddKeys(select, sorted);
            await using var reader = await select.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                keyed.Add(new KeyedEvent(
                    sorted[keyed.Count], reader.GetGuid(1), reader.IsDBNull(2) ? null : reader.GetFieldValue<DateTimeOffset>(2), reader.GetBoolean(3),
                    reader.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(contents[keyed.Count])));
        }
        if (keyed.TrueForAll(k => k.SameContent)) await transaction.CommitAsync(ct);
        return keyed;
    }

    /// <summary>The ledger has acknowledged them.</summary>
    public async Task MarkAsync(IReadOnlyList<KeyedEvent> recorded, CancellationToken ct)
    {
        // Sorted as they were fixed, for the same reason.
        await using var command = store.DataSource.CreateCommand("""
            update usage.imported_event i set recorded = true
            from (select source, id from usage.imported_event join unnest($1::text[], $2::text[]) k(source, id) using (source, id) order by source collate "C", id collate "C" for update) mine
            where i.source = mine.source and i.id = mine.id and not i.recorded
            """);
        AddKeys(command, [.. recorded.Select(r => r.Event)]);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static void AddKeys(NpgsqlCommand command, IReadOnlyList<ImportedEvent> events)
    {
        command.Parameters.Add(new NpgsqlParameter { Value = events.Select(e => e.Source).ToArray() });
        command.Parameters.Add(new NpgsqlParameter { Value = events.Select(e => e.Id).ToArray() });
    }
}
