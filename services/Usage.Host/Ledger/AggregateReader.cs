using System.Globalization;
using System.Text;
using System.Text.Json;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>
/// Sums over recorded rows, corrections included, in pages. A row counts in the bucket of the time at which it was received, a correction in that
/// at which it was made. Rows of detached partitions are not in them, and the answer says from when on none is missing. A query that takes too long is
/// refused, and so many are asked at once, so that no question about the past slows the present.
/// </summary>
public sealed class AggregateReader(QueryConnections queries, IOptions<UsageOptions> options)
{
    private const int GroupsMax = 1_000;
    private static readonly TimeSpan AheadMax = TimeSpan.FromMinutes(5);

    /// <summary>One column to group by: its SQL, its type in PostgreSQL, and where its value goes.</summary>
    private sealed record Column(string Sql, string Type, Action<UsageGroup, object> Show);

    /// <param name="caller">who asks, by the name of his key</param>
    /// <exception cref="RefusedException">query_too_large; calls_too_many: he, or this instance, asks as much as may be asked at once</exception>
    public async Task<AggregateResponse> ReadAsync(AggregateRequest request, string caller, CancellationToken ct)
    {
        var columns = Columns(request);
        var byKind = request.GroupBy.Contains(Dimension.Kind);
        var size = request.PageSize switch
        {
            0 => GroupsMax,
            > 0 and <= GroupsMax => request.PageSize,
            _ => throw new FormatException($"page_size must be from 1 to {GroupsMax}, or 0"),
        };
        await using var query = await queries.OpenAsync(caller, ct);
        var connection = query.Connection;
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await UsageStore.Execute(connection, $"set local statement_timeout = {options.Value.QuerySecondsMax * 1_000}", ct);
        await using var command = Command(connection, request, columns, byKind, size);
        try
        {
            AggregateResponse response;
            await using (var reader = await command.ExecuteReaderAsync(ct)) response = await ReadAsync(reader, columns, byKind, size, ct);
            response.CompleteFrom = await CompleteFromAsync(connection, request, ct);
            return response;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.QueryCanceled && !ct.IsCancellationRequested)
        {
            throw new Refusal(Reasons.QueryTooLarge, $"the answer took more than {options.Value.QuerySecondsMax} s; ask for a shorter time or one subscription").AsException();
        }
    }

    /// <summary>
    /// Asked after the sums: a partition that was detached before they were made is listed by then. Of one that an earlier release has detached in a rolling upgrade it
    /// is known only when that was.
    /// </summary>
    /// <returns>null if no row of the range is in a detached partition</returns>
    private static async Task<Timestamp?> CompleteFromAsync(NpgsqlConnection connection, AggregateRequest request, CancellationToken ct) =>
        await UsageStore.Scalar(connection, """
            select max(last) + interval '1 microsecond' from (select coalesce(last_received_at, detached_at) as last from usage.detached_partition where rows > 0) detached where last >= $1
            """, ct, request.From.ToTime("from")) is DateTime at
            ? at.ToTimestamp()
            : null;

