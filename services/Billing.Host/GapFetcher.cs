using Billing.Periods;
using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.Extensions.Options;
using UsageReport = Billing.Periods.UsageReport;

namespace Billing.Host;

/// <summary>
/// Notices report numbers that never arrived and asks usage for them: soon when a later one has come, and every so often, for the last
/// message may be the one that was lost. Also how closing makes sure that it has everything.
/// </summary>
public sealed class GapFetcher(
    UsageReports reports, ParkedMessages parked, UsageLedger.UsageLedgerClient usage, IOptions<BillingOptions> options, ILogger<GapFetcher> log) : BackgroundService
{
    private static readonly TimeSpan SoonAfter = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(30);
    private readonly SemaphoreSlim _soon = new(0, 1);
    private readonly SemaphoreSlim _one = new(1);

    /// <summary>A look is due as soon as the messages on their way have had a moment.</summary>
    public void LookSoon()
    {
        try { _soon.Release(); }
        catch (SemaphoreFullException) { /* A look is due already. */ }
    }

    /// <summary>Asks usage how far it is and applies every report up to there that is missing here.</summary>
    /// <returns>the heads that usage named</returns>
    /// <exception cref="RpcException">Usage does not answer.</exception>
    public async Task<IReadOnlyList<ReportHead>> CatchUp(CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            var heads = (await usage.GetHeadsAsync(new GetHeadsRequest(), deadline: Deadline(), cancellationToken: ct)).Heads;
            var progress = (await reports.Progress(ct)).ToDictionary(p => p.Shard);
            foreach (var head in heads)
            {
                var through = progress.GetValueOrDefault(head.Shard)?.Through ?? 0;
                if (through >= head.ReportNumber) continue;
                foreach (var (from, to) in await reports.Missing(head.Shard, through, head.ReportNumber, ct)) await Fetch(head.Shard, from, to, ct);
            }
            return [.. heads.OrderBy(h => h.Shard).Select(h => new ReportHead(h.Shard, h.ReportNumber))];
        }
        finally
        {
            _one.Release();
        }
    }

    public override void Dispose()
    {
        _soon.Dispose();
        _one.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        string? said = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await CatchUp(stoppingToken);
                if (said is not null) log.LogInformation("usage answers again");
                said = null;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                var cause = e is RpcException rpc ? $"usage does not answer: {rpc.Status.Detail}" : StoreFailure.Is(e) ? StoreFailure.Cause(e) : e.ToString();
                if (cause != said) log.LogWarning("missing reports cannot be looked for: {Cause}", said = cause);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            try
            {
                if (await _soon.WaitAsync(TimeSpan.FromSeconds(options.Value.GapPollSeconds), stoppingToken)) await Task.Delay(SoonAfter, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task Fetch(int shard, long from, long to, CancellationToken ct)
    {
        for (; from <= to; from += options.Value.FetchReportsMax)
        {
            var last = Math.Min(to, from + options.Value.FetchReportsMax - 1);
            using var call = usage.GetReports(new GetReportsRequest { Shard = shard, FromNumber = from, ToNumber = last }, deadline: Deadline(), cancellationToken: ct);
            await foreach (var fetched in call.ResponseStream.ReadAllAsync(ct))
            {
                var (report, stopped) = (Pure(fetched), false);
                // One that fails is parked, as one from the queue is: those behind it, and the shards behind this one, are fetched all the same.
                await parked.TakeOrPark(ParkedMessages.Of(report), async () => stopped = await reports.Apply(report, ct) == ReportOutcome.ShardStopped, ct);
                if (stopped) return;
            }
        }
    }

    private static DateTime Deadline() => TimeProvider.System.GetUtcNow().UtcDateTime + AnswerWithin;

    private static UsageReport Pure(Contracts.Usage.V1.UsageReport r) => new(
        r.Shard, r.Number, r.FirstBatch, r.LastBatch, Convert.ToHexStringLower(r.PreviousChain.Span),
        r.Roots.Select(x => Convert.ToHexStringLower(x.Span)).ToValueList(), Convert.ToHexStringLower(r.Chain.Span), r.RecordedAt.ToDateTimeOffset(),
        r.Lines.Select(l => new ReportedLine(l.SubscriptionId, l.PeriodId, l.PlanId, l.Kind, l.Tokens)).ToValueList());
}
