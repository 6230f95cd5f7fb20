using Contracts.Messages;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Verifier;

namespace Billing.Host.Tests;

/// <summary>The ledger side of usage on a real gRPC socket: keeps the reports it is given, chained as usage chains them, and answers for them.</summary>
public sealed class UsageLedgerServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Reports _reports = new();

    private UsageLedgerServer(WebApplication app) => _app = app;

    public string Address { get; private set; } = "";

    public static async Task<UsageLedgerServer> StartAsync(string address = "http://127.0.0.1:0")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.ConfigureEndpointDefaults(o => o.Protocols = HttpProtocols.Http2));
        builder.WebHost.UseUrls(address);
        builder.Services.AddGrpc();
        var app = builder.Build();
        var server = new UsageLedgerServer(app);
        app.Use(async (context, next) =>
        {
            context.Items["reports"] = server._reports;
            await next();
        });
        app.MapGrpcService<Ledger>();
        await app.StartAsync();
        server.Address = app.Urls.First();
        return server;
    }

    /// <summary>The next report of a shard, as the message that usage would publish. It is on the books here whether it is sent or not.</summary>
    public UsageRecorded Record(int shard, DateTimeOffset at, params RecordedLine[] lines) => _reports.Record(shard, at, lines);

    /// <summary>What somebody with usage's database in their hands could do to it. Nothing that is derived from a batch or a report follows by itself.</summary>
    public void Rewrite(int shard, Action<List<Batch>> batches, Func<UsageRecorded, UsageRecorded>? reports = null) => _reports.Rewrite(shard, batches, reports ?? (r => r));

    /// <summary>The leaf of a row's fields, by the public layout.</summary>
    public static ByteString LeafOf(EventRow row) => ByteString.CopyFrom(Layout.LeafOfRow(new(
        row.GenerationId, row.Sequence, row.SubscriptionId, row.PeriodId, row.PlanId, row.Conversation, row.Model, row.Tokens.Input, row.Tokens.CachedInput, row.Tokens.CacheCreation,
        row.Tokens.Output, row.Tokens.Reasoning, row.OverrunTokens, row.At.ToDateTimeOffset(), row.ReceivedAt.ToDateTimeOffset())));

    /// <summary>Whether somebody who misses reports in the middle can have them. An audit, which reads from the first, always can.</summary>
    public bool FillsGaps { set => _reports.FillsGaps = value; }

    /// <summary>How many rows it says are in detached tables; null as a usage of before it said so.</summary>
    public long? DetachedRows { set => _reports.DetachedRows = value; }

    /// <summary>As if its database were an older one: of this shard it has reports up to a number only, and with none of them it does not know the shard.</summary>
    public void Knows(int shard, int through) => _reports.Knows(shard, through);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private sealed class Reports
    {
        public volatile bool FillsGaps = true;
        public long? DetachedRows { get; set; }
        private readonly Lock _gate = new();
        private readonly Dictionary<int, List<UsageRecorded>> _byShard = [];
        private readonly Dictionary<int, List<Batch>> _batches = [];
        private readonly Dictionary<int, int> _known = [];

        public void Knows(int shard, int through)
        {
            lock (_gate) _known[shard] = through;
        }

        public UsageRecorded Record(int shard, DateTimeOffset at, RecordedLine[] lines)
        {
            lock (_gate)
            {
                if (!_byShard.TryGetValue(shard, out var reports)) _byShard[shard] = reports = [];
                var number = reports.Count + 1;
                var previous = number == 1 ? MerkleTree.EmptyRoot : Convert.FromHexString(reports[^1].Chain);
                // Two batches in every report, so that roots and numbers of batches matter.
                var first = 2L * number - 1;
                Batch[] batches = [Batch(shard, first, at, lines), Batch(shard, first + 1, at, [])];
                byte[][] roots = [.. batches.Select(b => b.Root.ToByteArray())];
                if (number == 1) _batches[shard] = [];
                _batches[shard].AddRange(batches);
                var chain = MerkleTree.Chain(MerkleTree.Chain(previous, first, roots[0]), first + 1, roots[1]);
                var report = new UsageRecorded(
                    shard, number, first, first + 1, Convert.ToHexStringLower(previous), [.. roots.Select(Convert.ToHexStringLower)], Convert.ToHexStringLower(chain), at, lines);
                reports.Add(report);
                return report;
            }
        }

        public void Rewrite(int shard, Action<List<Batch>> batches, Func<UsageRecorded, UsageRecorded> reports)
        {
            lock (_gate)
            {
                batches(_batches[shard]);
                _byShard[shard] = [.. _byShard[shard].Select(reports)];
            }
        }

        private static Batch Batch(int shard, long number, DateTimeOffset at, RecordedLine[] lines)
        {
            var rows = lines.Select((l, i) =>
            {
                var row = new EventRow
                {
                    Batch = number, Ordinal = i, GenerationId = Ids.Derive(Ids.Generation, at, $"{shard}/{number}/{i}"), Sequence = 1, Conversation = "c", Model = "m", Tokens = new(),
                    SubscriptionId = l.SubscriptionId, PeriodId = l.PeriodId, PlanId = l.PlanId, At = at.ToTimestamp(), ReceivedAt = at.ToTimestamp(),
                };
                switch (l.Kind)
                {
                    case "input": row.Tokens.Input = l.Tokens; break;
                    case "output": row.Tokens.Output = l.Tokens; break;
                    case "reasoning": row.Tokens.Reasoning = l.Tokens; break;
                    case "overrun": row.OverrunTokens = l.Tokens; break;
                    default: row.Tokens.CachedInput = l.Tokens; break;
                }
                row.Leaf = LeafOf(row);
                return row;
            }).ToArray();
            var batch = new Batch { Shard = shard, Number = number, RowCount = rows.Length, Root = ByteString.CopyFrom(MerkleTree.Root([.. rows.Select(r => r.Leaf.ToByteArray())])) };
            batch.Rows.AddRange(rows);
            return batch;
        }

        public Batch[] BatchesOf(int shard)
        {
            lock (_gate) return [.. _batches.GetValueOrDefault(shard, [])];
        }

        public UsageRecorded[] Of(int shard)
        {
            lock (_gate) return [.. _byShard.GetValueOrDefault(shard, []).Take(_known.GetValueOrDefault(shard, int.MaxValue))];
        }

        public int[] Shards
        {
            get { lock (_gate) return [.. _byShard.Keys.Where(s => _known.GetValueOrDefault(s, int.MaxValue) > 0)]; }
        }
    }

    private sealed class Ledger : UsageLedger.UsageLedgerBase
    {
        public override Task<GetHeadsResponse> GetHeads(GetHeadsRequest request, ServerCallContext context)
        {
            var reports = Of(context);
            var response = new GetHeadsResponse();
            if (request.WithDetachedRows && reports.DetachedRows is { } detached) response.Detached = new() { Rows = detached };
            foreach (var shard in reports.Shards)
            {
                var last = reports.Of(shard)[^1];
                response.Heads.Add(new Head { Shard = shard, ReportNumber = last.Number, BatchNumber = last.LastBatch, Chain = Hex(last.Chain) });
            }
            return Task.FromResult(response);
        }

        public override async Task GetReports(GetReportsRequest request, IServerStreamWriter<UsageReport> responseStream, ServerCallContext context)
        {
            if (request.FromNumber > 1 && !Of(context).FillsGaps) throw new RpcException(new(StatusCode.Unavailable, "gaps are not filled"));
            foreach (var r in Of(context).Of(request.Shard).Where(r => r.Number >= request.FromNumber && (request.ToNumber == 0 || r.Number <= request.ToNumber)))
            {
                var report = new UsageReport
                {
                    Shard = r.Shard, Number = r.Number, FirstBatch = r.FirstBatch, LastBatch = r.LastBatch, PreviousChain = Hex(r.PreviousChain), Chain = Hex(r.Chain),
                    RecordedAt = r.RecordedAt.ToTimestamp(),
                };
                report.Roots.AddRange(r.Roots.Select(Hex));
                report.Lines.AddRange(r.Lines.Select(l => new UsageLine
                {
                    SubscriptionId = l.SubscriptionId, PeriodId = l.PeriodId, PeriodEnd = l.PeriodEnd.ToTimestamp(), PlanId = l.PlanId, Kind = l.Kind, Tokens = l.Tokens,
                }));
                await responseStream.WriteAsync(report);
            }
        }

        public override async Task GetBatches(GetBatchesRequest request, IServerStreamWriter<Batch> responseStream, ServerCallContext context)
        {
            foreach (var batch in Of(context).BatchesOf(request.Shard).Where(b => b.Number >= request.FromNumber && (request.ToNumber == 0 || b.Number <= request.ToNumber)))
            {
                var answer = batch.Clone();
                if (!request.IncludeRows) answer.Rows.Clear();
                await responseStream.WriteAsync(answer);
            }
        }

        private static Reports Of(ServerCallContext context) => (Reports)context.GetHttpContext().Items["reports"]!;

        private static ByteString Hex(string text) => ByteString.CopyFrom(Convert.FromHexString(text));
    }
}