    private static async Task<AggregateResponse> ReadAsync(NpgsqlDataReader reader, List<Column> columns, bool byKind, int size, CancellationToken ct)
    {
        var response = new AggregateResponse();
        string[] key = [];
        while (await reader.ReadAsync(ct))
        {
            if (response.Groups.Count == size)
            {
                response.NextPageToken = Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(key));
                break;
            }
            var group = new UsageGroup();
            for (var i = 0; i < columns.Count; i++) columns[i].Show(group, reader.GetValue(i));
            key = [.. Enumerable.Range(0, columns.Count).Select(i => Text(reader.GetValue(i)))];
            var sums = columns.Count;
            group.Rows = reader.GetInt64(sums);
            if (byKind) group.KindTokens = reader.GetInt64(sums + 1);
            else
            {
                group.Tokens = new TokenCounts
                {
                    Input = reader.GetInt64(sums + 1),
                    CachedInput = reader.GetInt64(sums + 2),
                    CacheCreation = reader.GetInt64(sums + 3),
                    Output = reader.GetInt64(sums + 4),
                    Reasoning = reader.GetInt64(sums + 5),
                };
                group.OverrunTokens = reader.GetInt64(sums + 6);
            }
            response.Groups.Add(group);
        }
        return response;
    }

    private NpgsqlCommand Command(NpgsqlConnection connection, AggregateRequest request, List<Column> columns, bool byKind, int size)
    {
        var (from, to) = (request.From?.ToTime("from"), request.To?.ToTime("to"));
        if (from is null || to is null || from >= to) throw new FormatException("from and to must be given, from before to");
        // A row's generation began within the retention before it was received: other partitions need not be looked at.
        var values = new List<object>
        {
            from.Value, to.Value, Partitions.FirstIdAt(from.Value, TimeSpan.FromDays(-options.Value.RetentionDays - 1)), Partitions.FirstIdAt(to.Value, AheadMax),
        };
        var where = new StringBuilder("received_at >= $1 and received_at < $2 and (correction is not null or (generation >= $3 and generation < $4))");
        void And(string column, object value)
        {
            values.Add(value);
            where.Append(CultureInfo.InvariantCulture, $" and {column} = ${values.Count}");
        }
        if (request.SubscriptionId.Length > 0) And("subscription", Ids.Parse(Ids.Subscription, request.SubscriptionId));
        if (request.PlanId.Length > 0) And("plan", Ids.Parse(Ids.Plan, request.PlanId));
        if (request.Model.Length > 0) And("model", Frames.Name(request.Model, "model"));
        if (request.PeriodId.Length > 0) And("period", Ids.Parse(Ids.Period, request.PeriodId));

        var names = columns.Select((_, i) => $"g{i}").ToArray();
        var groups = string.Concat(columns.Select((c, i) => $"{c.Sql} as g{i}, "));
        var sums = byKind
            ? "sum(k.tokens)::bigint"
            : "coalesce(sum(input), 0)::bigint, coalesce(sum(cached_input), 0)::bigint, coalesce(sum(cache_creation), 0)::bigint, coalesce(sum(output), 0)::bigint, coalesce(sum(reasoning), 0)::bigint, coalesce(sum(overrun), 0)::bigint";
        var kinds = byKind
            ? ", lateral (values ('input', input), ('cached_input', cached_input), ('cache_creation', cache_creation), ('output', output), ('reasoning', reasoning), ('overrun', overrun)) k(kind, tokens)"
            : "";
        if (byKind) where.Append(" and k.tokens <> 0");
        var sql = new StringBuilder($"select * from (select {groups}count(*), {sums} from usage.ledger_row{kinds} where {where}");
        if (names.Length > 0) sql.Append(CultureInfo.InvariantCulture, $" group by {string.Join(", ", names)}");
        sql.Append(") grouped");
        if (After(request.PageToken, columns.Count) is { } key)
        {
            values.AddRange(key);
            var parameters = columns.Select((c, i) => $"${values.Count - columns.Count + i + 1}::text::{c.Type}");
            sql.Append(CultureInfo.InvariantCulture, $" where ({string.Join(", ", names)}) > ({string.Join(", ", parameters)})");
        }
        if (names.Length > 0) sql.Append(CultureInfo.InvariantCulture, $" order by {string.Join(", ", names)}");
        sql.Append(CultureInfo.InvariantCulture, $" limit {size + 1}");

        // PostgreSQL ends it before that; where its server is gone, nobody waits for ever.
        var command = new NpgsqlCommand(sql.ToString(), connection) { CommandTimeout = options.Value.QuerySecondsMax + 10 };
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }

    private static List<Column> Columns(AggregateRequest request)
    {
        var columns = new List<Column>();
        if (request.Bucket != TimeBucket.Unspecified)
        {
            var unit = request.Bucket switch
            {
                TimeBucket.Hour => "hour",
                TimeBucket.Day => "day",
                TimeBucket.Month => "month",
                _ => throw new FormatException("bucket must be hour, day or month"),
            };
            columns.Add(new($"date_trunc('{unit}', received_at, 'UTC')", "timestamptz", (g, v) => g.BucketStart = new DateTimeOffset((DateTime)v, TimeSpan.Zero).ToTimestamp()));
        }
        if (request.GroupBy.Distinct().Count() != request.GroupBy.Count) throw new FormatException("group_by names a dimension twice");
        foreach (var dimension in request.GroupBy)
            columns.Add(dimension switch
            {
                Dimension.Subscription => new("subscription", "uuid", (g, v) => g.SubscriptionId = Ids.Format(Ids.Subscription, (Guid)v)),
                Dimension.Plan => new("plan", "uuid", (g, v) => g.PlanId = Ids.Format(Ids.Plan, (Guid)v)),
                Dimension.Period => new("period", "uuid", (g, v) => g.PeriodId = Ids.Format(Ids.Period, (Guid)v)),
                Dimension.Model => new("model", "text", (g, v) => g.Model = (string)v),
                Dimension.Kind => new("k.kind", "text", (g, v) => g.Kind = (string)v),
                _ => throw new FormatException("group_by must name subscription, plan, model, kind or period"),
            });
        return columns;
    }

    private static string[]? After(string token, int columns)
    {
        if (token.Length == 0) return null;
        try
        {
            if (JsonSerializer.Deserialize<string[]>(Convert.FromBase64String(token)) is { } key && key.Length == columns) return key;
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            // Said below.
        }
        throw new FormatException("page_token must be the next_page_token of this very request");
    }

    private static string Text(object value) => value is DateTime at ? at.ToString("O", CultureInfo.InvariantCulture) : Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
