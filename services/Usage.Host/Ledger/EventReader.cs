using System.Globalization;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Npgsql;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>
/// Recorded rows as the contract shows them, a page at a time: no connection is held while a client reads, so that one that does not read
/// costs nobody a connection.
/// </summary>
public sealed class EventReader(QueryConnections queries)
{
    private const int PageRows = 1_000;

    /// <summary>The rows of a subscription in the order of receipt, after the cursor in <see cref="ListEventsRequest.PageToken"/>.</summary>
    /// <param name="caller">who asks, by the name of his key</param>
    /// <param name="now">business time; nothing is received later</param>
    public async IAsyncEnumerable<EventRow> ListAsync(ListEventsRequest request, string caller, DateTimeOffset now, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var left = request.Limit switch
        {
            < 0 => throw new FormatException("limit must be 0 (all) or more"),
            0 => long.MaxValue,
            var limit => limit,
        };
        var filter = Filter(request, now);
        for (var cursor = Cursor.Parse(request.PageToken); left > 0;)
        {
            var page = await PageAsync(filter, caller, cursor, (int)Math.Min(left, PageRows), ct);
            foreach (var row in page) yield return row;
            if (page.Count < PageRows) yield break;
            left -= page.Count;
            cursor = Cursor.Of(page[^1]);
        }
    }

    /// <summary>Batches from one number to another, both included, without their rows.</summary>
    public async Task<List<Batch>> BatchesAsync(int shard, long from, long to, string caller, CancellationToken ct)
    {
        await using var query = await queries.OpenAsync(caller, ct);
        await using var command = Command(
            query, "select number, row_count, root, previous_chain, chain, committed_at from usage.batch where shard = $1 and number between $2 and $3 order by number", [shard, from, to]);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var batches = new List<Batch>();
        while (await reader.ReadAsync(ct))
            batches.Add(new Batch
            {
                Shard = shard,
                Number = reader.GetInt64(0),
                RowCount = reader.GetInt64(1),
                Root = ByteString.CopyFrom((byte[])reader[2]),
                PreviousChain = ByteString.CopyFrom((byte[])reader[3]),
                Chain = ByteString.CopyFrom((byte[])reader[4]),
                CommittedAt = reader.GetFieldValue<DateTimeOffset>(5).ToTimestamp(),
            });
        return batches;
    }

    /// <summary>Batches that are read in one go: many are small, and each question is planned over the partitions of all days. Rows of many that are large would not fit.</summary>
    public static IEnumerable<List<Batch>> Together(IEnumerable<Batch> batches)
    {
        var (group, rows) = (new List<Batch>(), 0L);
        foreach (var batch in batches)
        {
            if (group.Count > 0 && rows + batch.RowCount > PageRows)
            {
                yield return group;
                (group, rows) = ([], 0);
            }
            group.Add(batch);
            rows += batch.RowCount;
        }
        if (group.Count > 0) yield return group;
    }

