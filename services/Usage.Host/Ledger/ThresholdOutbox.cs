using Contracts.Messages;
using MassTransit;
using Npgsql;
using Usage.Caps;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>Thresholds that were passed: written in the commit of the usage that passed them, then published until the broker has taken them.</summary>
public static class ThresholdOutbox
{
    private static readonly Outbox Thresholds = new(readMax: 200, unconfirmedMax: 200);

    public static void Add(NpgsqlBatch commands, int shard, IReadOnlyList<UsageRow> rows)
    {
        foreach (var row in rows)
            foreach (var crossing in row.Crossed)
                commands.BatchCommands.Add(Insert(shard, crossing));
    }

    /// <summary>The same for those that no row passed.</summary>
    public static async Task AddAsync(UsageStore store, int shard, IReadOnlyList<ThresholdCrossing> crossings)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await using var commands = new NpgsqlBatch(connection);
        foreach (var crossing in crossings) commands.BatchCommands.Add(Insert(shard, crossing));
        await commands.ExecuteNonQueryAsync();
    }

    /// <summary>Publishes what a shard has not published. Not mandatory: whether anybody warns customers is not our business.</summary>
    /// <returns>true if there may be more</returns>
    public static Task<bool> PublishSomeAsync(UsageStore store, IBusControl bus, int shard, CancellationToken ct) => Thresholds.PublishSomeAsync(
        crossingsMax => ReadAsync(store, shard, crossingsMax, ct),
        async some =>
        {
            await Task.WhenAll(some.Select(c => bus.PublishConfirmed(c.Message, c.Id, mandatory: false, ct)));
            return some.Length;
        },
        taken => MarkAsync(store, [.. taken.Select(c => c.Id)], ct));

    public static string NameOf(CapThreshold threshold) => threshold switch
    {
        CapThreshold.Percent50 => "percent_50",
        CapThreshold.Percent80 => "percent_80",
        CapThreshold.Percent100 => "percent_100",
        CapThreshold.ProjectedExhaustion => "projected_exhaustion",
    };

    private static NpgsqlBatchCommand Insert(int shard, ThresholdCrossing c)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.cap_threshold (id, shard, subscription, plan, window_kind, conversation, hard, threshold, cap_tokens, used_tokens, opened_at, closes_at, exhausted_at, reached_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict do nothing
            """);
        object?[] values =
        [
            c.Id, shard, c.Subscription, c.Plan, c.Rule.Window.Name(), c.Conversation, c.Rule.Hard, NameOf(c.Threshold), c.Rule.Tokens, c.UsedTokens,
            c.OpenedAt, c.ClosesAt, c.ExhaustedAt, c.At,
        ];
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        return command;
    }

    private static async Task<List<(Guid Id, CapThresholdReached Message)>> ReadAsync(UsageStore store, int shard, int crossingsMax, CancellationToken ct)
    {
        await using var command = store.DataSource.CreateCommand($"""
            select id, subscription, plan, window_kind, conversation, hard, threshold, cap_tokens, used_tokens, opened_at, closes_at, exhausted_at, reached_at
            from usage.cap_threshold where shard = $1 and not published order by reached_at, id limit {crossingsMax}
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = shard });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var crossings = new List<(Guid, CapThresholdReached)>();
        while (await reader.ReadAsync(ct))
            crossings.Add((reader.GetGuid(0), new CapThresholdReached(
                Ids.Format(Ids.Subscription, reader.GetGuid(1)), Ids.Format(Ids.Plan, reader.GetGuid(2)), reader.GetString(3), reader.GetString(4),
                (reader.GetBoolean(5) ? CapEnforcement.Hard : CapEnforcement.Billed).Name(), reader.GetString(6), reader.GetInt64(7), reader.GetInt64(8),
                TimeOrNull(reader, 9), TimeOrNull(reader, 10), TimeOrNull(reader, 11), reader.GetFieldValue<DateTimeOffset>(12))));
        return crossings;
    }

    private static async Task MarkAsync(UsageStore store, Guid[] ids, CancellationToken ct)
    {
        await using var command = store.DataSource.CreateCommand("update usage.cap_threshold set published = true where id = any($1)");
        command.Parameters.Add(new NpgsqlParameter { Value = ids });
        await command.ExecuteNonQueryAsync(ct);
    }

    private static DateTimeOffset? TimeOrNull(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
}
