using System.Runtime.CompilerServices;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Npgsql;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>What was recorded, for billing, auditors, plan design and customers' pages. Reads only, save that asking for heads cuts reports.</summary>
public sealed class UsageLedgerService(UsageStore store, LedgerWriters ledger, OwnerRoutes routes, ServingGate gate, BusinessClock clock) : UsageLedger.UsageLedgerBase
{
    private const int ReportsAtOnce = 200;
    private const int BatchesAtOnce = 50;
    // A conversation without an end is over for plan design when nothing was heard of it for this long, business time.
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromHours(1);

    public override async Task<GetHeadsResponse> GetHeads(GetHeadsRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var heads = await routes.CutAsync(context.CancellationToken);
        var response = new GetHeadsResponse();
        for (var shard = 0; shard < heads.Length; shard++)
            response.Heads.Add(new Head { Shard = shard, ReportNumber = heads[shard].Report, BatchNumber = heads[shard].Batch, Chain = ByteString.CopyFrom(heads[shard].Chain) });
        return response;
    }

    public override async Task GetReports(GetReportsRequest request, IServerStreamWriter<UsageReport> responseStream, ServerCallContext context)
    {
        var last = await LastOf(request.Shard, "last_report", context.CancellationToken);
        var (from, to) = (Math.Max(request.FromNumber, 1), request.ToNumber == 0 ? last : request.ToNumber);
        if (request.FromNumber < 0 || to > last)
            throw new Refusal(Reasons.ReportUnknown, $"shard {request.Shard} has reports 1 to {last}").AsException();
        for (; from <= to; from += ReportsAtOnce)
        {
            await using var connection = await store.DataSource.OpenConnectionAsync(context.CancellationToken);
            foreach (var report in await ReportReader.ReadAsync(connection, request.Shard, false, from, Math.Min(from + ReportsAtOnce - 1, to), ReportsAtOnce, context.CancellationToken))
                await responseStream.WriteAsync(LedgerRows.Report(report), context.CancellationToken);
        }
    }

    public override async Task GetBatches(GetBatchesRequest request, IServerStreamWriter<Batch> responseStream, ServerCallContext context)
    {
        var last = await LastOf(request.Shard, "last_batch", context.CancellationToken);
        var (from, to) = (Math.Max(request.FromNumber, 1), request.ToNumber == 0 ? last : request.ToNumber);
        if (request.FromNumber < 0 || to > last)
            throw new Refusal(Reasons.BatchUnknown, $"shard {request.Shard} has batches 1 to {last}").AsException();
        for (; from <= to; from += BatchesAtOnce)
            await foreach (var batch in ReadBatches(request.Shard, from, Math.Min(from + BatchesAtOnce - 1, to), context.CancellationToken))
            {
                if (!request.IncludeRows) await responseStream.WriteAsync(batch, context.CancellationToken);
                else await WriteWithRows(batch, responseStream, context.CancellationToken);
            }
    }

    public override async Task ListEvents(ListEventsRequest request, IServerStreamWriter<EventRow> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var subscription = Ids.Parse(Ids.Subscription, request.SubscriptionId);
        await using var connection = await store.DataSource.OpenConnectionAsync(context.CancellationToken);
        await using var command = Command(connection, $"{LedgerRows.Select} where subscription = $1 and received_at >= $2 and received_at < $3 order by received_at, generation, sequence",
            subscription, TimeOr(request.From, DateTimeOffset.UnixEpoch), TimeOr(request.To, clock.Now.AddYears(1)));
        await using var reader = await command.ExecuteReaderAsync(context.CancellationToken);
        while (await reader.ReadAsync(context.CancellationToken)) await responseStream.WriteAsync(LedgerRows.Event(reader), context.CancellationToken);
    }

    public override Task<Balance> GetBalance(GetBalanceRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        return routes.BalanceAsync(request, context.CancellationToken);
    }

    public override async Task ListConversationLengths(ListConversationLengthsRequest request, IServerStreamWriter<ConversationLength> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        await using var connection = await store.DataSource.OpenConnectionAsync(context.CancellationToken);
        await using var command = Command(connection, """
            select output + reasoning, finish <> 1, plan from usage.conversation
            where last_activity >= $1 and last_activity < $2 and (finish <> 0 or last_activity < $3) and ($4 = '00000000-0000-0000-0000-000000000000' or plan = $4)
            order by last_activity, subscription, conversation
            """,
            TimeOr(request.From, DateTimeOffset.UnixEpoch), TimeOr(request.To, clock.Now.AddYears(1)), clock.Now - AbandonedAfter,
            request.PlanId.Length == 0 ? Guid.Empty : Ids.Parse(Ids.Plan, request.PlanId));
        await using var reader = await command.ExecuteReaderAsync(context.CancellationToken);
        while (await reader.ReadAsync(context.CancellationToken))
            await responseStream.WriteAsync(
                new ConversationLength { GeneratedTokens = reader.GetInt64(0), Cut = reader.GetBoolean(1), PlanId = Ids.Format(Ids.Plan, reader.GetGuid(2)) }, context.CancellationToken);
    }

    private async Task WriteWithRows(Batch batch, IServerStreamWriter<Batch> stream, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var command = Command(connection, $"{LedgerRows.Select} where shard = $1 and batch = $2 order by ordinal", batch.Shard, batch.Number);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) batch.Rows.Add(LedgerRows.Event(reader));
        await stream.WriteAsync(batch, ct);
    }

    private async IAsyncEnumerable<Batch> ReadBatches(int shard, long from, long to, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var command = Command(connection,
            "select number, row_count, root, previous_chain, chain, committed_at from usage.batch where shard = $1 and number between $2 and $3 order by number", shard, from, to);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            yield return new Batch
            {
                Shard = shard,
                Number = reader.GetInt64(0),
                RowCount = reader.GetInt64(1),
                Root = ByteString.CopyFrom((byte[])reader[2]),
                PreviousChain = ByteString.CopyFrom((byte[])reader[3]),
                Chain = ByteString.CopyFrom((byte[])reader[4]),
                CommittedAt = reader.GetFieldValue<DateTimeOffset>(5).ToTimestamp(),
            };
    }

    private async Task<long> LastOf(int shard, string column, CancellationToken ct)
    {
        gate.ThrowUnlessServing();
        if (shard < 0 || shard >= ledger.Shards) throw new FormatException($"shard must be from 0 to {ledger.Shards - 1}");
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        return (long)(await UsageStore.Scalar(connection, $"select {column} from usage.shard where shard = $1", ct, shard))!;
    }

    private static DateTimeOffset TimeOr(Timestamp? time, DateTimeOffset otherwise) => time?.ToDateTimeOffset() ?? otherwise;

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }
}
