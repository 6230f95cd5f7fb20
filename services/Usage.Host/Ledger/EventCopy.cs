using Npgsql;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>Rows into usage.token_event by binary COPY. One for each writer: it keeps its buffer.</summary>
public sealed class EventCopy
{
    private const int Columns = 24;
    private const string Copy = """
        copy usage.token_event (generation, sequence, shard, batch, ordinal, subscription, period, period_end, plan, conversation, model,
          input, cached_input, cache_creation, output, reasoning, overrun, at, received_at, content, finish, leaf, five_hours, week) from stdin (format binary)
        """;
    private readonly CopyRows _rows = new(Columns);

    public async Task WriteAsync(NpgsqlConnection connection, int shard, long batch, IReadOnlyList<UsageRow> rows, byte[][] leaves, CancellationToken ct)
    {
        var order = Grouped(rows);
        // Its disposal hands over what was sent, also after a failure; the transaction is then not committed.
        await using var copy = await connection.BeginRawBinaryCopyAsync(Copy, ct);
        _rows.Begin();
        foreach (var ordinal in order)
        {
            Put(shard, batch, ordinal, rows[ordinal], leaves[ordinal]);
            await _rows.SendAsync(copy, ct);
        }
        await _rows.EndAsync(copy, ct);
    }

    /// <summary>
    /// Ordinals in the order in which the rows are written: a subscription's together, and a generation's among them, so that neighbours in the
    /// table are neighbours in its indexes too. By hash, for it only matters who stands beside whom.
    /// </summary>
    private static int[] Grouped(IReadOnlyList<UsageRow> rows)
    {
        const int ordinalBits = 17, generationBits = 24, hashBits = 32; // of 100,000 rows at most
        var keys = new ulong[rows.Count];
        for (var ordinal = 0; ordinal < keys.Length; ordinal++)
        {
            var header = rows[ordinal].Generation.Header;
            var (subscription, generation) = (unchecked((uint)header.Subscription.GetHashCode()), unchecked((uint)header.Id.GetHashCode()));
            keys[ordinal] = (ulong)subscription << (ordinalBits + generationBits) | (ulong)(generation >> (hashBits - generationBits)) << ordinalBits | (uint)ordinal;
        }
        Array.Sort(keys);
        return Array.ConvertAll(keys, key => (int)(key & ((1UL << ordinalBits) - 1)));
    }

    private void Put(int shard, long batch, int ordinal, UsageRow row, byte[] leaf)
    {
        var header = row.Generation.Header;
        _rows.StartRow();
        _rows.Put(header.Id);
        _rows.Put(row.Sequence);
        _rows.Put(shard);
        _rows.Put(batch);
        _rows.Put(ordinal);
        _rows.Put(header.Subscription);
        _rows.Put(row.Period.Id);
        _rows.Put(row.Period.End);
        _rows.Put(row.Plan);
        _rows.Put(header.Conversation);
        _rows.Put(header.Model);
        _rows.Put(row.Tokens.Input);
        _rows.Put(row.Tokens.CachedInput);
        _rows.Put(row.Tokens.CacheCreation);
        _rows.Put(row.Tokens.Output);
        _rows.Put(row.Tokens.Reasoning);
        _rows.Put(row.OverrunTokens);
        _rows.Put(row.At);
        _rows.Put(row.ReceivedAt);
        _rows.Put(row.Content);
        _rows.Put((short)row.Finish);
        _rows.Put(leaf);
        _rows.Put(row.FiveHours?.OpenedAt);
        _rows.Put(row.Week?.OpenedAt);
    }
}
