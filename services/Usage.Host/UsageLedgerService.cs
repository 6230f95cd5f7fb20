using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Npgsql;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>What was recorded, for billing, auditors, plan design and customers' pages. Reads only.</summary>
public sealed class UsageLedgerService(
    QueryConnections queries, LedgerWriters ledger, EventReader events, ProofReader proofs, AggregateReader aggregates, OwnerRoutes routes, BalanceWatch watch, ServingGate gate, BusinessClock clock) : UsageLedger.UsageLedgerBase
{
    private const int ReportsAtOnce = 200;
    private const int BatchesAtOnce = 50;
    private const int LengthsAtOnce = 1_000;
    // A conversation without an end is over for plan design when nothing was heard of it for this long, business time.
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromHours(1);

    public override async Task<GetHeadsResponse> GetHeads(GetHeadsRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var heads = await routes.ReportedAsync(context.CancellationToken);
        var response = new GetHeadsResponse();
        for (var shard = 0; shard < heads.Length; shard++)
            response.Heads.Add(new Head { Shard = shard, ReportNumber = heads[shard].Report, BatchNumber = heads[shard].Batch, Chain = ByteString.CopyFrom(heads[shard].Chain) });
        if (request.WithDetachedRows)
        {
            await using var query = await queries.OpenAsync(Caller.NameOf(context), context.CancellationToken);
            response.Detached = new() { Rows = (long)(await UsageStore.Scalar(query.Connection, "select coalesce(sum(rows), 0)::bigint from usage.detached_partition", context.CancellationToken))! };
        }
        return response;
    }

    public override async Task GetReports(GetReportsRequest request, IServerStreamWriter<UsageReport> responseStream, ServerCallContext context)
    {
        var last = await LastOf(request.Shard, "last_report", context);
        var (from, to) = (Math.Max(request.FromNumber, 1), request.ToNumber == 0 ? last : request.ToNumber);
        if (request.FromNumber < 0 || to > last)
            throw new Refusal(Reasons.ReportUnknown, $"shard {request.Shard} has reports 1 to {last}").AsException();
        for (; from <= to; from += ReportsAtOnce)
        {
            List<Contracts.Messages.UsageRecorded> reports;
            await using (var query = await queries.OpenAsync(Caller.NameOf(context), context.CancellationToken))
                reports = await ReportReader.ReadAsync(query.Connection, request.Shard, false, from, Math.Min(from + ReportsAtOnce - 1, to), ReportsAtOnce, context.CancellationToken);
            foreach (var report in reports)
                await responseStream.WriteAsync(LedgerRows.Report(report), context.CancellationToken);
        }
    }

    public override async Task GetBatches(GetBatchesRequest request, IServerStreamWriter<Batch> responseStream, ServerCallContext context)
    {
        var last = await LastOf(request.Shard, "last_batch", context);
        var (from, to) = (Math.Max(request.FromNumber, 1), request.ToNumber == 0 ? last : request.ToNumber);
        if (request.FromNumber < 0 || to > last)
            throw new Refusal(Reasons.BatchUnknown, $"shard {request.Shard} has batches 1 to {last}").AsException();
        for (; from <= to; from += BatchesAtOnce)
        {
            var batches = await events.BatchesAsync(request.Shard, from, Math.Min(from + BatchesAtOnce - 1, to), Caller.NameOf(context), context.CancellationToken);
            foreach (var group in EventReader.Together(batches))
            {
                if (request.IncludeRows) await events.FillAsync(group, Caller.NameOf(context), context.CancellationToken);
                foreach (var batch in group) await responseStream.WriteAsync(batch, context.CancellationToken);
            }
        }
    }

    public override async Task ProveEvents(ProveEventsRequest request, IServerStreamWriter<EventProof> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        // What was committed before the call is then in a report.
        await routes.ReportedAsync(context.CancellationToken);
        foreach (var proof in await proofs.ReadAsync(Ids.Parse(Ids.Generation, request.GenerationId), request.Sequences, Caller.NameOf(context), context.CancellationToken))
            await responseStream.WriteAsync(proof, context.CancellationToken);
    }

    public override async Task ListEvents(ListEventsRequest request, IServerStreamWriter<EventRow> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        await foreach (var row in events.ListAsync(request, Caller.NameOf(context), clock.Now, context.CancellationToken)) await responseStream.WriteAsync(row, context.CancellationToken);
    }

    public override Task<AggregateResponse> Aggregate(AggregateRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        return aggregates.ReadAsync(request, Caller.NameOf(context), context.CancellationToken);
    }

    public override Task<Balance> GetBalance(GetBalanceRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        Frames.Name(request.Conversation, "conversation");
        return routes.BalanceAsync(request, context.CancellationToken);
    }

    public override async Task WatchBalance(WatchBalanceRequest request, IServerStreamWriter<Balance> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        Frames.Name(request.Conversation, "conversation");
        await watch.RunAsync(new GetBalanceRequest { SubscriptionId = request.SubscriptionId, Conversation = request.Conversation }, Caller.NameOf(context), responseStream, context.CancellationToken);
    }

    public override async Task ListConversationLengths(ListConversationLengthsRequest request, IServerStreamWriter<ConversationLength> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var (after, subscription, conversation) = (request.From?.ToTime("from") ?? DateTimeOffset.UnixEpoch, Guid.Empty, "");
        var to = request.To?.ToTime("to") ?? clock.Now.AddYears(1);
        while (true)
        {
            // A page at a time: a client that reads slowly must not hold a connection.
            var page = new List<ConversationLength>();
            await using (var query = await queries.OpenAsync(Caller.NameOf(context), context.CancellationToken))
            {
                await using var command = Command(query.Connection, """
                    select output + reasoning, finish <> 1 or overrun > 0, plan, last_activity, subscription, conversation from usage.conversation
                    where (last_activity, subscription, conversation) > ($1, $5, $6) and last_activity < $2 and (finish <> 0 or last_activity < $3) and (finish <> 1 or output + reasoning + overrun > 0)
                      and ($4 = '00000000-0000-0000-0000-000000000000' or plan = $4)
                    order by last_activity, subscription, conversation limit $7
                    """,
                    after, to, clock.Now - AbandonedAfter,
                    request.PlanId.Length == 0 ? Guid.Empty : Ids.Parse(Ids.Plan, request.PlanId), subscription, conversation, LengthsAtOnce);
                await using var reader = await command.ExecuteReaderAsync(context.CancellationToken);
                while (await reader.ReadAsync(context.CancellationToken))
                {
                    (after, subscription, conversation) = (reader.GetFieldValue<DateTimeOffset>(3), reader.GetGuid(4), reader.GetString(5));
                    page.Add(new ConversationLength
                    {
                        GeneratedTokens = reader.GetInt64(0), Cut = reader.GetBoolean(1), PlanId = Ids.Format(Ids.Plan, reader.GetGuid(2)), SubscriptionId = Ids.Format(Ids.Subscription, subscription),
                    });
                }
            }
            foreach (var length in page) await responseStream.WriteAsync(length, context.CancellationToken);
            if (page.Count < LengthsAtOnce) return;
        }
    }

    private async Task<long> LastOf(int shard, string column, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        if (shard < 0 || shard >= ledger.Shards) throw new FormatException($"shard must be from 0 to {ledger.Shards - 1}");
        await using var query = await queries.OpenAsync(Caller.NameOf(context), context.CancellationToken);
        return (long)(await UsageStore.Scalar(query.Connection, $"select {column} from usage.shard where shard = $1", context.CancellationToken, shard))!;
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }
}