    /// <summary>Fills in the rows of batches that follow each other, in order. Of rows that were archived only the leaf is left.</summary>
    public async Task FillAsync(IReadOnlyList<Batch> batches, string caller, CancellationToken ct)
    {
        await using var query = await queries.OpenAsync(caller, ct);
        object[] range = [batches[0].Shard, batches[0].Number, batches[^1].Number];
        var byNumber = batches.ToDictionary(b => b.Number);
        // Rows lie nearly in their order. PostgreSQL would copy all of a large batch to its disk to sort it.
        await using (var command = Command(query, $"{LedgerRows.Select} where shard = $1 and batch between $2 and $3", range))
        await using (var reader = await command.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct))
            {
                var row = LedgerRows.Event(reader);
                byNumber[row.Batch].Rows.Add(row);
            }
        if (batches.Any(b => b.Rows.Count < b.RowCount)) await FillArchivedAsync(query, byNumber, range, ct);
        foreach (var batch in batches) Sort(batch);
    }

    private static void Sort(Batch batch)
    {
        for (var i = 1; i < batch.Rows.Count; i++)
        {
            if (batch.Rows[i - 1].Ordinal < batch.Rows[i].Ordinal) continue;
            EventRow[] rows = [.. batch.Rows.OrderBy(r => r.Ordinal)];
            batch.Rows.Clear();
            batch.Rows.Add(rows);
            return;
        }
    }

    private static async Task FillArchivedAsync(Query query, Dictionary<long, Batch> batches, object[] range, CancellationToken ct)
    {
        var here = batches.Values.SelectMany(b => b.Rows).Select(r => (r.Batch, r.Ordinal)).ToHashSet();
        await using var command = Command(query, "select batch, ordinal, leaf from usage.kept_leaf where shard = $1 and batch between $2 and $3", range);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            if (here.Add((reader.GetInt64(0), reader.GetInt32(1))))
                batches[reader.GetInt64(0)].Rows.Add(new EventRow { Batch = reader.GetInt64(0), Ordinal = reader.GetInt32(1), Kind = RowKind.Archived, Leaf = ByteString.CopyFrom((byte[])reader[2]) });
    }

    private async Task<List<EventRow>> PageAsync((string Where, List<object> Values) filter, string caller, Cursor? cursor, int rowsMax, CancellationToken ct)
    {
        var (where, values) = (filter.Where, new List<object>(filter.Values));
        if (cursor is { } after)
        {
            values.AddRange([after.ReceivedAt, after.Batch, after.Ordinal]);
            where += $" and (received_at, batch, ordinal) > (${values.Count - 2}, ${values.Count - 1}, ${values.Count})";
        }
        await using var query = await queries.OpenAsync(caller, ct);
        await using var command = Command(query, $"{LedgerRows.Select} where {where} order by received_at, batch, ordinal limit {rowsMax}", values);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var page = new List<EventRow>();
        while (await reader.ReadAsync(ct))
        {
            var row = LedgerRows.Event(reader);
            row.Cursor = Cursor.Of(row).ToString();
            page.Add(row);
        }
        return page;
    }

    private static (string Where, List<object> Values) Filter(ListEventsRequest request, DateTimeOffset now)
    {
        var values = new List<object>
        {
            Ids.Parse(Ids.Subscription, request.SubscriptionId),
            request.From?.ToTime("from") ?? DateTimeOffset.UnixEpoch,
            request.To?.ToTime("to") ?? now.AddYears(1),
        };
        var where = "subscription = $1 and received_at >= $2 and received_at < $3";
        void And(string column, object value)
        {
            values.Add(value);
            where += $" and {column} = ${values.Count}";
        }
        if (request.GenerationId.Length > 0) And("generation", Ids.Parse(Ids.Generation, request.GenerationId));
        if (request.Conversation.Length > 0) And("conversation", Frames.Name(request.Conversation, "conversation"));
        if (request.Model.Length > 0) And("model", Frames.Name(request.Model, "model"));
        if (request.PlanId.Length > 0) And("plan", Ids.Parse(Ids.Plan, request.PlanId));
        if (request.PeriodId.Length > 0) And("period", Ids.Parse(Ids.Period, request.PeriodId));
        return (where, values);
    }

    private static NpgsqlCommand Command(Query query, string sql, IReadOnlyList<object> parameters)
    {
        var command = new NpgsqlCommand(sql, query.Connection);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }

    /// <summary>Where a row stands among those of its subscription; a subscription has one shard, so batch and ordinal tell rows apart.</summary>
    private readonly record struct Cursor(DateTimeOffset ReceivedAt, long Batch, int Ordinal)
    {
        public static Cursor Of(EventRow row) => new(row.ReceivedAt.ToDateTimeOffset(), row.Batch, row.Ordinal);

        public static Cursor? Parse(string text)
        {
            if (text.Length == 0) return null;
            var parts = text.Split('-');
            if (parts.Length == 3 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var micros) && micros < 10_000_000_000_000_000
                && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var batch) && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal))
                return new Cursor(DateTimeOffset.UnixEpoch.AddMicroseconds(micros), batch, ordinal);
            throw new FormatException("page_token must be the cursor of a row that ListEvents gave");
        }

        public override string ToString() => string.Create(
            CultureInfo.InvariantCulture, $"{(ReceivedAt.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond}-{Batch}-{Ordinal}");
    }
}
