using Npgsql;
using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>What is recorded of a correction's target, earlier corrections included.</summary>
public static class CorrectionReader
{
    private const string Counts = "sum(input)::bigint, sum(cached_input)::bigint, sum(cache_creation)::bigint, sum(output)::bigint, sum(reasoning)::bigint";
    private const string PeriodCounts = "t.input, t.cached_input, t.cache_creation, t.output, t.reasoning, t.overrun";

    public static Task<IReadOnlyList<RecordedUse>> ReadAsync(NpgsqlConnection connection, CorrectionRequest request, DateTimeOffset now, CancellationToken ct) =>
        request.Generation is { } generation
            ? OfGenerationAsync(connection, generation, request.Subscription, now, ct)
            : OfPeriodAsync(connection, request, ct);

    private static async Task<IReadOnlyList<RecordedUse>> OfGenerationAsync(
        NpgsqlConnection connection, Guid generation, Guid subscription, DateTimeOffset now, CancellationToken ct)
    {
        // Older than the retention, where its day still stands detached.
        var detached = await Partitions.DetachedTableAsync(connection, generation, ct);
        var windows = await WindowsAsync(connection, generation, detached, subscription, now, ct);
        await using var command = Command(connection, $"""
            select e.*, {PeriodCounts} from (
              select subscription, period, period_end, plan, conversation, model, {Counts}, sum(overrun)::bigint
              from ({RecordedIn("usage.ledger_row")} {(detached is null ? "" : $"union all {RecordedIn(detached)}")}) r group by 1, 2, 3, 4, 5, 6) e
            join usage.period_total t using (subscription, period, plan) where e.subscription = $2 order by period_end, plan
            """, generation, subscription);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var uses = new List<RecordedUse>();
        while (await reader.ReadAsync(ct))
        {
            var (period, plan) = (reader.GetGuid(1), reader.GetGuid(3));
            uses.Add(new RecordedUse(
                reader.GetGuid(0), period, reader.GetFieldValue<DateTimeOffset>(2), plan, generation, reader.GetString(4), reader.GetString(5),
                Tally(reader, 6), reader.GetInt64(11), Tally(reader, 12), reader.GetInt64(17),
                [.. windows.Where(w => w.Period == period && w.Plan == plan).Select(w => w.Held)]));
        }
        return uses;
    }

    private static string RecordedIn(string table) =>
        $"select subscription, period, period_end, plan, conversation, model, input, cached_input, cache_creation, output, reasoning, overrun from {table} where generation = $1";

    /// <summary>Whose generation it is; null where nothing is recorded of it, or its day was archived elsewhere.</summary>
    public static async Task<(Guid Subscription, string Conversation)?> OwnerOfAsync(NpgsqlConnection connection, Guid generation, CancellationToken ct)
    {
        const string known = "select subscription, conversation from usage.generation where generation = $1";
        var detached = await Partitions.DetachedTableAsync(connection, generation, ct) is { } table ? $"union select subscription, conversation from {table} where generation = $1" : "";
        await using var command = Command(connection, $"{known} {detached}", generation);
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetGuid(0), reader.GetString(1)) : null;
    }

    /// <summary>What the windows that are not closed hold of the generation: its rows say in which they were counted, corrections what they took.</summary>
    private static async Task<List<(Guid Period, Guid Plan, WindowCorrection Held)>> WindowsAsync(
        NpgsqlConnection connection, Guid generation, string? detached, Guid subscription, DateTimeOffset now, CancellationToken ct)
    {
        string CountedIn(string table) => $"""
            select w.kind, w.opened_at, w.closes_at, e.period, e.plan, e.input, e.cached_input, e.cache_creation, e.output, e.reasoning
              from usage.window_total w join {table} e on w.opened_at = case w.kind when 'five_hours' then e.five_hours else e.week end
                or (e.five_hours = '-infinity' and e.received_at >= w.opened_at and e.received_at < w.closes_at) -- recorded before rows said it
              where w.subscription = $2 and w.closes_at > $3 and e.generation = $1
            """;
        await using var command = Command(connection, $"""
            select kind, opened_at, closes_at, period, plan, {Counts} from (
              {CountedIn("usage.token_event")} {(detached is null ? "" : $"union all {CountedIn(detached)}")}
              union all
              select w.kind, w.opened_at, w.closes_at, c.period, c.plan, k.input, k.cached_input, k.cache_creation, k.output, k.reasoning
              from usage.window_total w join usage.correction_window k on k.kind = w.kind and k.opened_at = w.opened_at join usage.correction c using (correction)
              where w.subscription = $2 and w.closes_at > $3 and c.generation = $1) r
            group by 1, 2, 3, 4, 5
            """, generation, subscription, now);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var windows = new List<(Guid, Guid, WindowCorrection)>();
        while (await reader.ReadAsync(ct))
        {
            var window = new OpenWindow(TokenNames.ParseWindow(reader.GetString(0)), reader.GetFieldValue<DateTimeOffset>(1), reader.GetFieldValue<DateTimeOffset>(2));
            windows.Add((reader.GetGuid(3), reader.GetGuid(4), new WindowCorrection(window, Tally(reader, 5))));
        }
        return windows;
    }

    private static async Task<IReadOnlyList<RecordedUse>> OfPeriodAsync(NpgsqlConnection connection, CorrectionRequest request, CancellationToken ct)
    {
        await using var command = Command(connection, $"""
            select t.plan, t.period_end, {PeriodCounts} from usage.period_total t where subscription = $1 and period = $2 and period_end is not null order by plan
            """, request.Subscription, request.Period!.Value);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var uses = new List<RecordedUse>();
        while (await reader.ReadAsync(ct))
        {
            var (tokens, overrun) = (Tally(reader, 2), reader.GetInt64(7));
            uses.Add(new RecordedUse(
                request.Subscription, request.Period.Value, reader.GetFieldValue<DateTimeOffset>(1), reader.GetGuid(0), null, "", "", tokens, overrun, tokens, overrun, []));
        }
        if (uses.Count == 0 && request.Possible is { } possible) uses.Add(possible);
        return uses;
    }

    private static Tally Tally(NpgsqlDataReader reader, int from) =>
        new(reader.GetInt64(from), reader.GetInt64(from + 1), reader.GetInt64(from + 2), reader.GetInt64(from + 3), reader.GetInt64(from + 4));

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }
}
