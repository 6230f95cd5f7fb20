using Npgsql;
using NpgsqlTypes;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>Rows into usage.token_event by binary COPY.</summary>
public static class EventCopy
{
    private const string Copy = """
        copy usage.token_event (generation, sequence, shard, batch, ordinal, subscription, period, period_end, plan, conversation, model,
          input, cached_input, cache_creation, output, reasoning, overrun, at, received_at, content, finish, leaf) from stdin (format binary)
        """;

    public static async Task WriteAsync(
        NpgsqlConnection connection, int shard, long batch, IReadOnlyList<UsageRow> rows, byte[][] leaves, CancellationToken ct)
    {
        await using var copy = await connection.BeginBinaryImportAsync(Copy, ct);
        for (var ordinal = 0; ordinal < rows.Count; ordinal++)
        {
            var row = rows[ordinal];
            var header = row.Generation.Header;
            await copy.StartRowAsync(ct);
            await copy.WriteAsync(header.Id, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(row.Sequence, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(shard, NpgsqlDbType.Integer, ct);
            await copy.WriteAsync(batch, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(ordinal, NpgsqlDbType.Integer, ct);
            await copy.WriteAsync(header.Subscription, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(row.Period.Id, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(row.Period.End, NpgsqlDbType.TimestampTz, ct);
            await copy.WriteAsync(row.Plan, NpgsqlDbType.Uuid, ct);
            await copy.WriteAsync(header.Conversation, NpgsqlDbType.Text, ct);
            await copy.WriteAsync(header.Model, NpgsqlDbType.Text, ct);
            await copy.WriteAsync(row.Tokens.Input, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(row.Tokens.CachedInput, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(row.Tokens.CacheCreation, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(row.Tokens.Output, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(row.Tokens.Reasoning, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(row.OverrunTokens, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync(row.At, NpgsqlDbType.TimestampTz, ct);
            await copy.WriteAsync(row.ReceivedAt, NpgsqlDbType.TimestampTz, ct);
            await copy.WriteAsync(row.Content, NpgsqlDbType.Bigint, ct);
            await copy.WriteAsync((short)row.Finish, NpgsqlDbType.Smallint, ct);
            await copy.WriteAsync(leaves[ordinal], NpgsqlDbType.Bytea, ct);
        }
        await copy.CompleteAsync(ct);
    }
}
